#!/usr/bin/env bash
set -euo pipefail
pip install --no-deps --editable . # a copy would outlive a change of the code

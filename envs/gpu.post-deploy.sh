#!/usr/bin/env bash
set -euo pipefail
# Snakemake runs a copy of this file, wherever it was called; the Snakefile says where it lies itself.
# Editable: a copy would outlive a change of the code.
pip install --no-deps --editable "${LIRA_SOURCE:?is the folder of the Snakefile, which sets it}"

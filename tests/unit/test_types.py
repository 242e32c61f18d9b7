"""mypy agrees with every annotation of the package."""

import subprocess
import sys


def test_mypy_finds_nothing_to_say(request):
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "lira"], cwd=request.config.rootpath, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr

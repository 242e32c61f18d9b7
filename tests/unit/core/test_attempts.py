"""What a job that is started again keeps of its log."""

import subprocess
import sys

import pytest

CODE = "import sys; from pathlib import Path; from lira.core.attempts import keep_log; "
CODE += "keep_log(*map(Path, sys.argv[1:])); print('trained', flush=True)"


def said(kept, log):
    return subprocess.run(
        [sys.executable, "-c", CODE, str(kept), str(log)], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("before", ["", "earlier\n"])
@pytest.mark.parametrize("other", [".", "..", "link"])
def test_a_log_of_the_name_that_is_kept_is_kept(tmp_path, before, other):
    kept = tmp_path / "jobs" / "0-3.log"
    kept.parent.mkdir()
    (kept.parent / "link").symlink_to(kept.parent)
    kept.write_text(before)
    done = said(kept, kept.parent / other / ("jobs" if other == ".." else "") / kept.name)
    assert done.returncode == 0, done.stderr
    assert kept.read_text() == f"{before}trained\n"


def test_the_folder_of_a_log_is_made(tmp_path):
    kept, log = tmp_path / "0-3.log", tmp_path / "logs" / "train" / "0-3.log"
    done = said(kept, log)
    assert done.returncode == 0 and log.read_text() == kept.read_text() == "trained\n"
    assert said(kept, log).returncode == 0 and log.samefile(kept) and log.read_text() == "trained\n" * 2

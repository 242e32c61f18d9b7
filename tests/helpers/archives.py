"""Results that earlier versions of the suite made."""

import shutil
import tarfile
from pathlib import Path

ARCHIVES = Path(__file__).parents[1] / "archives"


def unpack(version, folder):
    """Puts study, inputs and results of an encoding version into a folder; returns the results of the study."""
    shutil.copytree(ARCHIVES / version, folder, ignore=shutil.ignore_patterns("*.tar.xz"), dirs_exist_ok=True)
    with tarfile.open(ARCHIVES / version / "results.tar.xz") as results:
        if hasattr(tarfile, "data_filter"):  # from Python 3.11.4 on
            results.extraction_filter = tarfile.data_filter
        results.extractall(folder)
    return folder / "results" / "archive"

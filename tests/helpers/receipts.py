"""Where a training job's models lie."""

import json
from pathlib import Path

from array_files import read_arrays

from lira.storage.models import Models, write_receipt


def models_of(receipt: Path) -> list[Path]:
    """The files with the models of a receipt."""
    return [receipt.parent / name for name in json.loads(receipt.read_text())["files"]]


def read_models(receipt: Path) -> dict:
    """The arrays of a job's models, which lie in one file."""
    (file,) = models_of(receipt)
    return read_arrays(file)


def receipt_for(models: Models) -> Path:
    """Writes the receipt of a job whose models are a file's."""
    output = models.path.with_name(f"{models.first}-{models.last}.json")
    identity = models.path.name.split(".")[-2]
    write_receipt(output, models.first, models.last, identity, [models])
    return output

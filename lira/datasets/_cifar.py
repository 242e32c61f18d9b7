"""Reads CIFAR-10 and CIFAR-100 from their authors' pickled batches, through torchvision."""

from pathlib import Path
from typing import Any

import numpy as np

from lira.core.errors import DataError, reason
from lira.datasets._arrays import Arrays, check_labels


def fetch_cifar(name: str, folder: Path) -> dict[str, str]:
    """Downloads the batches if they are missing, checks them, and returns the MD5 sum of each file.

    Args:
        name: Class in ``torchvision.datasets``.
        folder: Folder that holds, or will hold, the folder of batches.

    Raises:
        DataError: A file does not have its published MD5 sum, or is missing and cannot be downloaded.
    """
    dataset = _torchvision(name)
    batches = folder / dataset.base_folder
    files = _files(dataset)
    if missing := [file for file in files if not (batches / file).is_file()]:
        _check_sums(batches, {file: md5 for file, md5 in files.items() if file not in missing})
        try:
            dataset(folder, download=True)
        except Exception as error:  # a download can fail in any way
            raise DataError(
                f"{batches} lacks {', '.join(missing)} and {dataset.url} cannot be downloaded ({reason(error)}): "
                f"put {dataset.filename} into {folder} and run again"
            ) from error
    _check_sums(batches, files)
    return {f"{dataset.base_folder}/{file}": md5 for file, md5 in files.items()}


def read_cifar(name: str, folder: Path, classes: int, mean: tuple, std: tuple) -> Arrays:
    """Reads training and test samples in the order of the batches.

    Raises:
        DataError: A file is missing, damaged or of another form.
    """
    dataset = _torchvision(name)
    batches = folder / dataset.base_folder
    for file in _files(dataset):
        if not (batches / file).is_file():
            raise DataError(f"{batches / file} does not exist: put {dataset.filename} into {folder} and unpack it")
    _check_sums(batches, _files(dataset))
    try:
        parts = [dataset(folder, train=train) for train in (True, False)]
    except Exception as error:  # a pickle can fail in any way
        raise DataError(f"{batches} cannot be read ({reason(error)}): delete it and run again") from error
    x = [np.moveaxis(part.data, 3, 1) for part in parts]
    y = [check_labels(part.targets, f"{batches}: labels", part.data) for part in parts]
    test = np.arange(len(x[0]), len(x[0]) + len(x[1]))
    whole = np.concatenate(x), np.concatenate(y)
    return Arrays(*whole, str(batches), 255.0, classes, test=test, mean=mean, std=std)


def _torchvision(name: str) -> Any:
    from torchvision import datasets

    return getattr(datasets, name)


def _files(dataset: Any) -> dict[str, str]:
    listed = [*dataset.train_list, *dataset.test_list, (dataset.meta["filename"], dataset.meta["md5"])]
    return {file: md5 for file, md5 in listed}


def _check_sums(batches: Path, files: dict[str, str]) -> None:
    from torchvision.datasets.utils import calculate_md5

    for file, md5 in files.items():
        found = calculate_md5(batches / file)
        if found != md5:
            raise DataError(f"{batches / file} is damaged (MD5 {found}, not {md5}): delete it and run again")

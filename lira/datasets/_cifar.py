"""CIFAR-10 and CIFAR-100 in the pickled batches of their authors, read by torchvision."""

from pathlib import Path
from typing import Any

import numpy as np

from lira.core.errors import DataError
from lira.datasets._arrays import Arrays, check_labels


def fetch_cifar(name: str, folder: Path) -> dict[str, str]:
    """Checks the batches by their published MD5 sums, after downloading them if they are not there.

    Args:
        name: Class in ``torchvision.datasets``.
        folder: Holds, or gets, the folder of batches.

    Returns:
        MD5 sum of each file.

    Raises:
        DataError: a file is damaged, or missing without a way to download it.
    """
    dataset = _torchvision(name)
    batches = folder / dataset.base_folder
    files = _files(dataset)
    if not all((batches / file).is_file() for file in files):
        _refuse_damaged(batches, {file: md5 for file, md5 in files.items() if (batches / file).is_file()})
        try:
            dataset(folder, download=True)
        except Exception as error:  # whatever the network makes of it
            raise DataError(
                f"{batches} lacks {', '.join(file for file in files if not (batches / file).is_file())} and "
                f"{dataset.url} cannot be had ({_line(error)}): put {dataset.filename} into {folder} and run again"
            ) from error
    _refuse_damaged(batches, files)
    return {f"{dataset.base_folder}/{file}": md5 for file, md5 in files.items()}


def read_cifar(name: str, folder: Path, classes: int, mean: tuple, std: tuple) -> Arrays:
    """Training and test samples, in the order of the batches.

    Raises:
        DataError: a file is missing, damaged, or not what it should be.
    """
    dataset = _torchvision(name)
    batches = folder / dataset.base_folder
    for file in _files(dataset):
        if not (batches / file).is_file():
            raise DataError(f"{batches / file} does not exist: put {dataset.filename} into {folder} and unpack it")
    _refuse_damaged(batches, _files(dataset))
    try:
        parts = [dataset(folder, train=train) for train in (True, False)]
    except Exception as error:  # a pickle can fail in any way
        raise DataError(f"{batches} cannot be read ({_line(error)}): delete it and run again") from error
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


def _refuse_damaged(batches: Path, files: dict[str, str]) -> None:
    from torchvision.datasets.utils import calculate_md5

    for file, md5 in files.items():
        found = calculate_md5(batches / file)
        if found != md5:
            raise DataError(f"{batches / file} is damaged (MD5 {found}, not {md5}): delete it and run again")


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__

"""The arrays that a loader returns, and the checks that every dataset passes before it is written."""

from collections.abc import Sequence, Sized
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from jaxtyping import Float, Int, Shaped, UInt8

from lira.config.dataset import Dataset
from lira.config.sections import MOST
from lira.core.errors import DataError
from lira.core.validation import ArrayLike, allowed, check_array, quoted

CHANNELS = (1, 3)
LARGEST = np.finfo(np.float32).max


@dataclass(frozen=True)
class Arrays:
    """A dataset as its loader returns it: all samples, and which of them are its own test set.

    A loader of the user may give lists for arrays: they become arrays before they are used.

    Attributes:
        x: Images, uint8 ``[N, channels, height, width]``, or a sequence of images of different sizes; or numbers,
            ``[N, features]``.
        y: Class of each sample, from 0.
        origin: File, folder or generator, for messages.
        scale: The value in ``x`` that means 1.0.
        classes: Number of classes; by default, one more than the largest label.
        train: Indices of the training samples; by default, all that are not in ``test``.
        test: Indices of the dataset's own test samples.
        mean: Mean per channel or feature, after division by ``scale``; by default, that of the pool.
        std: Standard deviation, likewise.
        size: Height and width to resize images to if the study sets none.
        offset: What the preparation subtracts from each feature of tabular data before it becomes float32.
    """

    x: Annotated[Any, "sample ..."]
    y: Annotated[Any, "sample"]
    origin: str
    scale: float = 1.0
    classes: int | None = None
    train: Annotated[Any, "train"] = None
    test: Annotated[Any, "test"] = None
    mean: Annotated[ArrayLike, "channel"] | None = None
    std: Annotated[ArrayLike, "channel"] | None = None
    size: int | None = None
    offset: Annotated[Any, "feature"] = 0.0

    @property
    def own_test(self) -> Int[np.ndarray, " test"]:
        """Indices of the dataset's own test samples; empty if it has none."""
        return np.empty(0, np.int64) if self.test is None else self.test

    @property
    def own_train(self) -> Int[np.ndarray, " train"]:
        """Indices of all other samples."""
        return np.setdiff1d(np.arange(len(self.y)), self.own_test) if self.train is None else self.train


def from_user(given: Any, origin: str, kind: str) -> Arrays:
    """Checks the user's own dataset and returns it as :class:`Arrays`.

    Args:
        given: Mapping with ``x`` and ``y``, and optionally ``x_test`` and ``y_test``, ``scale``, ``classes``,
            ``mean`` and ``std``.
        origin: Where the dataset comes from, for messages.
        kind: ``image`` or ``tabular``.

    Raises:
        DataError: An array is missing, unknown, or of the wrong type or length.
    """
    known = ("x", "y", "x_test", "y_test", "scale", "classes", "mean", "std")
    for name in given:
        if name not in known:
            raise DataError(f"{origin}: {quoted(name)} is an unknown array: {allowed(known)}")
    for name in ("x", "y", *(("x_test", "y_test") if "x_test" in given or "y_test" in given else ())):
        if name not in given:
            raise DataError(f"{origin}: has no {name!r}, it has: {', '.join(given) or 'nothing'}")
    arrange = check_images if kind == "image" else check_table
    x, y = arrange(given["x"], f"{origin}: x"), check_labels(given["y"], f"{origin}: y", given["x"])
    test = None
    if "x_test" in given:
        x_test = arrange(given["x_test"], f"{origin}: x_test")
        if x_test.shape[1:] != x.shape[1:]:
            raise DataError(f"{origin}: samples of x_test are {x_test.shape[1:]}, those of x {x.shape[1:]}")
        y_test = check_labels(given["y_test"], f"{origin}: y_test", x_test)
        test = np.arange(len(x), len(x) + len(x_test))
        x, y = np.concatenate([x, x_test]), np.concatenate([y, y_test])
    scale = given.get("scale", 255 if kind == "image" else 1)
    mean, std = given.get("mean"), given.get("std")
    whole = Arrays(x, y, origin, scale, given.get("classes"), test=test, mean=mean, std=std)
    return check_arrays(whole, origin, kind)


def check_arrays(given: Arrays, source: str, kind: str) -> Arrays:
    """Checks every field of a dataset that the user's code made, and returns it with arrays of the right types.

    Args:
        given: What the user's code returned.
        source: Where it comes from, for messages.
        kind: ``image`` or ``tabular``.

    Raises:
        DataError: A field has the wrong type or length, or is out of range.
    """
    x = _check_pictures(given.x, f"{source}: x") if kind == "image" else check_table(given.x, f"{source}: x")
    y = check_labels(given.y, f"{source}: y", x)
    train, test = (_check_indices(getattr(given, name), f"{source}: {name}", len(y)) for name in ("train", "test"))
    if train is not None and test is not None and len(both := np.intersect1d(train, test)):
        raise DataError(f"{source}: sample {both[0]} is in both train and test")
    if not isinstance(given.origin, str):
        raise DataError(f"{source}: origin is {given.origin!r:.60}: text is needed")
    width = len(x[0]) if len(x) else 0
    mean, std = (_check_per_channel(getattr(given, name), f"{source}: {name}", width) for name in ("mean", "std"))
    if (mean is None) != (std is None):
        raise DataError(f"{source}: mean and std are needed together: give both or neither")
    if std is not None and not (std > 0).all():
        raise DataError(f"{source}: std is {std.min():g} somewhere: numbers above 0 are needed")
    scale = _check_number(given.scale, f"{source}: scale")
    classes, size = (_check_count(getattr(given, name), f"{source}: {name}") for name in ("classes", "size"))
    found = Arrays(x, y, given.origin, scale, classes, train, test, mean, std, size)
    labels, counts = np.unique(y[found.own_train], return_counts=True)
    if len(lone := labels[counts == 1]):
        raise DataError(
            f"{source}: class {lone[0]} has one training sample, and models without it know nothing of it: leave "
            "the class out or merge it with another"
        )
    return found


def _check_pictures(x: Any, place: str) -> np.ndarray | Sequence[np.ndarray]:
    """Checks images of one size or of several; of a lazy sequence, only the first image is read."""
    if isinstance(x, Sequence) and not isinstance(x, list | tuple | str):
        if len(x):
            check_images([x[0]], f"{place}[0]")
        return x
    if not isinstance(x, list | tuple) or len({np.shape(image) for image in x}) < 2:
        return check_images(x, place)
    found = [check_images([image], f"{place}[{index}]")[0] for index, image in enumerate(x)]
    if len({len(image) for image in found}) > 1:
        raise DataError(f"{place} has images of different numbers of channels")
    return found


def _check_indices(given: Any, place: str, samples: int) -> Int[np.ndarray, " index"] | None:
    if given is None:
        return None
    found = check_array(given, place)
    if found.size and (found.ndim != 1 or found.dtype.kind not in "iu" or found.min() < 0 or found.max() >= samples):
        raise DataError(f"{place} has values other than indices of samples, from 0 to {samples - 1}")
    if len(np.unique(found)) < found.size:
        raise DataError(f"{place} has a sample more than once")
    return found.reshape(-1).astype(np.int64)


def _check_per_channel(given: Any, place: str, width: int) -> Float[np.ndarray, " channel"] | None:
    if given is None:
        return None
    found = check_array(given, place)
    if found.shape != (width,) or not np.isfinite(found).all():
        raise DataError(f"{place} is {found.tolist()!r:.60}: {width} finite numbers are needed, as x has {width}")
    return found.astype(np.float64)


def _check_count(given: Any, place: str) -> int | None:
    if given is None:
        return None
    found = _check_number(given, place)
    if found != int(found) or found > MOST:
        raise DataError(f"{place} is {found:g}: allowed are whole numbers from 1 to {MOST}")
    return int(found)


def check_images(x: Any, place: str) -> UInt8[np.ndarray, "sample channel height width"]:
    """Returns uint8 images with channels first (given first, last or, if grey, not at all); else raises DataError."""
    x = check_array(x, place)
    if x.dtype != np.uint8:
        raise DataError(f"{place} is {x.dtype}: images are uint8, from 0 to 255")
    if x.ndim in (3, 4) and 0 in x.shape[1:]:
        raise DataError(f"{place} is {list(x.shape)}: its images have no pixels")
    if x.ndim == 3:
        return x[:, np.newaxis]
    if x.ndim == 4 and x.shape[1] in CHANNELS:
        return x
    if x.ndim == 4 and x.shape[3] in CHANNELS:
        return np.moveaxis(x, 3, 1)
    raise DataError(f"{place} is {list(x.shape)}: images are [N, H, W], [N, C, H, W] or [N, H, W, C], C 1 or 3")


def check_table(x: Any, place: str) -> Shaped[np.ndarray, "sample feature"]:
    """Returns a table of numbers as an array; raises DataError unless it has two axes."""
    x = check_array(x, place)
    if x.ndim != 2 or not x.shape[1]:
        raise DataError(f"{place} is {list(x.shape)}: tabular data is [N, features]")
    return x


def check_labels(y: Any, place: str, x: Sized) -> Int[np.ndarray, " sample"]:
    """Returns labels as int64; raises DataError unless they are whole numbers, one for each sample of ``x``."""
    y = check_array(y, place)
    if y.ndim != 1 or len(y) != len(x):
        raise DataError(f"{place} is {list(y.shape)}: one label for each of the {len(x)} samples is needed")
    whole = np.asarray(y, np.float64)
    if len(wrong := np.flatnonzero(~np.isfinite(whole) | (whole != np.floor(whole)))):
        raise DataError(f"{place}[{wrong[0]}] is {y[wrong[0]]}: labels are whole numbers from 0")
    return y.astype(np.int64)


def _check_number(value: Any, place: str) -> float:
    value = check_array(value, place)
    if value.size != 1 or not 0 < value.item() < np.inf:
        raise DataError(f"{place} is {value.tolist()!r:.50}: one number above 0 is needed")
    return float(value.item())


def with_moments(arrays: Arrays, settings: Dataset) -> Arrays:
    """Returns arrays with the mean and standard deviation that the settings give, if they do.

    Raises:
        DataError: There is not one for each channel or feature.
    """
    width, place = len(arrays.x[0]), f"{arrays.origin}, as the study sets it"
    if not settings.normalise:
        return replace(arrays, mean=np.zeros(width), std=np.ones(width))
    if settings.mean is None:
        return arrays
    mean, std = (_check_per_channel(getattr(settings, name), f"{place}: {name}", width) for name in ("mean", "std"))
    return replace(arrays, mean=mean, std=std)


def check_classes(arrays: Arrays, pool: Int[np.ndarray, " pool"]) -> int:
    """Returns the number of classes C.

    Raises:
        DataError: Labels are not 0 to C − 1, the pool lacks a class, or there is but one.
    """
    y, origin = arrays.y, arrays.origin
    if len(arrays.x) != len(y):
        raise DataError(f"{origin}: {len(arrays.x)} samples but {len(y)} labels")
    if not len(pool):
        raise DataError(f"{origin}: there are no samples")
    classes = arrays.classes or max(int(y.max()) + 1, 1)
    if len(wrong := np.flatnonzero((y < 0) | (y >= classes))):
        raise DataError(f"{origin}: the label of sample {wrong[0]} is {y[wrong[0]]}: allowed are 0 to {classes - 1}")
    found = np.unique(y[pool])
    if len(found) < classes:
        missing = np.append(np.flatnonzero(found != np.arange(len(found))), len(found))[0]
        raise DataError(f"{origin}: the pool has no sample of class {missing} of 0 to {classes - 1}")
    if classes < 2:
        raise DataError(f"{origin}: all samples are of one class: two classes or more are needed")
    return classes


def check_finite(
    x: Float[np.ndarray, "block feature"],
    given: Shaped[np.ndarray, "block feature"],
    source: Int[np.ndarray, " block"],
    origin: str,
) -> None:
    """Raises DataError, with sample and feature, if a value as float32 is NaN or infinite; ``given`` it was before."""
    if not np.isfinite(x).all():
        row, feature = np.argwhere(~np.isfinite(x))[0]
        value = given[row, feature]
        needed = f"divide the feature, float32 ends at {LARGEST:.1e}" if np.isfinite(value) else "must be finite"
        raise DataError(f"{origin}: feature {feature} of sample {source[row]} is {value}: {needed}")

"""The arrays that a loader returns, and the checks that every dataset passes before it is written."""

from collections.abc import Sequence, Sized
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any

import numpy as np
from jaxtyping import Float, Int, Shaped, UInt8

from lira.config.dataset import Dataset
from lira.config.sections import MOST
from lira.core.errors import DataError
from lira.core.validation import ArrayLike, allowed, check_array, quoted
from lira.datasets._columns import check_kinds, values_of
from lira.datasets._names import check_names, numbered, shown

CHANNELS = (1, 3)
KNOWN = (
    *("x", "y", "x_test", "y_test", "scale", "classes", "mean", "std", "features"),
    *("id", "groups", "id_test", "groups_test"),
)
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
        class_names: Name of each class.
        features: Name of each feature of tabular data.
        ids: What each sample is called, which is kept with the results.
        groups: What results can be split by, likewise.
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
    class_names: Sequence[str] | None = None
    features: Sequence[str] | None = None
    ids: Annotated[Any, "sample"] = None
    groups: Annotated[Any, "sample"] = None

    @property
    def own_test(self) -> Int[np.ndarray, " test"]:
        """Indices of the dataset's own test samples; empty if it has none."""
        return np.empty(0, np.int64) if self.test is None else self.test

    def feature(self, index: int) -> str:
        """Returns the index of a feature, with its name if it has one."""
        return str(index) if self.features is None else f"{index} ({str(self.features[index])!r})"

    @property
    def own_train(self) -> Int[np.ndarray, " train"]:
        """Indices of all other samples."""
        return np.setdiff1d(np.arange(len(self.y)), self.own_test) if self.train is None else self.train


def from_user(given: Any, origin: str, settings: Dataset) -> Arrays:
    """Checks the user's own dataset and returns it as :class:`Arrays`.

    Args:
        given: Mapping with ``x`` and ``y``, and optionally ``x_test`` and ``y_test``, ``scale``, ``classes``, ``mean``
            and ``std``, ``features``, ``id`` and ``groups`` (and ``id_test``, ``groups_test``). Labels may be text.
        origin: Where the dataset comes from, for messages.
        settings: What the study says of it.

    Raises:
        DataError: An array is missing, unknown, or of the wrong type or length.
    """
    for name in given:
        if name not in KNOWN:
            raise DataError(f"{origin}: {quoted(name)} is an unknown array: {allowed(KNOWN)}")
    ends = ("", "_test")[: 1 + ("x_test" in given or "y_test" in given)]
    called = [name for name in ("id", "groups") if name in given or f"{name}_test" in given]
    for name in (f"{one}{end}" for end in ends for one in ("x", "y", *called)):
        if name not in given:
            raise DataError(f"{origin}: has no {name!r}, it has: {', '.join(given) or 'nothing'}")
    image = settings.holds == "image"
    arrange = partial(check_images, channels=settings.channels) if image else check_table
    x = [arrange(given[f"x{end}"], f"{origin}: x{end}") for end in ends]
    if x[-1].shape[1:] != x[0].shape[1:]:
        raise DataError(f"{origin}: samples of x_test are {x[1].shape[1:]}, those of x {x[0].shape[1:]}")
    labels, class_names = numbered({f"{origin}: y{end}": given[f"y{end}"] for end in ends})
    y = [check_labels(values, place, part) for (place, values), part in zip(labels.items(), x, strict=True)]
    parts = list(zip(ends, x, strict=True))
    names = {
        name: [check_names(given[name + end], f"{origin}: {name}{end}", len(part)) for end, part in parts]
        for name in called
    }
    joined = {
        name: np.concatenate(parts) if ends[1:] else parts[0] for name, parts in ({"x": x, "y": y} | names).items()
    }
    whole = Arrays(
        joined["x"],
        joined["y"],
        origin,
        given.get("scale", 255 if image else 1),
        given.get("classes"),
        test=np.arange(len(x[0]), len(joined["x"])) if ends[1:] else None,
        mean=given.get("mean"),
        std=given.get("std"),
        class_names=class_names,
        features=given.get("features"),
        ids=joined.get("id"),
        groups=joined.get("groups"),
    )
    arranged = settings.model_copy(update={"channels": "first"}) if image else settings
    return check_arrays(whole, origin, arranged)


def check_arrays(given: Arrays, source: str, settings: Dataset) -> Arrays:
    """Checks every field of a dataset that the user's code made, and returns it with arrays of the right types.

    Args:
        given: What the user's code returned.
        source: Where it comes from, for messages.
        settings: What the study says of it.

    Raises:
        DataError: A field has the wrong type or length, or is out of range.
    """
    image = settings.holds == "image"
    x = _check_pictures(given.x, f"{source}: x", settings.channels) if image else check_table(given.x, f"{source}: x")
    y, names = check_labels(given.y, f"{source}: y", x), given.class_names
    if not len(y):
        raise DataError(f"{source}: there are no samples")
    if settings.named_labels and names is None:
        present, y = np.unique(y, return_inverse=True)
        names = [str(label) for label in present]
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
    lengths = {"class_names": classes or int(y.max(initial=-1)) + 1, "features": width, "ids": len(y), "groups": len(y)}
    called = {name: getattr(given, name) for name in lengths} | {"class_names": names}
    called = {
        name: None if values is None else check_names(values, f"{source}: {name}", lengths[name])
        for name, values in called.items()
    }
    found = Arrays(x, y, given.origin, scale, classes, train, test, mean, std, size, **called)
    labels, counts = np.unique(y[found.own_train], return_counts=True)
    if len(lone := labels[counts == 1]):
        raise DataError(
            f"{source}: class {shown(found.class_names, lone[0])} has one training sample, and models without it know "
            "nothing of it: leave the class out or merge it with another"
        )
    return found


class _Album:
    """Images that are read one by one, with their channels first."""

    def __init__(self, images: Sequence, place: str, channels: str | None):
        self.images, self.place, self.channels = images, place, channels
        self.width = len(self[0]) if len(images) else 0

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: Any) -> UInt8[np.ndarray, "channel height width"]:
        place = f"{self.place}[{index}]"
        [image] = check_images([self.images[index]], place, self.channels)
        if len(image) != getattr(self, "width", len(image)):
            raise DataError(_other_channels(self.place, index, image, self.width))
        return image


def _check_pictures(x: Any, place: str, channels: str | None) -> np.ndarray | list[np.ndarray] | _Album:
    """Checks images of one size or of several; a lazy sequence is checked as it is read."""
    if isinstance(x, Sequence) and not isinstance(x, list | tuple | str):
        return _Album(x, place, channels)
    if not isinstance(x, list | tuple) or len({np.shape(image) for image in x}) < 2:
        return check_images(x, place, channels)
    found = [check_images([image], f"{place}[{index}]", channels)[0] for index, image in enumerate(x)]
    if other := next((index for index, image in enumerate(found) if len(image) != len(found[0])), 0):
        raise DataError(_other_channels(place, other, found[other], len(found[0])))
    return found


def _other_channels(place: str, index: Any, image: np.ndarray, width: int) -> str:
    remedy = "images of Pillow have 3 after convert('RGB')"
    return f"{place}[{index}] has {len(image)} channels, {place}[0] has {width}: {remedy}"


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


def check_images(x: Any, place: str, channels: str | None = None) -> UInt8[np.ndarray, "sample channel height width"]:
    """Returns uint8 images with channels first.

    Args:
        x: Images with channels first, last or, if grey, not at all.
        place: Where they come from, for messages.
        channels: ``first`` or ``last``; where there are 1 or 3 if not given.

    Raises:
        DataError: They are no images, or not of one kind, or either axis may be that of the channels.
    """
    if isinstance(x, Sequence):
        check_kinds(x, place)
    try:
        x = check_array(x, place)
    except DataError as error:
        raise _uneven(x, place) or error from error
    if x.dtype != np.uint8:
        raise DataError(f"{place} is {x.dtype}: images are uint8, from 0 to 255")
    if x.ndim in (3, 4) and 0 in x.shape[1:]:
        raise DataError(f"{place} is {list(x.shape)}: its images have no pixels")
    if x.ndim == 3:
        return x[:, np.newaxis]
    first, last = (x.ndim == 4 and x.shape[axis] in CHANNELS for axis in (1, 3))
    if first and last and channels is None and x.shape[1:] != (1, 1, 1):
        raise DataError(
            f"{place} is {list(x.shape)}: its channels may be first or last, set channels: first or channels: last"
        )
    if first and channels != "last":
        return x
    if last and channels != "first":
        return np.moveaxis(x, 3, 1)
    stated = f", and channels is {channels!r}" if channels else ""
    raise DataError(f"{place} is {list(x.shape)}: images are [N, H, W], [N, C, H, W] or [N, H, W, C], C 1 or 3{stated}")


def _uneven(images: Any, place: str) -> DataError | None:
    """Returns the error of images of several shapes, if that is what makes them no array."""
    shapes = [np.shape(image) for image in images] if isinstance(images, list | tuple) else []
    if not (other := next((index for index, shape in enumerate(shapes) if shape != shapes[0]), 0)):
        return None
    return DataError(
        f"{place}[{other}] is {list(shapes[other])}, {place}[0] {list(shapes[0])}: images must have one size and "
        "number of channels, as convert('RGB') makes 3 of Pillow's"
    )


def check_table(x: Any, place: str) -> Shaped[np.ndarray, "sample feature"]:
    """Returns a table of numbers as an array; raises DataError unless it has two axes."""
    x = check_array(values_of(x, place), place)
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
    if len(large := np.flatnonzero(np.abs(whole) >= 2**63)):
        raise DataError(
            f"{place}[{large[0]}] is {y[large[0]]}: labels are less than 2^63, or text, as astype(str) makes"
        )
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


def check_classes(arrays: Arrays, pool: Int[np.ndarray, " pool"], settings: Dataset) -> int:
    """Returns the number of classes C.

    Raises:
        DataError: Labels are not 0 to C − 1, the pool lacks a class or has one sample of it, or there is but one class.
    """
    y, origin = arrays.y, arrays.origin
    name = partial(shown, arrays.class_names)
    own = settings.kind is not None and arrays.class_names is None
    hint = "; named_labels: true takes other whole numbers, such as 1 to C" if own else ""
    if settings.kind and arrays.classes:
        hint = f"; classes is {arrays.classes}: leave it out, or give the number of classes that there are"
    if len(arrays.x) != len(y):
        raise DataError(f"{origin}: {len(arrays.x)} samples but {len(y)} labels")
    if not len(pool):
        raise DataError(f"{origin}: there are no samples")
    classes = arrays.classes or max(int(y.max()) + 1, 1)
    if len(wrong := np.flatnonzero((y < 0) | (y >= classes))):
        said = f"the label of sample {wrong[0]} is {y[wrong[0]]}: allowed are 0 to {classes - 1}{hint}"
        raise DataError(f"{origin}: {said}")
    found, counts = np.unique(y[pool], return_counts=True)
    if len(found) < classes:
        missing = np.append(np.flatnonzero(found != np.arange(len(found))), len(found))[0]
        if settings.kind and missing in y[arrays.own_test]:
            hint = "; y_test alone has it: leave its samples out, or set pool: train+test"
        said = f"the pool has no sample of class {name(missing)} of {name(0)} to {name(classes - 1)}{hint}"
        raise DataError(f"{origin}: {said}")
    if classes < 2:
        raise DataError(f"{origin}: all samples are of one class: two classes or more are needed")
    if settings.kind and len(lone := found[counts == 1]):
        raise DataError(
            f"{origin}: the pool has one sample of class {name(lone[0])}, and models without it know nothing of it: "
            "set less aside, or leave the class out"
        )
    return classes


def check_finite(
    x: Float[np.ndarray, "block feature"],
    given: Shaped[np.ndarray, "block feature"],
    source: Int[np.ndarray, " block"],
    arrays: Arrays,
) -> None:
    """Raises DataError, with sample and feature, if a value as float32 is NaN or infinite; ``given`` it was before."""
    if not np.isfinite(x).all():
        row, feature = np.argwhere(~np.isfinite(x))[0]
        value = given[row, feature]
        needed = f"divide the feature, float32 ends at {LARGEST:.1e}" if np.isfinite(value) else "must be finite"
        place = f"{arrays.origin}: feature {arrays.feature(feature)} of sample {source[row]}"
        raise DataError(f"{place} is {value}: {needed}")

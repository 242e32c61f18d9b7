"""What one given model says of a pool, and the list of its members: by pool order, by ``sample`` or by ``id``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from lira.core.errors import DataError
from lira.core.validation import allowed, check_booleans, quoted
from lira.datasets._columns import EXACT, is_unnamed, names_rows, numbering
from lira.datasets._forms import PARQUET, absent, form_of
from lira.datasets._names import as_text, check_names
from lira.datasets.file import open_arrays, read_slice
from lira.shadows.formats.given import KINDS, check_outputs
from lira.shadows.formats.tables import check_numbers, is_table, outputs_of, read_index, read_lines, unreadable

FORMS = "CSV or parquet"
BY = ("id", "sample")
"""Columns, or arrays, that say which record of the pool a row is of."""

ABOUT = ("view", "label", "labels", "member")
"""What else is known of a row."""

WORDS = {form(word): word == "true" for word in ("false", "true") for form in (str.lower, str.upper, str.title)}
"""Labels of two classes as text, by number."""


@dataclass(frozen=True)
class Pool:
    """The records that predictions are of.

    Attributes:
        samples: Their number.
        ids: What each is called, if that is known.
        classes: What each class is called, if that is known.
    """

    samples: int
    ids: Shaped[np.ndarray, " sample"] | None = None
    classes: Shaped[np.ndarray, " class"] | None = None

    def places(self, columns: Mapping[str, Any], rows: int, path: Path) -> Int[np.ndarray, " row"]:
        """Returns the sample of each row, -1 if it is not in the pool.

        Args:
            columns: ``id`` or ``sample`` of each row, of which ids go first, or none of them for pool order; and what
                else is there that may say another order.
            rows: Number of rows.
            path: The file, for messages.

        Raises:
            DataError: There are more rows or fewer than records, an index is out of the pool, no id is known, or
                another column may say which records the rows are of.
        """
        if "id" in columns:
            return self._by_id(columns["id"], rows, path)
        if "sample" in columns:
            return self._by_index(np.asarray(columns["sample"]), rows, path)
        if rows != self.samples:
            raise DataError(
                f"{path} has {rows:,} rows, the pool {self.samples:,} records: give all in pool order, or say "
                "which they are by id or sample"
            )
        for name, values in columns.items():
            if np.shape(values) == (rows,) and self._may_order(np.asarray(values), name):
                said = "a column without a name" if is_unnamed(name) else name
                raise DataError(
                    f"{path}: {said} may say which record each row is of: call it id or sample, or leave it out if "
                    "rows are in pool order"
                )
        return np.arange(rows)

    def _by_index(self, found: np.ndarray, rows: int, path: Path) -> Int[np.ndarray, " row"]:
        if found.shape != (rows,):
            raise DataError(f"{path}: sample is {list(found.shape)}: one for each of {rows} rows is needed")
        good = found.dtype.kind in "iuf"
        if not good or (wrong := (found < 0) | (found >= self.samples) | (found != np.floor(found))).any():
            said = quoted(found[wrong.argmax()]) if good else f"of {found.dtype}"
            raise DataError(f"{path}: sample is {said}: allowed are indices in the pool, 0 to {self.samples - 1}")
        return found.astype(np.int64)

    def _by_id(self, values: Any, rows: int, path: Path) -> Int[np.ndarray, " row"]:
        if self.ids is None:
            raise DataError(f"{path} has ids, but the run knows none: name records by sample, the index in its pool")
        known, order = np.unique(self.ids, return_index=True)
        if len(known) < self.samples:
            raise DataError(f"{path} has ids, but those of the run's pool are not each of one record: use sample")
        names = check_names(values, f"{path}: id", rows)
        at = np.searchsorted(known, names).clip(max=len(known) - 1)
        if not (known[at] == names).any():
            theirs = f"{quoted(str(names[0]))}, the pool {quoted(str(self.ids[0]))}"
            raise DataError(f"{path}: none of its ids is in the pool: it has {theirs}")
        return np.where(known[at] == names, order[at], -1)

    @cached_property
    def _id_numbers(self) -> Float[np.ndarray, " sample"] | None:
        return None if self.ids is None else _numbers(self.ids)

    def _may_order(self, values: Shaped[np.ndarray, " row"], name: str) -> bool:
        """Whether a column seems to say that rows are in another order than the pool."""
        numbers, named = _numbers(values), names_rows(name)
        if numbers is not None and (numbers != np.floor(numbers)).any():
            return False  # measurements
        counted = "" if numbers is None else numbering(numbers, name)
        if self.ids is not None:
            found, known = numbers, self._id_numbers
            if found is None or known is None:
                found, known = as_text(values), self.ids
            if (found == known).all():
                return False
            common = len(np.intersect1d(found, known))
            if common == self.samples or (common > self.samples / 2 and counted != "ordered"):
                return True
        if counted or not named:
            return counted == "shuffled"
        if numbers is not None and (np.diff(numbers) > 0).all():
            return False  # of what was chosen from a larger table
        return len(np.unique(as_text(values))) == len(values)

    def numbered(self, labels: Any, path: Path) -> Any:
        """Returns labels by number if they are names of the run's classes, and as they are if it has no names.

        Raises:
            DataError: One is neither a name nor a number.
        """
        if self.classes is None:
            return labels
        numbers = WORDS | {str(name): number for number, name in enumerate(self.classes)}
        texts = as_text(np.asarray(labels))
        unknown = [text for text in texts.flat if text not in numbers]
        if not unknown:
            return np.vectorize(numbers.get, otypes=[np.int64])(texts)
        try:
            return texts.astype(np.float64)
        except ValueError:
            said = f"label {quoted(unknown[0])} is no class of the run: {allowed(map(str, self.classes))}"
            raise DataError(f"{path}: {said}, or their numbers from 0") from None


def _numbers(values: Shaped[np.ndarray, " row"]) -> Float[np.ndarray, " row"] | None:
    """Returns values as numbers, also those that text spells, or nothing if one is none or has too many digits."""
    try:
        found = values.astype(np.float64)
    except (ValueError, TypeError):
        return None
    return None if (np.abs(found) > EXACT).any() else found


@dataclass(frozen=True)
class Predictions:
    """What one model says of the pool, in its order.

    Attributes:
        kind: One of :data:`lira.shadows.formats.given.KINDS`.
        values: As :class:`lira.shadows.formats.given.Given` has those of a model.
        labels: True class of each sample, if given.
        member: Its membership, if the file has it.
        foreign: Number of rows of records that are not in the pool.
    """

    kind: str
    values: np.ndarray
    labels: Any = None
    member: Bool[np.ndarray, " sample"] | None = None
    foreign: int = 0


def read_predictions(path: Path, pool: Pool) -> Predictions:
    """Reads what one model says of each record of a pool.

    A table (CSV, parquet) has one of the columns ``phi``, ``logit_0 ...``, ``logit``, ``probability_0 ...`` and
    ``probability``, and maybe ``id`` or ``sample``, ``view``, ``label`` and ``member``. An ``.npz`` or HDF5 file has
    one of the arrays ``phi``, ``logits`` and ``probabilities``, and maybe ``id`` or ``sample``, ``labels``, ``member``.

    Raises:
        DataError: The file cannot be read, lacks a record of the pool, has one twice, or has other columns.
    """
    return _from_table(path, pool) if _tabular(path) else _from_arrays(path, pool)


def _tabular(path: Path) -> bool:
    if not path.is_file():
        raise absent(path, "an .npz, HDF5, CSV or parquet file")
    return is_table(path) or form_of(path) == PARQUET


def _from_table(path: Path, pool: Pool) -> Predictions:
    frame = _frame(path, pool)
    kind, columns = outputs_of(list(frame.columns))
    if not columns:
        raise DataError(
            f"{path} has the columns {', '.join(frame.columns)[:200]}: predictions need one of phi, logit, "
            "logit_0 ..., probability, probability_0 ..., and maybe id or sample, view, label and member"
        )
    if "label" in frame:
        frame["label"] = pool.numbered(frame["label"], path)
    _check_columns(frame, path, *columns, "view", "label")
    views = read_index(frame, "view", path)
    if "view" in frame and not {*BY} & {*frame.columns}:
        raise DataError(f"{path} has views, but neither id nor sample: say which record each row is of")
    count = int(views.max()) + 1
    places = pool.places(_beside(frame, columns), len(frame), path)
    order = _in_pool_order(places * count + np.where(places < 0, 0, views), pool.samples * count, path, count)
    values = frame[columns].to_numpy()[order].reshape(pool.samples, count, len(columns))
    values = values[..., 0] if kind == "phi" else values
    first = order[::count]
    member = frame["member"].to_numpy()[first] if "member" in frame else None
    labels = frame["label"].to_numpy()[first] if "label" in frame else None
    truth = None if member is None else check_booleans(member, f"{path}: member")
    return Predictions(kind, values, labels, truth, int((places < 0).sum()) // count)


def _from_arrays(path: Path, pool: Pool) -> Predictions:
    with open_arrays(path) as arrays:
        found = {name: read_slice(values, (), path) for name, values in arrays.items()}
    kinds = [name for name in KINDS if name in found]
    if len(kinds) != 1:
        raise DataError(
            f"{path} has {', '.join(found) or 'nothing'}: predictions need one of phi [N, A], logits [N, A, C], "
            "probabilities [N, A, C], and maybe id or sample, labels and member [N]"
        )
    values = found[kinds[0]]
    if not values.ndim:
        raise DataError(f"{path}: {kinds[0]} is one number: one for each record is needed")
    check_outputs(kinds[0], values.shape, f"{path}: {kinds[0]}")
    places = pool.places(_beside(found, kinds), len(values), path)
    order = _in_pool_order(places, pool.samples, path)
    beside = {}
    for name in ("labels", "member"):
        if name in found and found[name].shape != (len(values),):
            raise DataError(
                f"{path}: {name} is {list(found[name].shape)}: one for each of {len(values)} rows is needed"
            )
        beside[name] = found[name][order] if name in found else None
    labels = None if beside["labels"] is None else pool.numbered(beside["labels"], path)
    member = None if beside["member"] is None else check_booleans(beside["member"], f"{path}: member")
    return Predictions(kinds[0], values[order], labels, member, int((places < 0).sum()))


def read_members(path: Path, pool: Pool) -> tuple[Bool[np.ndarray, " sample"], int]:
    """Reads which records of a pool a model was trained on: a table, an ``.npz`` or an HDF5 file.

    It lists the members by ``id`` or ``sample``; with ``member``, of 0 and 1, those rows alone that have 1, and all
    records in pool order if neither ``id`` nor ``sample`` is there.

    Returns:
        Membership of each sample, and the number of members that are not in the pool.

    Raises:
        DataError: The file cannot be read, or has other columns.
    """
    if _tabular(path):
        frame = _frame(path, pool)
        _check_columns(frame, path)
        found = {name: frame[name].to_numpy() for name in frame.columns}
    else:
        with open_arrays(path) as arrays:
            found = {name: read_slice(values, (), path) for name, values in arrays.items()}
    if not {*BY, "member"} & {*found}:
        raise DataError(f"{path} has {', '.join(found)[:200] or 'nothing'}: members need id, sample or member")
    name = next((name for name in BY if name in found), "member")
    if not np.ndim(found[name]):
        raise DataError(f"{path}: {name} is one value: one for each record is needed")
    rows = len(found[name])
    held = check_booleans(found["member"], f"{path}: member", "records") if "member" in found else np.ones(rows, bool)
    if len(held) != rows:
        raise DataError(f"{path}: member is of {len(held)} records, id or sample of {rows}")
    places = pool.places(_beside(found, ()), rows, path)[held]
    member = np.zeros(pool.samples, dtype=bool)
    member[places[places >= 0]] = True
    return member, int((places < 0).sum())


def _beside(columns: Mapping[str, Any], outputs: Sequence[str]) -> dict[str, Any]:
    """Returns what is, or may be, about which records the rows are of."""
    return {name: values for name, values in columns.items() if name not in (*outputs, *ABOUT)}


def _in_pool_order(places: np.ndarray, number: int, path: Path, views: int = 1) -> Int[np.ndarray, " place"]:
    """Returns the row of each place; raises DataError unless each has one."""
    times = np.bincount(places[places >= 0], minlength=number)[:number]
    if len(wrong := np.flatnonzero(times != 1)):
        sample, view = divmod(int(wrong[0]), views)
        where = f"sample {sample} of the pool{f', view {view},' if views > 1 else ''}"
        more = f", and so it is with {len(wrong)} of {number}" if len(wrong) > 1 else ""
        said = "is lacking" if not times[wrong[0]] else "is there more than once"
        raise DataError(f"{path}: {where} {said}{more}: one row of each is needed")
    order = np.full(number, -1)
    there = places >= 0
    order[places[there]] = np.flatnonzero(there)
    return order


def _check_columns(frame: Any, path: Path, *names: str) -> None:
    """Checks that columns are of numbers, as far as they are there: these, membership, and indices that count."""
    wanted = [*names, "member", *BY[1:] * ("id" not in frame)]
    check_numbers(frame[[name for name in wanted if name in frame]], path, first=2)


def _frame(path: Path, pool: Pool) -> Any:
    """Reads a table; what is no number by its name stays text, as ``007`` and ``NA`` may name a record."""
    import pandas as pd

    if form_of(path) == PARQUET:
        try:
            frame = _with_index(pd.read_parquet(path))
        except (ValueError, OSError) as error:  # pyarrow's errors are ValueErrors
            raise unreadable(path, error, FORMS) from error
    else:
        names = {name: str(name).strip() for name in read_lines(path, FORMS, nrows=0).columns}
        written = {"label"} if pool.classes is not None else set()
        written |= {name for name in names.values() if names_rows(name)} - {"sample"}
        texts = {name: str for name, stripped in names.items() if stripped in written}
        frame = read_lines(path, FORMS, dtype=texts, na_filter=False)  # no number may be missing
    frame.columns = [str(name).strip() for name in frame.columns]
    if frame.empty:
        raise DataError(f"{path} has no rows: one for each record is needed")
    return frame


def _with_index(frame: Any) -> Any:
    """Returns a DataFrame with its index as columns, unless that only counts its rows."""
    levels = {str(name or ""): frame.index.get_level_values(level) for level, name in enumerate(frame.index.names)}
    counting = list(levels) == [""] and np.array_equal(frame.index, np.arange(len(frame)))
    kept = {name: values for name, values in levels.items() if name not in frame.columns and not counting}
    return frame.reset_index(drop=True).assign(**kept)

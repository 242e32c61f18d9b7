"""Reads the user's own table, CSV or parquet: a column of labels, columns of numbers, and what records are called."""

import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Shaped

from lira.config import Dataset
from lira.config.dataset import COLUMNS
from lira.core.errors import DataError
from lira.core.validation import quoted
from lira.datasets._arrays import check_labels
from lira.datasets._columns import EXACT, UNNAMED, beside, numbering
from lira.datasets._forms import ENCODED, PARQUET, TEXT, absent, delimiter_of, form_of
from lira.datasets._names import numbered

if TYPE_CHECKING:
    import pyarrow as pa

    _Read = tuple[list[str], list[str], pa.Table, dict[str, pa.ChunkedArray]]
    """Names of all columns, those of an index, what was read, and columns of names as the file writes them."""

log = logging.getLogger("lira")

BLOCK_BYTES = 8 << 20  # a line must fit
MISSING = {"?", "-", "--", ".", "*", "none", "n.a.", "missing", "unknown"}
SHOWN = 10  # columns that a message names


def read_table(settings: Dataset) -> dict[str, Any]:
    """Reads the columns that the settings name, as :func:`lira.datasets._arrays.from_user` takes them.

    Raises:
        DataError: The file is missing, damaged, ragged or of another form, or a column cannot be used; the message
            names the column and the row, from 0.
    """
    table = _open(settings)
    features = table.features()
    x = table.numbers(features)
    found = {"x": x, "y": table.called(str(settings.label)), "features": features}
    for name in ("id", "groups"):
        if (column := getattr(settings, name)) is not None:
            found[name] = list(map(str, table.called(column)))
    if constant := [name for name, same in zip(features, (x == x[0]).all(axis=0), strict=True) if same]:
        log.warning("%s: %s: one value in all rows, of which nothing can be learned", table.path, _listed(constant))
    return found


def measure_table(settings: Dataset) -> tuple[int, int, tuple[int, ...], int]:
    """Reads the size of a table, as :func:`lira.datasets.file.measure` returns it, without its features."""
    label = str(settings.label)
    table = _open(settings, only=label)
    labels, names = numbered({label: table.called(label)})
    y = check_labels(labels[label], label, labels[label])
    classes = len(np.unique(y)) if names or settings.named_labels else int(y.max()) + 1
    return len(y), 0, (len(table.features()),), classes


@dataclass(frozen=True)
class _Table:
    """A table whose columns are known by name.

    Attributes:
        path: The file.
        settings: Says which columns are what.
        names: All its columns.
        index: Those that pandas made of an index.
        columns: Those that were read.
        texts: Those of names, as a CSV file writes them.
    """

    path: Path
    settings: Dataset
    names: list[str]
    index: list[str]
    columns: dict[str, "pa.ChunkedArray"]
    texts: dict[str, "pa.ChunkedArray"]

    @property
    def listed(self) -> list[str]:
        """Columns to learn from that the settings list."""
        return self.settings.features if isinstance(self.settings.features, list) else []

    def features(self) -> list[str]:
        """Returns the columns to learn from: those listed, or else all others."""
        other = (*(getattr(self.settings, name) for name in COLUMNS), *self.index)
        found = self.listed or [name for name in self.names if name not in other]
        if not found:
            raise DataError(f"{self.path}: no column is left to learn from, it has {_listed(self.names)}")
        if not self.listed and (unnamed := [name for name in found if name.startswith(UNNAMED)]):
            raise DataError(
                f"{self.path}: {unnamed[0]!r}, a column without a name, may be an index that pandas wrote, or "
                f"a delimiter ends each line: set id: {unnamed[0]!r} if it names the records, write the file without "
                "it, or list features"
            )
        return found

    def numbers(self, names: list[str]) -> Shaped[np.ndarray, "sample feature"]:
        """Returns columns of numbers side by side, in a type that holds all their values."""
        wrong = [name for name in names if not _has_numbers(self.columns[name])]
        if wrong:
            others = f"; so have {_listed(wrong[1:])}" if wrong[1:] else ""
            raise DataError(
                f"{self.path}: column {wrong[0]!r} has {self._no_number(wrong[0])}{others}: features are numbers, so "
                "write one in its place, or a column of 0 and 1 for each category, or list other columns as features"
            )
        found = [self._whole(name, self.columns[name]).to_numpy() for name in names]
        columns = [] if self.listed else zip(names, found, strict=True)
        if counting := [name for name, one in columns if one.dtype.kind in "iu" and numbering(one, name)]:
            raise DataError(
                f"{self.path}: column {counting[0]!r} counts the rows, as an index does: set id: {counting[0]!r} if it "
                "names the records, write the file without it, or list features"
            )
        return beside(found)

    def called(self, name: str) -> Any:
        """Returns a column of labels or of names: its numbers, or else text."""
        from pyarrow import types

        column = self._whole(name, self.texts.get(name, self.columns[name]))
        if types.is_nested(column.type) or types.is_binary(column.type):
            raise DataError(
                f"{self.path}: column {name!r} has {column.type}: numbers, or text, are needed: save text in UTF-8"
            )
        if not _has_numbers(column) or types.is_boolean(column.type):
            return list(map(str, column.to_pylist()))
        place = f"{self.path}: column {name!r}"
        return check_labels(column.to_numpy(), place, column) if name == self.settings.label else column.to_numpy()

    def _whole(self, name: str, column: "pa.ChunkedArray") -> "pa.ChunkedArray":
        """Returns a column, which has a value in each row."""
        if (missing := column.is_null(nan_is_null=True).to_numpy()).any():
            raise DataError(
                f"{self.path}: column {name!r} has no value in {self._row(int(missing.argmax()))}: fill it in, or "
                "leave the row or the column out"
            )
        return column

    def _no_number(self, name: str) -> str:
        """Returns the first value of a column that is no number, and its row."""
        from pyarrow import types

        kind, values = self.columns[name].type, self.columns[name].to_pylist()
        row = next((row for row, value in enumerate(values) if value is not None and not _is_number(value)), 0)
        what = "text" if isinstance(values[row], str) else "times" if types.is_temporal(kind) else str(kind)
        what = "text that is not in UTF-8" if types.is_binary(kind) else what
        hint = " (if it stands for a missing value: fill it in, or leave the row or the column out)"
        lacks = str(values[row]).strip().lower() in MISSING
        return f"{what}, {quoted(str(values[row]))} in {self._row(row)}{hint if lacks else ''}"

    def _row(self, row: int) -> str:
        return f"row {row}, line {row + 2} of the file" if form_of(self.path) == TEXT else f"row {row}"


def _open(settings: Dataset, only: str | None = None) -> _Table:
    """Opens a table and checks that it has the columns that the settings name."""
    path = Path(str(settings.path))
    if not path.is_file():
        raise absent(path, "a CSV or parquet file")
    if (form := form_of(path)) not in (TEXT, PARQUET):
        remedy = "leave label out if it holds arrays, else write it as CSV in UTF-8 or as parquet"
        remedy = "save it in UTF-8" if form == ENCODED else remedy
        raise DataError(f"{path} cannot be read as CSV or parquet, as label asks: it is {form}: {remedy}")
    called = [name for key in COLUMNS if (name := getattr(settings, key)) is not None]
    names, index, columns, texts = (_read_csv if form == TEXT else _read_parquet)(path, only, called)
    named = {name: [getattr(settings, name)] for name in COLUMNS if getattr(settings, name) is not None}
    named |= {"features": settings.features} if isinstance(settings.features, list) else {}
    for key, name in ((key, name) for key, listed in named.items() for name in listed):
        if name not in names:
            raise DataError(f"{path} has no column {name!r}, which {key} names: it has {_listed(names)}")
    if twice := [name for name in names if names.count(name) > 1]:
        raise DataError(f"{path}: two columns are called {twice[0]!r}: rename one")
    if not columns.num_rows:
        raise DataError(f"{path}: there are no rows below the names of its columns")
    found = {name: _plain(columns[name]) for name in columns.column_names}
    return _Table(path, settings, names, index, found, texts)


def _read_csv(path: Path, only: str | None, texts: Sequence[str]) -> "_Read":
    """Reads a CSV file; of ``texts``, the labels first, what it says is kept, and an empty field alone is missing."""
    from pyarrow import ArrowException, binary, csv

    ragged: list[Any] = []

    def note(row: Any) -> str:
        ragged.append(row)
        return "error"

    parse = csv.ParseOptions(delimiter=delimiter_of(path), newlines_in_values=True, invalid_row_handler=note)
    blocks = {"use_threads": False, "block_size": BLOCK_BYTES}
    try:
        with csv.open_csv(path, csv.ReadOptions(**blocks), parse) as opened:
            names = [name or f"{UNNAMED}{place}" for place, name in enumerate(opened.schema.names)]
        read = csv.ReadOptions(**blocks, column_names=names, skip_rows_after_names=1)
        some = [only] if only in names else None
        columns = csv.read_csv(path, read, parse, csv.ConvertOptions(strings_can_be_null=True, include_columns=some))
        kept = [name for name in texts if columns.column_names.count(name) == 1]
        convert = csv.ConvertOptions(
            include_columns=kept,
            column_types=dict.fromkeys(kept, binary()),
            strings_can_be_null=True,
            null_values=[""],
        )
        text = csv.read_csv(path, read, parse, convert) if kept else columns
    except (ArrowException, OSError) as error:
        if ragged:
            row = ragged[0]
            said = f"line {row.number} has {row.actual_columns} values where the first line has {row.expected_columns}"
            raise DataError(f"{path}: {said}: write as many in each line") from error
        raise DataError(f"{path} cannot be read as CSV: save it anew, as text in UTF-8") from error
    found = {name: text[name] for name in kept if name != texts[0] or _changes(columns[name], text[name])}
    return names, [], columns, {name: _decoded(column) for name, column in found.items()}


def _changes(found: "pa.ChunkedArray", text: "pa.ChunkedArray") -> bool:
    """Whether labels that were read are not what the file says, as with 01, more digits than fit, true, and NA."""
    from pyarrow import types

    if types.is_floating(found.type):
        return bool((np.abs(found.drop_null().to_numpy()) > EXACT).any())
    pairs = zip(found.to_pylist(), text.to_pylist(), strict=True)
    return not types.is_integer(found.type) or any(
        value is not None and str(value).encode() != given.strip() for value, given in pairs
    )


def _decoded(column: "pa.ChunkedArray") -> "pa.ChunkedArray":
    """Returns bytes as text, or as they are if they are not in UTF-8."""
    from pyarrow import ArrowInvalid, string

    try:
        return column.cast(string())
    except ArrowInvalid:
        return column


def _read_parquet(path: Path, only: str | None, texts: Sequence[str]) -> "_Read":
    from pyarrow import ArrowException, parquet

    try:
        schema = parquet.read_schema(path)
        columns = parquet.ParquetFile(path).read([only] if only in schema.names else None)
    except (ArrowException, OSError, ValueError) as error:
        raise DataError(f"{path} is damaged, or not whole, as a parquet file: make or copy it again") from error
    said = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))
    index = [name for name in said.get("index_columns", []) if isinstance(name, str)]
    return schema.names, index, columns, {}


def _plain(column: "pa.ChunkedArray") -> "pa.ChunkedArray":
    """Returns categories as what they are called, and decimal numbers as float64."""
    from pyarrow import float64, types

    if types.is_dictionary(column.type):
        return column.cast(column.type.value_type)
    return column.cast(float64()) if types.is_decimal(column.type) else column


def _has_numbers(column: "pa.ChunkedArray") -> bool:
    from pyarrow import types

    tests = (types.is_integer, types.is_floating, types.is_boolean, types.is_null)
    return any(test(column.type) for test in tests)


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(map(repr, names[:SHOWN]))}{more}"

"""The paper's tables, a module per table: each has a function ``table(folders, **options) -> Table``.

``.csv`` holds the numbers in full, ``.md``, ``.tex`` and ``.html`` show them as the paper does. Rates are in percent.
"""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lira.core.errors import ConfigError
from lira.storage.hdf5 import atomic, folder_of
from lira.storage.provenance import as_text, differences, record, runs_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class Table:
    """A table before it is written.

    Attributes:
        data: The ``.csv``: full precision, mean and standard deviation in columns of their own.
        text: The same as readers see it; all cells are text.
        keys: Number of leading columns of ``text`` that name a row.
        notes: What is said below the table.
    """

    data: pd.DataFrame
    text: pd.DataFrame
    keys: int
    notes: Sequence[str] = ()


def names(package: str = __name__) -> list[str]:
    """Names of the tables there are; of the figures, for the package ``lira.report.figures``."""
    modules = pkgutil.iter_modules(import_module(package).__path__)
    return sorted(module.name for module in modules if not module.name.startswith("_"))


def choose(package: str, function: str, name: str, options: dict[str, Any]) -> Callable:
    """The function that makes table or figure ``name``, its options checked.

    Raises:
        ConfigError: there is no such table or figure, it does not take one of the options, or lacks one it needs.
    """
    kind, existing = package.rpartition(".")[2], names(package)
    if name not in existing:
        raise ConfigError(f"{kind}: unknown {name!r}, allowed: {', '.join(existing)}")
    make = getattr(import_module(f"{package}.{name}"), function)
    allowed = {option: taken for option, taken in inspect.signature(make).parameters.items() if option != "folders"}
    for option in options:
        if option not in allowed:
            raise ConfigError(f"{kind}.{name}: unknown option {option!r}, allowed: {', '.join(allowed) or 'none'}")
    for option, taken in allowed.items():
        if taken.default is taken.empty and option not in options:
            raise ConfigError(f"{kind}.{name}: needs the option {option!r}, which has no default")
    return make


def tabulate(
    name: str, folders: Sequence[Path | str], output: Path | str, notes: Sequence[str] = (), **options: Any
) -> None:
    """Makes one table and writes it as ``.csv``, ``.tex``, ``.md`` and ``.html``.

    Args:
        name: Module of this package.
        folders: Run folders, or agreement folders, as the table takes.
        output: Path of the ``.csv``; the others go beside it.
        notes: What to add below the table.
        options: What the table's function declares; ``None`` means its default.

    Raises:
        ConfigError: unknown table or option, a missing one, or no folders.
        StoreError: a result file is missing.
    """
    made = _made(name, folders, options)
    title = import_module(f"{__name__}.{name}").__doc__.partition("\n")[0].rstrip(".")
    made = replace(made, notes=[*made.notes, *notes])
    write(made, title, Path(output), f"tables.{name}", folders, options)


def write(
    made: Table,
    title: str,
    output: Path,
    made_from: str,
    folders: Sequence[Path | str],
    options: Mapping[str, Any] | None = None,
) -> None:
    """Writes a table as ``.csv`` and, beside it, ``.tex``, ``.md`` and ``.html``, the page under the title.

    All but the ``.csv`` carry a record of what it was made from (see :mod:`lira.storage.provenance`).

    Raises:
        StoreError: the folders hold runs that must not stand side by side.
    """
    from lira.report.tables._html import html
    from lira.report.tables._text import latex, markdown

    folder_of(output)
    runs = runs_of(folders)
    made.notes = [*made.notes, *differences(runs)]
    csv = output.with_suffix(".csv")
    with atomic(csv) as beside:
        made.data.to_csv(beside, index=False)
    origin = as_text(record(made_from, options or {}, runs) | {"csv": sha256(csv.read_bytes()).hexdigest()})
    page = html(made, title, csv.name, csv.read_bytes())
    for suffix, text in ((".md", markdown(made)), (".tex", latex(made)), (".html", page)):
        carried = f"% lira: {origin}\n" if suffix == ".tex" else f"\n<!-- lira: {origin} -->\n"
        with atomic(output.with_suffix(suffix)) as beside:
            beside.write_text(text + carried, encoding="utf-8")


def preview(name: str, folders: Sequence[Path | str], **options: Any) -> str:
    """A table as text for a terminal; arguments and errors as :func:`tabulate`."""
    from lira.report.tables._text import markdown

    made = _made(name, folders, options)
    made.notes = [*made.notes, *differences(runs_of(folders))]
    return markdown(made)


def _made(name: str, folders: Sequence[Path | str], options: dict[str, Any]) -> Table:
    options = {key: value for key, value in options.items() if value is not None}
    make = choose(__name__, "table", name, options)
    if not folders:
        raise ConfigError(f"tables.{name}: needs at least one result folder")
    return make([Path(folder) for folder in folders], **options)

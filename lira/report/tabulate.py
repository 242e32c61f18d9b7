"""Makes tables and writes them: ``.csv`` holds the numbers in full, ``.md``, ``.tex`` and ``.html`` show them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from lira.report.catalogue import entry_of
from lira.report.html import html
from lira.report.make import make
from lira.report.table import Table
from lira.report.text import latex, markdown
from lira.storage.hdf5 import atomic, folder_of
from lira.storage.provenance import as_text, differences, make_record, runs_of


def tabulate(
    name: str, folders: Sequence[Path | str], output: Path | str, notes: Sequence[str] = (), **options: Any
) -> None:
    """Makes one table and writes it as ``.csv``, ``.tex``, ``.md`` and ``.html``.

    Args:
        name: Module of :mod:`lira.report.tables`.
        folders: Run folders, or agreement folders, as the table takes.
        output: Path of the ``.csv``; the others go beside it.
        notes: What to add below the table.
        options: What the table's function declares; ``None`` means its default.

    Raises:
        ConfigError: unknown table or option, a missing one, or no folders.
        StoreError: a result file is missing.
    """
    made, entry = make("tables", name, folders, options), entry_of("tables", name)
    made = replace(made, notes=[*made.notes, *notes])
    write_table(made, entry.heading if entry else name.capitalize(), Path(output), f"tables.{name}", folders, options)


def write_table(
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
    folder_of(output)
    runs = runs_of(folders)
    made.notes = [*made.notes, *differences(runs)]
    csv = output.with_suffix(".csv")
    with atomic(csv) as beside:
        made.data.to_csv(beside, index=False)
    origin = as_text(make_record(made_from, options or {}, runs) | {"csv": sha256(csv.read_bytes()).hexdigest()})
    page = html(made, title, csv.name, csv.read_bytes())
    for suffix, text in ((".md", markdown(made)), (".tex", latex(made)), (".html", page)):
        carried = f"% lira: {origin}\n" if suffix == ".tex" else f"\n<!-- lira: {origin} -->\n"
        with atomic(output.with_suffix(suffix)) as beside:
            beside.write_text(text + carried, encoding="utf-8")


def preview(name: str, folders: Sequence[Path | str], **options: Any) -> str:
    """A table as text for a terminal; arguments and errors as :func:`tabulate`."""
    made = make("tables", name, folders, options)
    made.notes = [*made.notes, *differences(runs_of(folders))]
    return markdown(made)

"""Makes a table and writes it: ``.csv`` has the full numbers, ``.md``, ``.tex`` and ``.html`` show them to readers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from lira.report.catalogue import entry_of
from lira.report.html import html
from lira.report.make import files_of, make
from lira.report.table import Table
from lira.report.text import latex, markdown
from lira.storage.hdf5 import atomic, folder_of
from lira.storage.provenance import as_text, differences, duplicates, make_record, runs_of


def tabulate(
    name: str, folders: Sequence[Path | str], output: Path | str, notes: Sequence[str] = (), **options: Any
) -> None:
    """Makes one table and writes it as ``.csv``, ``.tex``, ``.md`` and ``.html``.

    Args:
        name: Module of :mod:`lira.report.tables`.
        folders: Run folders, or the folder of one comparison, as the table needs.
        output: Path of one of them; the others are written beside it.
        notes: Lines to add below the table.
        options: Arguments of the table's function; ``None`` means the default.

    Raises:
        ConfigError: As :func:`lira.report.make.make`, or the output ends otherwise.
        StoreError: A result file is missing.
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
    """Writes a table as ``.csv`` and, beside it, as ``.tex``, ``.md`` and ``.html``; the title heads the ``.html``.

    All but the ``.csv`` carry a record of what the table was made from (see :mod:`lira.storage.provenance`).

    Raises:
        ConfigError: The output ends otherwise.
        StoreError: The folders hold runs that must not be shown together.
    """
    csv, tex, md, page = files_of("tables", output)
    folder_of(csv)
    runs = runs_of(folders)
    made.notes = [*made.notes, *differences(runs), *duplicates(runs)]
    with atomic(csv) as beside:
        made.data.to_csv(beside, index=False)
    origin = as_text(make_record(made_from, options or {}, runs) | {"csv": sha256(csv.read_bytes()).hexdigest()})
    shown = html(made, title, csv.name, csv.read_bytes())
    for file, text in ((md, markdown(made)), (tex, latex(made)), (page, shown)):
        carried = f"% lira: {origin}\n" if file == tex else f"\n<!-- lira: {origin} -->\n"
        with atomic(file) as beside:
            beside.write_text(text + carried, encoding="utf-8")


def preview(name: str, folders: Sequence[Path | str], **options: Any) -> str:
    """Returns a table as Markdown, for a terminal; arguments and errors as for :func:`tabulate`."""
    made = make("tables", name, folders, options)
    runs = runs_of(folders)
    made.notes = [*made.notes, *differences(runs), *duplicates(runs)]
    return markdown(made)

"""Draws a figure and writes it."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lira.report.make import files_of, make
from lira.storage import provenance
from lira.storage.hdf5 import atomic, folder_of


def plot(name: str, folders: Sequence[Path | str], output: Path | str, **options: Any) -> list[Path]:
    """Draws one figure and writes it as ``.pdf`` and ``.png``; the same results give the same bytes.

    Args:
        name: Module of :mod:`lira.report.figures`.
        folders: Run folders, or the folder of one comparison, as the figure needs.
        output: Path of the ``.pdf`` or the ``.png``; the other is written beside it.
        options: Arguments of the figure's function; ``None`` means the default.

    Returns:
        The paths of both files.

    Raises:
        ConfigError: As :func:`lira.report.make.make`, or the output ends otherwise.
        StoreError: A result file is missing.
    """
    return write_figure(lambda: make("figures", name, folders, options), output, f"figures.{name}", folders, options)


def write_figure(
    draw: Callable[[], Any],
    output: Path | str,
    made_from: str,
    folders: Sequence[Path | str],
    options: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Draws a figure in the style of all and writes it as ``.pdf`` and ``.png``, with a record of what it shows.

    Args:
        draw: Returns the figure.
        output: As for :func:`plot`.
        made_from: What the figure is called in its record (see :mod:`lira.storage.provenance`).
        folders: As for :func:`plot`.
        options: As for :func:`plot`.

    Returns:
        The paths of both files.
    """
    from matplotlib import rc_context

    from lira.report.figures._style import DPI, STYLE

    logging.getLogger("fontTools").setLevel(logging.WARNING)  # it logs every table of every font
    with rc_context(STYLE):
        files, made = files_of("figures", output), draw()
        folder_of(files[0])
        runs = provenance.runs_of(folders)
        box = _write_below(made, provenance.differences(runs))
        record = provenance.as_text(provenance.make_record(made_from, options or {}, runs))
        carried = {".pdf": {"CreationDate": None, "Keywords": record}, ".png": {"lira": record}}
        for file in files:
            with atomic(file) as beside:
                format, metadata = file.suffix[1:], carried[file.suffix]
                made.savefig(beside, format=format, dpi=DPI, metadata=metadata, bbox_inches=box)
            made.set_layout_engine("none")  # both files keep the layout of the first
    return files


def _write_below(figure: Any, notes: Sequence[str]) -> str | None:
    """Writes notes under a figure; returns the bounding box that makes room for them, ``None`` without notes."""
    from textwrap import fill

    if not notes:
        return None
    text = "\n".join(fill(note, int(22 * figure.get_figwidth())) for note in notes)
    figure.text(0.01, -0.02, text, ha="left", va="top", fontsize=6)
    return "tight"

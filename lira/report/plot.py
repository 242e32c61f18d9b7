"""Draws a figure and writes it."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lira.report.make import make
from lira.storage import provenance
from lira.storage.hdf5 import atomic, folder_of


def plot(name: str, folders: Sequence[Path | str], output: Path | str, **options: Any) -> list[Path]:
    """Draws one figure and writes it as ``.pdf`` and ``.png``; the same results give the same bytes.

    Args:
        name: Module of :mod:`lira.report.figures`.
        folders: Run folders, or the folder of one comparison, as the figure needs.
        output: Path of the ``.pdf``; the ``.png`` is written beside it.
        options: Arguments of the figure's function; ``None`` means the default.

    Returns:
        The paths of both files.

    Raises:
        ConfigError: As :func:`lira.report.make.make`.
        StoreError: A result file is missing.
    """
    from matplotlib import rc_context

    from lira.report.figures._style import DPI, STYLE

    logging.getLogger("fontTools").setLevel(logging.WARNING)  # it logs every table of every font
    with rc_context(STYLE):
        made, output = make("figures", name, folders, options), Path(output)
        folder_of(output)
        runs = provenance.runs_of(folders)
        box = _write_below(made, provenance.differences(runs))
        record = provenance.as_text(provenance.make_record(f"figures.{name}", options, runs))
        carried = {".pdf": {"CreationDate": None, "Keywords": record}, ".png": {"lira": record}}
        for suffix, metadata in carried.items():
            with atomic(output.with_suffix(suffix)) as beside:
                made.savefig(beside, format=suffix[1:], dpi=DPI, metadata=metadata, bbox_inches=box)
            made.set_layout_engine("none")  # both files keep the layout of the first
    return [output.with_suffix(suffix) for suffix in carried]


def _write_below(figure: Any, notes: Sequence[str]) -> str | None:
    """Writes notes under a figure; returns the bounding box that makes room for them, ``None`` without notes."""
    from textwrap import fill

    if not notes:
        return None
    text = "\n".join(fill(note, int(22 * figure.get_figwidth())) for note in notes)
    figure.text(0.01, -0.02, text, ha="left", va="top", fontsize=6)
    return "tight"

"""Provenance: how each run was made."""

import re
from collections.abc import Sequence

import pandas as pd

from lira.report.catalogue import Entry
from lira.report.labels import show
from lira.report.numbers import MISSING
from lira.report.runs import SERIES, in_order
from lira.report.table import Table
from lira.storage.run import Run

ENTRY = Entry(
    title="How each run was made",
    category="Provenance",
    drawn_from="seeds",
    files=("shadows.h5",),
    caption=(
        "How each run was made: models, protocol, recipe version, device, git revision and versions, and the "
        "checksums of its data and of what its models say. Times of every job are in *Statistics*; ``lira "
        "provenance`` prints all that is known of a file."
    ),
)

STATED = {"protocol": "Protocol", "recipe_version": "Recipe version", "device": "Device", "revision": "Git revision"}
CHECKSUMS = {"data_sha256": "Data", "sha256": "φ and membership"}
LIBRARIES = ("python", "lira", "torch", "numpy", "h5py")
DIGITS = 12
"""Of a checksum or a revision that are shown."""


def table(runs: Sequence[Run]) -> Table:
    """A row per run.

    Args:
        runs: The runs.
    """
    data = pd.DataFrame([origin(run) for run in in_order(runs)])
    text = pd.DataFrame({name.capitalize(): data[name].map(show) for name in SERIES})
    text["Seed"] = data["seed"].astype(str)
    keys = len(text.columns)
    text["Models"] = data["models"].astype(str)
    headings = STATED | CHECKSUMS | {name: name for name in LIBRARIES}
    for name, heading in headings.items():
        text[heading] = data[name].map(shown)
    note = (
        f"Checksums are SHA-256 of the prepared data, and of φ and membership in shadows.h5; {DIGITS} digits of each "
        "and of the revision are shown. lira provenance FILE prints all that is known of a file."
    )
    return Table(data, text, keys, [note])


def origin(run: Run) -> dict:
    """How a run was made; ``None`` where its file does not say."""
    said = run.attributes
    versions = {name: said.get("versions", {}).get(name) for name in LIBRARIES}
    return run.key | {"models": run.models} | {name: said.get(name) for name in (*STATED, *CHECKSUMS)} | versions


def shown(value: str | float | None) -> str:
    """A value as readers see it, checksums and revisions cut; ``–`` where it is not known."""
    if pd.isna(value):
        return MISSING
    if isinstance(value, float):
        return f"{value:g}"
    return re.sub(r"[0-9a-f]{40,64}", lambda found: found[0][:DIGITS], str(value))

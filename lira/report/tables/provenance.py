"""How each run was made."""

import re
from collections.abc import Sequence

import pandas as pd

from lira.report.catalogue import Entry
from lira.report.labels import show
from lira.report.numbers import MISSING
from lira.report.runs import SERIES, in_order
from lira.report.table import Table
from lira.storage.provenance import NOTHING_TRAINED, all_imported
from lira.storage.run import Run

ENTRY = Entry(
    title="How each run was made",
    category="Provenance",
    drawn_from="seeds",
    files=("shadows.h5",),
    caption=(
        "How each run was made: number of models, protocol, recipe version, device, git revision, versions of "
        "libraries, and checksums of its data and of its models' outputs. The times of all jobs are in *Statistics*; "
        "``lira provenance`` prints all that is known about a file."
    ),
)

STATED = {"protocol": "Protocol", "recipe_version": "Recipe version", "device": "Device", "revision": "Git revision"}
CHECKSUMS = {"data_sha256": "Data", "sha256": "φ and membership"}
LIBRARIES = ("python", "lira", "torch", "numpy", "h5py")
DIGITS = 12
"""Number of digits of a checksum or a revision that are shown."""


def table(runs: Sequence[Run]) -> Table:
    """Makes a row per run."""
    data = pd.DataFrame([origin(run) for run in in_order(runs)])
    text = pd.DataFrame({name.capitalize(): data[name].map(show) for name in SERIES})
    text["Seed"] = data["seed"].astype(str)
    keys = len(text.columns)
    text["Models"] = data["models"].astype(str)
    headings = STATED | CHECKSUMS | {name: name for name in LIBRARIES}
    for name, heading in headings.items():
        text[heading] = data[name].map(shown)
    note = (
        f"Checksums are SHA-256 of the prepared data, and of φ and membership in shadows.h5. The first {DIGITS} digits "
        "of each and of the revision are shown; lira provenance FILE prints all that is known about a file."
    )
    nothing = f"Trained: {NOTHING_TRAINED}; revision and versions are those of the import."
    return Table(data, text, keys, [note, *([nothing] if all_imported(runs) else [])])


def origin(run: Run) -> dict:
    """Returns how a run was made; ``None`` for what its file does not say."""
    said = run.attributes
    versions = {name: said.get("versions", {}).get(name) for name in LIBRARIES}
    return run.key | {"models": run.models} | {name: said.get(name) for name in (*STATED, *CHECKSUMS)} | versions


def shown(value: str | float | None) -> str:
    """Writes a value; checksums and revisions are cut, an unknown value is ``–``."""
    if pd.isna(value):
        return MISSING
    if isinstance(value, float):
        return f"{value:g}"
    return re.sub(r"[0-9a-f]{40,64}", lambda found: found[0][:DIGITS], str(value))

"""Says where a result comes from, and refuses to show results together that differ in what they must share.

HDF5 files say where they come from in their attributes. A table or a figure carries a record, which is a JSON object:

========  ============================================================================================
made      the table or figure, and its options
by        versions, device and git revision that made it
shared    what the ``shadows.h5`` of all its runs say: recipe, recipe_version, protocol, versions, device
trained   only if all runs were imported: that this machine trained nothing
runs      by file, what they say that differs; ``sha256`` is that of φ and membership
csv       sha256 of the table's ``.csv``
========  ============================================================================================

It is a comment in ``.md``, ``.tex`` and ``.html``, a text of ``.png``, the keywords of ``.pdf``; a ``.csv`` has none
and is known by its checksum in the ``.md`` beside it. No time of day is in it: the same results give the same bytes.
"""

import glob
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py

from lira.core.errors import StoreError
from lira.storage import hdf5
from lira.storage.comparison import Comparison
from lira.storage.csv_files import COLUMNS
from lira.storage.identity import file_digest
from lira.storage.run import Run

MUST_AGREE = ("recipe_version", "protocol")
"""In these no two runs of a study, and no two runs that are compared sample by sample, may differ."""

ABOUT_THE_FILE = ("encoding-type", "encoding-version", "encoding-writer", hdf5.CHECKSUM)
NOTHING_TRAINED = "nothing on this machine: all scores were imported"
WORTH_A_NOTE = ("study", "device", "lira", "torch")
RECORD = re.compile(r"^(?:<!--|%) lira: (\{.*?\})(?: -->)?$", re.MULTILINE)
KEYWORDS = re.compile(rb"/Keywords \(((?:[^()\\]|\\.)*)\)", re.DOTALL)


def runs_of(folders: Iterable[Path | str]) -> list[Run]:
    """Returns the runs of run folders and of comparisons' folders, each once."""
    found: dict[Path, Run] = {}
    for folder in map(Path, folders):
        comparison = Comparison(folder)
        runs = comparison.runs if comparison.is_stored else [Run(folder)]
        found |= {run.folder.resolve(): run for run in runs}
    return list(found.values())


def differences(runs: Sequence[Run], *, compared: bool = False) -> list[str]:
    """Returns a sentence for each way in which the runs were made differently, for readers to know.

    Imported runs were made elsewhere: nothing is known of what they would have to share.

    Args:
        runs: Runs that are shown together.
        compared: Whether they are compared sample by sample, which needs one protocol even over several studies.

    Raises:
        StoreError: they must not be shown together.
    """
    own = [run for run in runs if "imported" not in run.attributes]
    studies = {run.attributes.get("study") for run in own}
    notes = []
    for name in (*MUST_AGREE, *WORTH_A_NOTE):
        groups = _groups(own, name)
        if len(groups) < 2:
            continue
        said = f"{name.replace('_', ' ')}: {'; '.join(f'{value} ({_named(group)})' for value, group in groups.items())}"
        if name in MUST_AGREE and (compared or len(studies) < 2):
            raise StoreError(
                f"results of different {said} cannot stand side by side: run the older again "
                "(its own command, with --forcerun train_shadows), or show each study alone"
            )
        notes.append(f"Made with different {said}.")
    if own and len(own) < len(runs):
        notes.append(f"Imported, made elsewhere: {_named([run for run in runs if run not in own])}.")
    remarks: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        for remark in run.attributes.get("remarks", ()):
            remarks.setdefault(("Trained" if run in own else "Imported", remark), []).append(run)
    return [*notes, *(f"{how} ({_named(group)}): {remark}." for (how, remark), group in remarks.items())]


def duplicates(runs: Sequence[Run]) -> list[str]:
    """Returns a sentence on equal samples in pools, and in test sets or what is fine-tuned from and pools, if any."""
    most: dict[str, tuple[int, int, int, int]] = {}
    for run in runs:
        counted = run.attributes.get("duplicates", {})
        public = counted.get("public", 0) if run.attributes.get("recipe", {}).get("start") == "public" else 0
        found = counted.get("pool", 0), counted.get("test", 0), public, run.pool
        if any(found[:3]):
            most[run.key["dataset"]] = max(found, most.get(run.key["dataset"], found))
    said = [
        f"{dataset}: {pool} of {samples} in the pool equal another one in it, {test} of the test set one in the pool"
        + (f", {public} of those that are pretrained on one in the pool" if public else "")
        for dataset, (pool, test, public, samples) in most.items()
    ]
    meaning = "a model that holds an equal sample knows one that counts as a non-member"
    return [f"Exact duplicates ({'; '.join(said)}): {meaning}."] if said else []


def make_record(made: str, options: Mapping[str, Any], runs: Sequence[Run]) -> dict[str, Any]:
    """Makes the record that a table or figure of these runs carries."""
    said = {_file(run): {k: v for k, v in run.attributes.items() if k not in ABOUT_THE_FILE} for run in runs}
    shared, own = _factored(list(said.values()))
    nothing = {"trained": NOTHING_TRAINED} if all_imported(runs) else {}
    return nothing | {
        "made": {"from": made, "options": {k: str(v) for k, v in options.items() if v is not None}},
        "by": hdf5.describe_environment(),
        "shared": shared,
        "runs": dict(zip(said, own, strict=True)),
    }


def all_imported(runs: Sequence[Run]) -> bool:
    """Tells whether there are runs, and all are of models that were trained elsewhere."""
    return bool(runs) and all("imported" in run.attributes for run in runs)


def as_text(record: dict[str, Any]) -> str:
    """A record as one line that no comment ends in."""
    return json.dumps(record, sort_keys=True).replace(">", "\\u003e")


def trace(path: Path, results: Path = Path("results")) -> dict[str, Any]:
    """Finds where a table, a figure or an HDF5 file comes from.

    Args:
        path: The file, maybe a copy under another name.
        results: Folder to search for the original of a copy that does not say where it comes from.

    Raises:
        StoreError: nothing says where it comes from.
    """
    if not path.is_file():
        raise StoreError(f"{path} is a folder: give a file of it" if path.is_dir() else f"{path} does not exist")
    found = _carried(path) or _beside(path)
    if found is None:
        size, checksum = path.stat().st_size, file_digest(path)
        named = sorted(results.rglob(f"*{glob.escape(path.suffix)}"))
        alike = (other for other in named if other.is_file() and other.stat().st_size == size)
        twin = next((other for other in alike if file_digest(other) == checksum), None)
        found = (_carried(twin) or _beside(twin)) if twin else None
    if found is None:
        raise StoreError(f"{path} does not say where it comes from, and no file of {results} is the same")
    return found


def _carried(path: Path) -> dict[str, Any] | None:
    try:
        if h5py.is_hdf5(path):
            with h5py.File(path) as file:
                if "encoding-type" not in file.attrs:
                    return None
                hdf5.check_version(file)
                hdf5.check_attributes(file)
                return _plain(hdf5.attributes(file))
        if path.suffix in (".md", ".tex", ".html"):
            lines = RECORD.findall(path.read_text(encoding="utf-8"))
        elif path.suffix == ".png":
            from PIL import Image

            with Image.open(path) as picture:
                lines = [picture.info["lira"]] if "lira" in picture.info else []
        elif path.suffix == ".pdf":
            lines = [re.sub(r"\\(.)", r"\1", found.decode()) for found in KEYWORDS.findall(path.read_bytes())]
        else:
            return None
        found = json.loads(lines[-1]) if lines else None
        if found is not None and (not isinstance(found, dict) or "made" not in found):
            raise ValueError("what it carries is no record")
        return found
    except (OSError, ValueError, RuntimeError, SyntaxError, TypeError) as error:
        raise StoreError(f"{path} is damaged ({error}): rm {path}, and run snakemake again to make it anew") from error


def _plain(attributes: dict[str, Any]) -> dict[str, Any]:
    """Returns the attributes, if JSON can hold them, as it can hold all that the suite writes.

    Raises:
        TypeError: they are not.
    """
    json.dumps(attributes)
    return attributes


def _beside(path: Path) -> dict[str, Any] | None:
    """By the record of the table that a ``.csv`` belongs to, or by the runs in whose folder it lies."""
    text = path.with_suffix(".md")
    if path.suffix != ".csv":
        return None
    if text.is_file() and (found := _carried(text)) and found.get("csv") == file_digest(path):
        return found
    stored = (path.parent / "shadows.h5").is_file() or Comparison(path.parent).is_stored
    if stored and path.stem in COLUMNS:
        Run(path.parent).table(path.name)
        found = make_record(path.name, {}, runs_of([path.parent]))
        return {name: value for name, value in found.items() if name != "by"}
    return None


def _file(run: Run) -> str:
    names = (run.attributes.get(name, "?") for name in ("study", "dataset", "architecture", "regime", "seed"))
    return "results/{}/runs/{}/{}/{}/seed{}/shadows.h5".format(*names)


def _groups(runs: Sequence[Run], name: str) -> dict[str, list[Run]]:
    """Runs by what they say of ``name``; a run whose models were made in several ways is in several groups."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        value = run.attributes.get(name) or run.attributes.get("versions", {}).get(name)
        for part in str(value).split(hdf5.SEVERAL) if value is not None else ():
            groups.setdefault(part, []).append(run)
    return groups


def _named(runs: Sequence[Run]) -> str:
    first = " ".join(str(part) for part in runs[0].key.values())
    return first if len(runs) == 1 else f"{first} and {len(runs) - 1} more"


def _factored(dictionaries: list[dict[str, Any]]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Splits dictionaries into what all share and what each has besides; inner dictionaries likewise."""
    shared: dict[str, Any] = {}
    own: list[dict[str, Any]] = [{} for _ in dictionaries]
    for key in dict.fromkeys(key for one in dictionaries for key in one):
        values = [one.get(key) for one in dictionaries]
        if all(value == values[0] for value in values):
            shared[key] = values[0]
        elif all(isinstance(value, dict) for value in values):
            inner, rest = _factored([one[key] for one in dictionaries])
            shared |= {key: inner} if inner else {}
            for one, part in zip(own, rest, strict=True):
                one |= {key: part} if part else {}
        else:
            for one, part in zip(own, dictionaries, strict=True):
                one |= {key: part[key]} if key in part else {}
    return shared, own

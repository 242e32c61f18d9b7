"""The CSV files of a study: a row per target, sample or choice of runs, floats exactly as computed.

:data:`COLUMNS` has the columns of each. Those of a run have its dataset, architecture, regime and seed before them.
Beside each file lies its checksum, ``<name>.csv.sha256``, as ``sha256sum -c`` reads it. For a table of a run, a comment
there says the checksum of the φ and membership that it follows from, and a digest of how the attacks are defined.
"""

from collections.abc import Mapping
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd

from lira.core.errors import StoreError
from lira.storage import hdf5

SOURCE = "# made from "
COUNTS = ["tp", "fp", "tn", "fn"]
RATES = ["attack", "mode", "fpr", "prior", "target", "threshold", *COUNTS, "tpr", "fpr_achieved", "ppv", "auc"]
OVERLAP = ["intersection", "union", "jaccard", "spearman"]
PARTS = "", "_low", "_high", "_chance", "_null"
COLUMNS = {
    "metrics": [*RATES, "tpr_low", "tpr_high", "fpr_low", "fpr_high", "expected_fp", "resolution"],
    "samples": ["fpr", "sample", *COUNTS, "rank"],  # after a column "attack", where the study asks for attacks
    "null_gaps": ["sample", "mean", "median"],
    "summary": [
        *("attack", "mode", "fpr", "prior", "metric", "mean", "std", "median", "trimmed_mean", "low", "high"),
        *("standard_error", "targets", "undefined", "influence", "influence_target", "influential"),
        *("expected_fp", "resolution", "null"),
    ],  # and "chosen" where there is a best of several attacks
    "groups": ["attack", "fpr", "by", "group", "samples", "metric", "prior", "value", "low", "high", "p_value"],
    "audit": [
        *("attack", "fpr", "prior", "metric", "value", "low", "high", "chance", "p_value", "p_holm"),
        *("among_shadows", "shadows_mean", "shadows_low", "shadows_high"),
    ],
    "budgets": [
        *("attack", "models", "draw", "fpr", "metric", "mean", "low", "high", "std_draws", "std_targets"),
        *("repeats", "targets", "unbalanced", "expected_fp", "resolution", "chance"),
    ],
    "privacy": [
        *("attack", "fpr", "delta", "tests", "level", "tp", "fn", "fp", "tn", "epsilon", "mu", "mu_epsilon"),
        *("null_epsilon", "null_mu_epsilon", "records", "records_tests", "records_level", "records_above", "record"),
        *("record_epsilon", "record_mu_epsilon", "record_possible", "null_records_above", "null_record_epsilon"),
    ],
    "agreement": [
        *("fpr", "scenario", "variants", "support", "zero_fp"),
        *("k", "subsets", "jaccard", "intersection", "union"),
    ],
    "attack_overlap": [
        *("fpr", "unit", "support", "attacks", "number", "union"),
        *(f"{name}{part}" for name in ("intersection", "exactly", "jaccard") for part in PARTS),
    ],
    "record_calibration": ["attack", "fpr", "kind", "metric", "at", "value", "low", "high", "chance"],
    "spearman": ["gap", "run_a", "run_b", "spearman"],
    "topq": ["gap", "q", "k", "run_a", "run_b", *OVERLAP],
    "topq_all": ["gap", "q", "k", "runs", *OVERLAP],
    "displacement": ["gap", "q", "delta", "run", "displaced", "fraction"],
    "rank_bins": ["gap", "run", "bin", "count", "min", "max", "mean"],
    "top1": ["gap", "source", "sample", "run", "vulnerability", "position"],
}
COLUMNS |= {"controls": COLUMNS["metrics"], "null_samples": COLUMNS["samples"], "null_agreement": COLUMNS["agreement"]}
COLUMNS |= {"null_attack_overlap": COLUMNS["attack_overlap"]}
NAMES = [
    *("dataset", "architecture", "regime", "attack", "attacks", "variants"),
    *("id", "class", "class_name", "group", "resolution", "influential"),
]
"""Columns of text in whichever file has them, much of it the user's names: ``002`` is no 2, and ``NA`` is a name."""


def with_run(frame: pd.DataFrame, run: Mapping[str, Any]) -> pd.DataFrame:
    """Puts the columns of a run before the rows."""
    return pd.concat([pd.DataFrame(run, index=frame.index), frame], axis=1)


def write_csv(path: Path | str, frame: pd.DataFrame, source: str | None = None) -> None:
    """Writes a DataFrame, whole or not at all, and its checksum; floats in shortest round-trip form, NaN as empty.

    Args:
        path: the file.
        frame: its rows.
        source: what they follow from, as :func:`lira.storage.run.run_of` says it.
    """
    content, checksum = frame.to_csv(index=False).encode(), _checksum_of(path)
    said = f"{SOURCE}{source}\n" if source else ""
    with hdf5.atomic(path) as beside:
        beside.write_bytes(content)
        with hdf5.atomic(checksum) as line:
            line.write_text(f"{sha256(content).hexdigest()}  {Path(path).name}\n{said}")


def _checksum_of(path: Path | str) -> Path:
    return Path(f"{path}.sha256")


def read_csv(
    path: Path | str,
    kind: str | None = None,
    run: Mapping[str, Any] | None = None,
    source: str | None = None,
    **options: Any,
) -> pd.DataFrame:
    """Reads a DataFrame from a CSV file, floats exactly as written, and :data:`NAMES` as text; only empty is missing.

    Args:
        path: the file.
        kind: which of :data:`COLUMNS` it must have.
        run: dataset, architecture, regime and seed of the run that the file must be of.
        source: what the file must follow from, as far as both say it.
        options: go to pandas.

    Raises:
        StoreError: the file is missing, damaged or changed, of another kind, of another run or of other scores.
    """
    if not Path(path).is_file():
        raise StoreError(f"{path} does not exist: run the rule that makes it")
    remedy = f"rm {path}, and run the same command again"
    try:
        content = Path(path).read_bytes()
        if not content.endswith(b"\n"):
            raise ValueError("its last line is cut")
        checksum, made_from = _read_checksum(_checksum_of(path))
        if checksum not in (None, sha256(content).hexdigest()):
            raise ValueError(f"its checksum is not that of {_checksum_of(path).name}")
        as_written = {"dtype": dict.fromkeys(NAMES, str), "keep_default_na": False, "na_values": [""]}
        frame = pd.read_csv(BytesIO(content), **as_written, **options)
        first = pd.read_csv(BytesIO(content), nrows=1, dtype=str, keep_default_na=False)
    except ValueError as error:  # of pandas' parser too
        raise StoreError(f"{path} is damaged ({error}): {remedy}") from error
    if lacking := [name for name in COLUMNS.get(kind or "", []) if name not in first]:
        raise StoreError(f"{path} has no column {lacking[0]}, so it is not a {kind}.csv: {remedy}")
    if run is not None and not (first.empty and source and made_from == source):  # which has no row to tell
        found = first.reindex(columns=run).to_dict("records")
        if found != [{name: str(value) for name, value in run.items()}]:
            said = "/".join(map(str, found[0].values())) if found else "nothing"
            raise StoreError(f"{path} is of {said}, not of {'/'.join(map(str, run.values()))}: {remedy}")
    known = ((said or "").split() for said in (source, made_from))
    for what, now, then in zip(("φ or membership", "attacks"), *known, strict=False):
        if now != then:
            raise StoreError(f"{path} was made from other {what} than its run now has: {remedy}")
    return frame


def source_of(path: Path | str) -> str | None:
    """Returns what a CSV file says it follows from."""
    return _read_checksum(_checksum_of(path))[1]


def _read_checksum(path: Path) -> tuple[str | None, str | None]:
    """Returns the checksum of a CSV file, and that of its source, as far as they are known."""
    if not path.is_file():
        return None, None
    lines = path.read_text(encoding="utf-8").splitlines()
    source = next((line.removeprefix(SOURCE) for line in lines if line.startswith(SOURCE)), None)
    return next(iter("".join(lines[:1]).split()), ""), source


def rows_at(samples: pd.DataFrame, fpr: float, path: Path) -> pd.DataFrame:
    """The rows of a ``samples.csv`` at one FPR, in sample order.

    Raises:
        StoreError: there are none; ``path`` is named.
    """
    rows = samples[samples["fpr"] == fpr].sort_values("sample", ignore_index=True)
    if rows.empty:
        there = ", ".join(f"{known:g}" for known in sorted(samples["fpr"].unique()))
        raise StoreError(f"{path} has no rows at FPR {fpr}, only at {there}: calibrate the run at it")
    return rows

"""How much the sets of samples flagged by different runs agree (paper, Figures 2, 3 and 6).

Runs are combined k at a time, over all choices of k. Which runs flag a sample is a bit pattern; counting the patterns
once gives the intersection and the union of every choice.
"""

import json
import os
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int, Num

from lira.config.catalogue import MOST_RUNS, SUPPORTS
from lira.core.errors import DataError, StoreError
from lira.core.validation import ArrayLike, check_array, check_booleans, check_whole
from lira.evaluation.detections import support_qualified
from lira.storage import hdf5
from lira.storage.csv_files import COLUMNS, rows_at, write_csv
from lira.storage.provenance import differences
from lira.storage.run import Run, check_comparable, check_same_pool

MOST_DIFFERENT = 4


class Agreement(NamedTuple):
    """Means over choices of k runs: Jaccard (fraction), intersection and union (samples)."""

    jaccard: float
    intersection: float
    union: float


def set_agreement(sets: Annotated[ArrayLike, "run sample"], k: int) -> Agreement:
    """Averages the agreement over all choices of ``k`` runs; choices that flag no sample at all are left out.

    Args:
        sets: True where the run flags the sample.
        k: runs per choice.

    Returns:
        Mean Jaccard |∩|/|∪|, |∩| and |∪|; NaN where there is no choice, or none flags a sample.

    Raises:
        DataError: not a [runs, samples] array of truth values, or too many runs to combine.
        ConfigError: ``k`` is not a whole number of at least 1.
    """
    check_whole(k, "k", 1)
    try:
        sets = check_booleans(sets, "sets", "runs", "samples")
    except DataError as error:
        raise DataError(f"{error}: give masks [runs, samples], true where the run flags the sample") from error
    table = overlaps(patterns_of(sets))
    return _averages(table, np.arange(len(table.union)), np.array([min(k, len(sets) + 1)])).at(0)


def jaccards(sets: Bool[np.ndarray, "run sample"]) -> tuple[Int[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """Returns the numbers of runs to combine, from 2 to all, and for each the mean Jaccard in percent."""
    ks = np.arange(2, len(sets) + 1)
    return ks, np.array([100 * set_agreement(sets, k).jaccard for k in ks.tolist()])


def scenarios(
    reference: Annotated[ArrayLike, "run sample"],
    variants: Annotated[ArrayLike, "variant sample"],
    labels: Sequence[str],
) -> pd.DataFrame:
    """Averages the agreement of identical runs, of these with one variant, and with m variants, for every k from 2.

    The choices of k runs of a scenario include those without a variant. With m = 2 or more variants (at most four) the
    numbers are means over all choices of m.

    Args:
        reference: the flagged sets of runs that differ by seed only.
        variants: the flagged sets of runs of other recipes.
        labels: names of the variants.

    Returns:
        ``scenario variants k subsets jaccard intersection union``; ``subsets`` counts the choices that flag any sample.

    Raises:
        DataError: sets of different pools, not a label for each variant, or as :func:`set_agreement`.
    """
    reference, variants = check_booleans(reference, "reference", "runs", "samples"), check_array(variants, "variants")
    if len(labels) != len(variants):
        raise DataError(f"{len(variants)} variants have {len(labels)} labels: each variant needs one")
    if len(variants):
        variants = check_booleans(variants, "variants", "runs", "samples")
        if variants.shape[1] != reference.shape[1]:
            raise DataError(f"reference {reference.shape} and variants {variants.shape} must be of the same samples")
    sets, same = np.concatenate([reference, variants]) if len(variants) else reference, len(reference)
    table = overlaps(patterns_of(sets))
    masks = np.arange(len(table.union))
    frames = []
    for name, chosen, configurations in _configurations(labels):
        ks = np.arange(2, same + len(configurations[0]) + 1)
        parts = []
        for configuration in configurations:
            runs = (1 << same) - 1 | sum(1 << (same + variant) for variant in configuration)
            parts.append(_averages(table, masks[masks & ~runs == 0], ks))
        frame = pd.DataFrame({"scenario": name, "variants": chosen, "k": ks, "subsets": sum(p.subsets for p in parts)})
        for column in Agreement._fields:
            frame[column] = np.mean([getattr(part, column) for part in parts], axis=0)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def measure_agreement(
    reference: Sequence[Path | str],
    variants: Sequence[Path | str],
    labels: Sequence[str],
    fprs: Sequence[float],
    output: Path | str,
    samples: str = "samples.csv",
    supports: Sequence[int] = SUPPORTS,
) -> None:
    """Writes ``agreement.csv`` from the runs' ``samples.csv`` and, beside it, ``runs.json``.

    From ``null_samples.csv`` it writes the CSV file only.

    Args:
        reference: run folders that differ by seed only.
        variants: run folders of other recipes.
        labels: names of the variants.
        fprs: false positive rates to compare, each in every ``samples.csv``.
        output: ``results/<study>/agreement/<dataset>/<architecture>/<regime>/agreement.csv``.
        samples: name of the runs' file; ``null_samples.csv`` gives the agreement by chance alone.
        supports: fewest detections of a flagged sample; agreement is measured for each.

    Raises:
        StoreError: a run has no ``samples.csv``, or one without an FPR; runs of different protocols.
        DataError: runs of different pools, or as :func:`set_agreement`.
    """
    output = Path(output)
    if len(set(labels)) != len(variants):
        raise DataError(f"{len(variants)} variants have the labels {list(labels)}: each variant needs one of its own")
    if samples not in ("samples.csv", "null_samples.csv"):
        raise DataError(f"{samples} does not say which samples a run flags: give samples.csv or null_samples.csv")
    folders = [*reference, *variants]
    runs = [Run(folder) for folder in folders]
    differences([run for run in runs if run.is_stored], compared=True)
    check_comparable(runs)
    tables = [run.table(samples) for run in runs]
    named = [table["attack"].unique() if "attack" in table else [None] for table in tables]
    frames = []
    for attack in (name for name in named[0] if all(name in other for other in named)):
        of_attack = [run.by_attack(table, attack) for run, table in zip(runs, tables, strict=True)]
        for fpr in dict.fromkeys(fprs):
            rows = [rows_at(part, fpr, Path(at) / samples) for part, at in zip(of_attack, folders, strict=True)]
            check_same_pool(runs, [len(row) for row in rows])
            frames += [part.assign(attack=attack, fpr=fpr) for part in _by_support(rows, labels, supports)]
    if not frames:
        shared = "count no attack in common: ask for one by vulnerability that all have"
        raise StoreError(f"{Path(folders[0]) / samples} and those it is compared with {shared}")
    columns = [*(["attack"] if "attack" in tables[0] else []), *COLUMNS["agreement"]]
    write_csv(output, pd.concat(frames, ignore_index=True)[columns])
    if samples != "samples.csv":
        return
    compared = {
        "reference": _entries([Path(folder).name for folder in reference], reference, output),
        "variants": _entries(labels, variants, output),
    }
    with hdf5.atomic(output.with_name("runs.json")) as beside:
        beside.write_text(json.dumps(compared, indent=1) + "\n")


def _by_support(rows: Sequence[pd.DataFrame], labels: Sequence[str], supports: Sequence[int]) -> Iterator[pd.DataFrame]:
    """Yields the scenarios of each support, with fp = 0 and any fp; ``rows`` are of the reference, then of variants."""
    same = len(rows) - len(labels)
    for support in supports:
        for zero_fp in (True, False):
            sets = np.stack([support_qualified(row, support, zero_fp=zero_fp) for row in rows])
            yield scenarios(sets[:same], sets[same:], labels).assign(support=support, zero_fp=zero_fp)


class Overlaps(NamedTuple):
    """Sizes for every choice of runs, indexed by its bit mask (bit i for run i)."""

    intersection: Num[np.ndarray, " choice"]
    union: Num[np.ndarray, " choice"]


class _Averages(NamedTuple):
    jaccard: Float[np.ndarray, " k"]
    intersection: Float[np.ndarray, " k"]
    union: Float[np.ndarray, " k"]
    subsets: Int[np.ndarray, " k"]

    def at(self, index: int) -> Agreement:
        return Agreement(*(float(values[index]) for values in self[:3]))


def patterns_of(sets: Bool[np.ndarray, "run sample"]) -> Int[np.ndarray, " choice"]:
    """Counts the samples that exactly the runs of a choice flag, for each choice by its bit mask (bit i for run i).

    Raises:
        DataError: too many runs.
    """
    runs = len(sets)
    if runs > MOST_RUNS:
        raise DataError(f"{runs} runs have too many choices to compare: at most {MOST_RUNS} at once")
    return np.bincount((sets.T @ (1 << np.arange(runs))).astype(np.int64), minlength=1 << runs)


def flagged_alone(sets: Bool[np.ndarray, "run sample"]) -> Int[np.ndarray, " run"]:
    """Counts the samples that each run flags and no other does."""
    return (sets & (sets.sum(axis=0) == 1)).sum(axis=1)


def overlaps(patterns: Num[np.ndarray, " choice"]) -> Overlaps:
    """Returns the sizes of intersection and union for every choice of runs.

    Args:
        patterns: From :func:`patterns_of`, or what is expected of them.
    """
    flagged_by_all, flagged_within = patterns.copy(), patterns.copy()
    for run in range(patterns.size.bit_length() - 1):
        halves = flagged_by_all.reshape(-1, 2, 1 << run)
        halves[:, 0] += halves[:, 1]
        halves = flagged_within.reshape(-1, 2, 1 << run)
        halves[:, 1] += halves[:, 0]
    return Overlaps(flagged_by_all, patterns.sum() - flagged_within[::-1])


def _averages(table: Overlaps, masks: np.ndarray, ks: Int[np.ndarray, " k"]) -> _Averages:
    masks = masks[table.union[masks] > 0]
    size = np.bitwise_count(masks)
    intersection, union = table.intersection[masks], table.union[masks]
    bins = max(ks.max(initial=0), size.max(initial=0)) + 1
    subsets = np.bincount(size, minlength=bins)[ks]
    with np.errstate(invalid="ignore"):
        means = (
            np.bincount(size, weights=values, minlength=bins)[ks] / subsets
            for values in (intersection / union, intersection, union)
        )
        jaccard, intersection, union = means
    return _Averages(jaccard, intersection, union, subsets)


def _configurations(labels: Sequence[str]) -> Iterator[tuple[str, str, list[tuple[int, ...]]]]:
    yield "identical", "", [()]
    for variant, label in enumerate(labels):
        yield "+1 different", label, [(variant,)]
    for different in range(2, min(len(labels), MOST_DIFFERENT) + 1):
        yield f"+{different} different", "", list(combinations(range(len(labels)), different))


def _entries(labels: Sequence[str], folders: Sequence[Path | str], output: Path) -> list[dict[str, str]]:
    parents = output.resolve().parents
    study = parents[min(4, len(parents) - 1)]
    return [
        {"label": label, "folder": Path(os.path.relpath(Path(folder).resolve(), study)).as_posix()}
        for label, folder in zip(labels, folders, strict=True)
    ]

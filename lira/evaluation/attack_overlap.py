"""How far the attacks on one run agree: what each flags at shadow thresholds, alone or with others.

Attacks are compared by their *detections* (targets and records of which the flag is right) and by the *records* that
they detect on at least so many targets. Which attacks flag something is a bit pattern, as with runs in
:mod:`lira.evaluation.agreement`; counting the patterns once gives intersection and union of every set of attacks.

Standard errors leave out one target at a time. A bootstrap would draw no record whose only target is not drawn, which
befalls a third of the targets in every draw.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int, UInt16

from lira.config.catalogue import SUPPORTS
from lira.evaluation.agreement import overlaps
from lira.evaluation.bootstrap import NORMAL
from lira.evaluation.calibration import thresholds_of
from lira.evaluation.estimates import least_error
from lira.evaluation.roc import flagged
from lira.storage.csv_files import COLUMNS, PARTS, read_csv, with_run, write_csv
from lira.storage.run import read_asked, run_of

CONTROLS = ("oracle", "coin")
MOST_ATTACKS = 14
"""Attacks that are compared; further ones, in the order of files, are left out."""

MEASURES = ("intersection", "exactly", "jaccard")
KEYS = ["fpr", "unit", "support", "attacks"]


def detections_by_attack(
    scores: Mapping[str, Any], thresholds: Mapping[str, np.ndarray], member: Bool[np.ndarray, "target sample"]
) -> UInt16[np.ndarray, "target sample"]:
    """Tells which attacks detect each record on each target that holds it: bit i for attack i.

    Args:
        scores: Of each attack, arrays or HDF5 datasets [target, sample].
        thresholds: Of each attack, one per target; an infinite one flags nothing.
        member: True where the sample trained the target.
    """
    found = np.zeros(member.shape, dtype=np.uint16)
    for place, (attack, values) in enumerate(scores.items()):
        found |= (flagged(values[:], thresholds[attack]) & member).astype(np.uint16) << place
    return found


def attack_overlap(
    detected: UInt16[np.ndarray, "target sample"],
    member: Bool[np.ndarray, "target sample"],
    attacks: Sequence[str],
    supports: Sequence[int] = SUPPORTS,
) -> pd.DataFrame:
    """Compares attacks by what they detect.

    Args:
        detected: From :func:`detections_by_attack`.
        member: True where the sample trained the target.
        attacks: Their names, in the order of bits.
        supports: Fewest targets on which a record is detected, to count as flagged.

    Returns:
        A row per set of attacks: each alone, each pair, all, and every set that flags something no other attack does.
        ``unit`` is ``detections`` or ``records``, the latter for each ``support``; ``attacks`` the set's names, joined
        by a space, and ``number`` how many; ``union`` and ``intersection`` what any of them and all of them flag;
        ``exactly`` what all of them and no other attack flag; ``jaccard`` intersection over union. ``_low`` and
        ``_high`` are 95 % intervals over targets; ``_chance`` is what attacks would give that flag as much each, but
        independently of one another (expected sizes, and their quotient). ``_null`` is NaN here.
    """
    frames = [_compare(*_detections(detected, member, len(attacks)), attacks).assign(unit="detections", support=np.nan)]
    for support, counted in _records(detected, len(attacks), supports).items():
        frames.append(_compare(*counted, attacks).assign(unit="records", support=support))
    return pd.concat(frames, ignore_index=True)


def independent(share: Float[np.ndarray, " attack"], total: float) -> Float[np.ndarray, " choice"]:
    """Returns how many of ``total`` exactly each set of attacks flags on average, if each flags its share at random."""
    expected = np.array([float(total)])
    for part in share:
        expected = np.concatenate([expected * (1 - part), expected * part])
    return expected


def measure_overlap(
    scores: Path | str,
    metrics: Path | str,
    output: Path | str,
    supports: Sequence[int] = SUPPORTS,
    null: Path | str | None = None,
) -> None:
    """Writes ``attack_overlap.csv`` of a run.

    Args:
        scores: ``scores.h5``.
        metrics: ``metrics.csv``, or ``controls.csv`` of the null world's scores.
        output: The rows of :func:`attack_overlap` for each FPR, after the run's dataset, architecture, regime and seed.
        supports: Fewest detections of a flagged record.
        null: ``null_attack_overlap.csv``, for the columns ``_null``: the same with permuted membership.

    Raises:
        StoreError: A file is missing, damaged, of another kind or of another run.
    """
    with read_asked(scores, "scores") as file:
        run, source = run_of(file)
        rates, member = read_csv(metrics, "metrics", run, source), file["member"][:]
        shadow = rates.loc[rates["mode"] == "shadow", "attack"].unique()
        attacks = [name for name in shadow if name not in CONTROLS][:MOST_ATTACKS]
        frames = []
        for fpr in rates["fpr"].unique():
            thresholds = {name: thresholds_of(rates, name, fpr) for name in attacks}
            detected = detections_by_attack({name: file[name] for name in attacks}, thresholds, member)
            frames.append(attack_overlap(detected, member, attacks, supports).assign(fpr=fpr))
    found = pd.concat(frames, ignore_index=True)
    if null is not None:
        by_chance = read_csv(null, "null_attack_overlap", run, source)[[*KEYS, *MEASURES]]
        columns = {name: f"{name}_null" for name in MEASURES}
        found = found.drop(columns=columns.values()).merge(by_chance.rename(columns=columns), on=KEYS, how="left")
        found["exactly_null"] = found["exactly_null"].fillna(0)
    write_csv(output, with_run(found[COLUMNS["attack_overlap"]], run), source)


def _detections(
    detected: np.ndarray, member: np.ndarray, attacks: int
) -> tuple[Int[np.ndarray, "replicate choice"], Float[np.ndarray, " choice"]]:
    """Counts detections by the attacks that make them: of all targets, then without each; and what is independent."""
    by_target = zip(detected, member, strict=True)
    table = np.stack([np.bincount(row[held], minlength=1 << attacks) for row, held in by_target])
    whole, expected = table.sum(axis=0), np.zeros(1 << attacks)
    for row, held in zip(table, member.sum(axis=1), strict=True):
        expected += independent(_shares(row), held)
    return np.concatenate([whole[None], whole - table]), expected


def _records(
    detected: np.ndarray, attacks: int, supports: Sequence[int]
) -> dict[int, tuple[Int[np.ndarray, "replicate choice"], Float[np.ndarray, " choice"]]]:
    """Counts records in the same way, for each support."""
    bits, size = np.arange(attacks, dtype=np.uint16)[:, None], detected.shape[1]
    times = sum(((row >> bits) & 1).astype(np.int32) for row in detected)
    tables: dict[int, list[np.ndarray]] = {support: [] for support in supports}
    for left in (times, *(times - ((row >> bits) & 1) for row in detected)):
        for support, table in tables.items():
            table.append(np.bincount(((left >= support) << bits).sum(axis=0), minlength=1 << attacks))
    return {
        support: (np.array(table), independent(_shares(table[0]), size)) for support, table in tables.items() if size
    }


def _shares(patterns: Int[np.ndarray, " choice"]) -> Float[np.ndarray, " attack"]:
    """Returns the share that each attack flags."""
    choices, attacks = np.arange(patterns.size), patterns.size.bit_length() - 1
    sizes = np.array([patterns[(choices >> attack) & 1 == 1].sum() for attack in range(attacks)], dtype=float)
    return sizes / max(patterns.sum(), 1)


def _compare(
    patterns: Int[np.ndarray, "replicate choice"], expected: Float[np.ndarray, " choice"], attacks: Sequence[str]
) -> pd.DataFrame:
    chosen = _chosen(patterns[0], len(attacks))
    found, *without = (_measures(row, chosen) for row in patterns)
    chance = _measures(expected, chosen)
    rows = pd.DataFrame(
        {
            "attacks": [" ".join(name for bit, name in enumerate(attacks) if mask >> bit & 1) for mask in chosen],
            "number": np.bitwise_count(chosen),
            "union": found[3],
        }
    )
    targets, least = len(without), np.stack([np.ones(len(chosen))] * 2 + [least_error(found[3])])
    error = np.full(least.shape, np.nan)
    if targets > 1:
        error = np.maximum(np.sqrt((targets - 1) * np.var(without, axis=0))[:3], least)
    for place, name in enumerate(MEASURES):
        most = 1 if name == "jaccard" else np.inf
        ends = (found[place] + side * NORMAL * error[place] for side in (-1, 1))
        columns = (found[place], *(end.clip(0, most) for end in ends), chance[place], np.nan)
        rows = rows.assign(**{f"{name}{part}": column for part, column in zip(PARTS, columns, strict=True)})
    return rows


def _chosen(patterns: Int[np.ndarray, " choice"], attacks: int) -> Int[np.ndarray, " set"]:
    """Returns the sets that have a row: by number of attacks, then in their order."""
    sets: Iterator[int] = (sum(1 << bit for bit in group) for k in (1, 2) for group in combinations(range(attacks), k))
    masks = {*sets, (1 << attacks) - 1, *np.flatnonzero(patterns).tolist()} - {0}
    bits = {mask: [bit for bit in range(attacks) if mask >> bit & 1] for mask in masks}
    return np.array(sorted(masks, key=lambda mask: (len(bits[mask]), bits[mask])))


def _measures(patterns: np.ndarray, chosen: Int[np.ndarray, " set"]) -> Float[np.ndarray, "measure set"]:
    """Returns intersection, what exactly the set flags, Jaccard and union; a Jaccard of nothing is NaN."""
    intersection, union = (part[chosen] for part in overlaps(patterns))
    with np.errstate(invalid="ignore"):
        return np.stack([intersection, patterns[chosen], intersection / union, union]).astype(float)

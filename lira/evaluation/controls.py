"""Attacks and data with a known result, through the same code as the real ones.

The oracle knows membership (AUC 1, TPR 1 at every FPR); the coin knows nothing (AUC 1/2, TPR = FPR); in the null world
membership is permuted per sample, so every attack is a coin and what it still finds is what chance alone gives.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated
from zlib import crc32

import h5py
import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from lira.attacks.lira import PUBLISHED, Definition, score_file
from lira.config.catalogue import PAPER_ATTACKS, SUPPORTS
from lira.core.validation import ArrayLike, check_booleans
from lira.evaluation.attack_overlap import measure_overlap
from lira.evaluation.calibration import calibrate_file, place_of
from lira.evaluation.ranks import GAPS, vulnerability
from lira.storage import hdf5
from lira.storage.csv_files import COLUMNS, with_run, write_csv
from lira.storage.run import counted_attacks, read_asked, run_of


def oracle(member: Annotated[ArrayLike, "model sample"]) -> Float[np.ndarray, "model sample"]:
    """Returns membership itself as scores."""
    return check_booleans(member, "member").astype(np.float64)


def coin(
    member: Annotated[ArrayLike, "model sample"], seed: int | Sequence[int] = 0
) -> Float[np.ndarray, "model sample"]:
    """Returns scores that do not depend on membership: uniform draws."""
    return np.random.default_rng(seed).random(check_booleans(member, "member").shape)


def permuted_membership(
    member: Annotated[ArrayLike, "model sample"], seed: int | Sequence[int] = 0
) -> Bool[np.ndarray, "model sample"]:
    """Permutes the models of each sample, so that each sample stays a member of as many models."""
    return np.random.default_rng(seed).permuted(check_booleans(member, "member", "models", "samples"), axis=0)


def control_file(
    shadows: Path | str,
    fprs: Sequence[float],
    priors: Sequence[float],
    controls: Path | str,
    samples: Path | str,
    gaps: Path | str,
    *,
    attacks: Sequence[str] = PAPER_ATTACKS,
    definition: Definition = PUBLISHED,
    own: Mapping[str, str] | None = None,
    counted: Sequence[str] = (),
    supports: Sequence[int] = SUPPORTS,
    overlap: Path | str | None = None,
) -> None:
    """Writes rates, per-sample counts and vulnerabilities of a run in its null world, and the rates of oracle and coin.

    Runs of one seed share their membership, so each run is given its own permutation: otherwise chance would find the
    same samples in all of them.

    Args:
        shadows: file of encoding ``shadows``.
        fprs: as in :func:`lira.evaluation.calibration.calibrate`.
        priors: as in :func:`lira.evaluation.calibration.calibrate`.
        controls: ``controls.csv``, with the columns of ``metrics.csv``.
        samples: ``null_samples.csv``, with the columns of ``samples.csv``.
        gaps: ``null_gaps.csv``: each sample's :func:`vulnerability` by ``mean`` and by ``median``.
        attacks: names of the suite's attacks.
        definition: which definition of the attacks.
        own: further attacks, as :func:`lira.attacks.lira.score_file` takes them.
        counted: attacks of ``samples`` and ``gaps``, as :func:`lira.evaluation.calibration.calibrate_file` takes them.
        supports: as in :func:`lira.evaluation.attack_overlap.measure_overlap`, which writes ``overlap``.
        overlap: ``null_attack_overlap.csv``: how far attacks agree by chance alone.

    Raises:
        StoreError: ``shadows`` is missing, damaged or of another kind.
        DataError: as :func:`lira.attacks.lira.leave_one_out`.
    """
    place = hdf5.scratch(hdf5.folder_of(Path(controls)))
    with hdf5.temporary(Path(controls).with_suffix(".h5"), place) as folder:
        folder.mkdir(exist_ok=True)
        scores = folder / "scores.h5"
        with read_asked(shadows, "shadows") as file:
            run = run_of(file)[0]
            stream = [0, crc32("/".join(map(str, run.values())).encode())]
            member = permuted_membership(file["member"][:], stream)
        score_file(shadows, scores, attacks=attacks, definition=definition, member=member, own=own)
        found = []
        with h5py.File(scores, "r+", locking=False) as file:
            for attack in counted_attacks(sorted(file, key=place_of), counted):
                found.append(_gaps_of(file[attack][:], member).assign(attack=attack))
            source = run_of(file)[1]
            file["oracle"], file["coin"] = oracle(member), coin(member, stream)
        calibrate_file(scores, fprs, priors, controls, samples, counted)
        if overlap is not None:
            measure_overlap(scores, controls, overlap, supports)
    columns = [*(["attack"] if counted else []), *COLUMNS["null_gaps"]]
    write_csv(gaps, with_run(pd.concat(found, ignore_index=True)[columns], run), source)


def _gaps_of(scores: np.ndarray, member: np.ndarray) -> pd.DataFrame:
    values = {gap: vulnerability(scores, member, gap, nonfinite="official") for gap in GAPS}
    return pd.DataFrame({"sample": np.arange(member.shape[1])} | values)

"""A study of made-up results in the layout that the rules produce, for tests of what reads it."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from lira.attacks.lira import score_file
from lira.config.catalogue import PAPER_ATTACKS
from lira.evaluation.agreement import measure_agreement
from lira.evaluation.attack_overlap import measure_overlap
from lira.evaluation.budgets import budgets_file
from lira.evaluation.calibration import calibrate_file
from lira.evaluation.controls import control_file
from lira.evaluation.groups import group_file
from lira.evaluation.privacy import bound_privacy_file
from lira.evaluation.ranks import measure_ranks
from lira.evaluation.record_calibration import calibrate_records
from lira.evaluation.summary import summarise_file
from lira.shadows.membership import balanced_membership
from lira.storage import hdf5

FPRS = (0.001, 0.01)
PRIORS = (0.01, 0.1, 0.5)
STRENGTH = {"baseline": 3.0, "weak": 2.0, "aof": 0.8, "tl": 0.3}
RECIPE = {
    "epochs": 100,
    "batch_size": 64,
    "optimizer": "sgd",
    "learning_rate": 0.1,
    "weight_decay": 5e-4,
    "schedule": "cosine",
    "augment": [],
    "dropout": 0.0,
    "start": "scratch",
    "query_views": 2,
    "crop_padding": "zeros",
}
RUNS = {
    ("fcn", "baseline"): [0],
    ("fcn", "aof"): [0, 1, 2],
    ("fcn", "tl"): [0],
    ("fcn", "aof_large_batch"): [0],
    ("resnet", "baseline"): [0],
    ("resnet", "aof"): [0],
    ("resnet", "tl"): [0],
}
MAIN = [key for key in RUNS if key[1] in ("baseline", "aof", "tl")]
VARIANTS = {"batch 128, dropout 0.2": ("fcn", "aof_large_batch"), "TL": ("fcn", "tl"), "ResNet": ("resnet", "aof")}


def make_study(folder: Path, models: int = 16, samples: int = 240, vulnerability: Sequence[str] = ()) -> Path:
    """Writes ``folder/data``, ``folder/runs`` and ``folder/agreement``; returns ``folder``."""
    folder = Path(folder)
    write_data(folder, samples)
    for (architecture, regime), seeds in RUNS.items():
        for seed in seeds:
            write_run(folder, architecture, regime, seed, models, samples, vulnerability)
    write_agreement(folder, vulnerability)
    return folder


def run_folder(folder: Path, architecture: str, regime: str, seed: int = 0) -> Path:
    return folder / "runs" / "digits" / architecture / regime / f"seed{seed}"


def agreement_folder(folder: Path) -> Path:
    return folder / "agreement" / "digits" / "fcn" / "aof"


def data_file(folder: Path) -> Path:
    return folder / "data" / "digits-train-test300-split0.h5"


def write_data(folder: Path, samples: int) -> None:
    digits = load_digits()
    with hdf5.create(data_file(folder), "data", {"classes": 10, "scale": 16.0, "mean": [0.3], "std": [0.3]}) as file:
        for name, part in (("pool", slice(samples)), ("test", slice(samples, samples + 300))):
            group = file.create_group(name)
            group["x"] = digits.images[part].astype(np.uint8)[:, None]
            group["y"] = digits.target[part].astype(np.int64)
            group["source"] = np.arange(1797)[part]


def write_run(
    folder: Path,
    architecture: str,
    regime: str,
    seed: int,
    models: int,
    samples: int,
    vulnerability: Sequence[str] = (),
) -> None:
    place = run_folder(folder, architecture, regime, seed)
    world = np.random.default_rng(7)
    mean, tail = world.normal(3, 2, samples), np.abs(world.standard_t(2, samples)).clip(max=20)
    own = np.random.default_rng([seed, len(architecture), len(regime)])
    strength = STRENGTH[regime.partition("_")[0]] * (0.8 if architecture == "resnet" else 1)
    gap = strength * tail * own.lognormal(0, 0.3, samples)
    member = balanced_membership(samples, models, 0.5, seed)
    phi = own.normal(mean + gap * member, 1 + 0.2 * tail, (models, samples))
    phi = phi[:, :, None] + own.normal(0, 0.2, (models, samples, 2))
    recipe = RECIPE | ({"augment": ["flip", "crop"], "dropout": 0.1} if regime != "baseline" else {})
    recipe |= {"start": "public", "optimizer": "adamw"} if regime == "tl" else {}
    attributes = {"study": "made-up", "dataset": "digits", "architecture": architecture, "regime": regime}
    train_loss = own.lognormal(-2 - strength, 0.1, models)
    utility = {
        "train_loss": train_loss,
        "test_loss": train_loss * (1 + 5 * strength**2) * own.lognormal(0, 0.05, models),
        "train_accuracy": own.uniform(0.98, 1, models),
        "test_accuracy": own.uniform(0.93, 0.96, models),
    }
    phi = phi.astype(np.float32)
    attributes |= {"seed": seed, "recipe": recipe, "sha256": sha256(phi.tobytes() + member.tobytes()).hexdigest()}
    with hdf5.create(place / "shadows.h5", "shadows", attributes) as file:
        file["phi"], file["member"] = phi, member
        file["labels"] = load_digits().target[:samples]
        for name, values in utility.items():
            file[f"utility/{name}"] = values
    score_file(place / "shadows.h5", place / "scores.h5", attacks=[*dict.fromkeys([*PAPER_ATTACKS, *vulnerability])])
    finish_run(place, vulnerability)
    budgets_file(place / "shadows.h5", place / "metrics.csv", [4, 8][: models // 8], FPRS, place / "budgets.csv")


def finish_run(place: Path, vulnerability: Sequence[str] = ()) -> None:
    """All that follows from the scores of a run."""
    scores, metrics, null = (place / name for name in ("scores.h5", "metrics.csv", "null_attack_overlap.csv"))
    calibrate_file(scores, FPRS, PRIORS, metrics, place / "samples.csv", vulnerability)
    control_file(
        *(place / "shadows.h5", FPRS, PRIORS),
        *(place / name for name in ("controls.csv", "null_samples.csv", "null_gaps.csv")),
        attacks=[*dict.fromkeys([*PAPER_ATTACKS, *vulnerability])],
        counted=vulnerability,
        overlap=null,
    )
    summarise_file(scores, metrics, place / "summary.csv", place / "controls.csv", draws=60)
    measure_overlap(scores, metrics, place / "attack_overlap.csv", null=null)
    calibrate_records(scores, metrics, place / "record_calibration.csv", vulnerability)
    group_file(scores, metrics, place / "groups.csv")
    bound_privacy_file(place, place / "privacy.csv")


def write_agreement(folder: Path, vulnerability: Sequence[str] = ()) -> None:
    output = agreement_folder(folder)
    reference = [run_folder(folder, "fcn", "aof", seed) for seed in RUNS["fcn", "aof"]]
    variants = [run_folder(folder, *key) for key in VARIANTS.values()]
    measure_agreement(reference, variants, list(VARIANTS), FPRS, output / "agreement.csv")
    null = output / "null_agreement.csv"
    measure_agreement(reference, variants, list(VARIANTS), FPRS, null, "null_samples.csv")
    measure_ranks(reference, output, vulnerability)

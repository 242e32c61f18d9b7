"""Made-up results of the paper's benchmarks whose verdict is known beforehand: summaries, utilities, flagged sets."""

from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd

from lira.evaluation.agreement import measure_agreement
from lira.paper.benchmarks import NETWORKS
from lira.storage import hdf5
from lira.storage.csv_files import COLUMNS, with_run, write_csv
from lira.storage.run import Run

PUBLISHED = sorted(path.stem for path in Path(str(files("lira.paper.published"))).glob("*.csv"))
RECIPE = {"augment": ["flip", "crop", "cutout"], "dropout": 0.0, "weight_decay": 5e-4, "batch_size": 256}
RECIPE |= {"start": "scratch", "crop_padding": "reflect"}
AOF = {"augment": ["flip", "crop", "rotate", "jitter", "cutmix"], "dropout": 0.1, "weight_decay": 1e-3}
RATES = [  # of CIFAR-10 baseline
    ("online", "target", 1e-3, "tpr", np.nan, 10.3, 0.05),  # published 10.268
    ("online", "target", np.nan, "auc", np.nan, 70.0, 0.1),  # 76.48
    ("offline", "target", 1e-3, "tpr", np.nan, 3.3, 2.0),  # 3.262
    ("online", "target", 1e-5, "tpr", np.nan, 3.95, 0.05, "TPR at 0 FP"),  # 3.956
]


def write_run(
    folder: Path, key: str, network: str, *, seed=42, models=256, pool=60_000, utility=None, rates=(), recipe=None
) -> Path:
    """A run with the given means: ``rates`` are (attack, mode, fpr, metric, prior, mean %, error %[, resolution])."""
    place = folder / "runs" / key / f"seed{seed}"
    dataset, architecture, regime = key.split("/")
    attributes = {"study": "made-up", "dataset": dataset, "architecture": architecture, "regime": regime}
    attributes |= {"seed": seed, "recipe": RECIPE | (recipe or {}), "network": NETWORKS.get(network, {"family": "x"})}
    with hdf5.create(place / "shadows.h5", "shadows", attributes) as file:
        file.create_dataset("member", (models, pool), bool, chunks=(1, pool))
        for name in ("train_loss", "test_loss", "train_accuracy", "test_accuracy"):
            file[f"utility/{name}"] = np.full(models, (utility or {}).get(name, 0.5)) + 1e-4 * (-1.0) ** np.arange(
                models
            )
    rows = [summary_row(*rate, models=models) for rate in rates or [("none", "target", 0.5, "tpr", np.nan, 1, 1)]]
    write_rows(place / "summary.csv", rows)
    return place


def write_rows(path: Path, rows) -> None:
    """A CSV file of a stored run with the given columns and all others empty."""
    write_csv(path, with_run(pd.DataFrame(rows).reindex(columns=COLUMNS[path.stem]), Run(path.parent).key))


def summary_row(attack, mode, fpr, metric, prior, mean, error, resolution="", models=256, influence=0.0, target=0):
    """A row of ``summary.csv`` (fractions) whose mean (in %) has a standard error (in %)."""
    half = 1.959963984540054 * error
    named = {"attack": attack, "mode": mode, "fpr": fpr, "metric": metric, "prior": prior, "resolution": resolution}
    numbers = {"mean": mean, "low": max(mean - half, 0), "high": min(mean + half, 100), "standard_error": error}
    numbers |= {"std": error * models**0.5, "median": mean, "trimmed_mean": mean, "null": 0.1, "influence": influence}
    known = {
        "targets": models,
        "undefined": 0,
        "influence_target": target,
        "influential": str(target) if influence else "",
    }
    return named | {name: value / 100 for name, value in numbers.items()} | known | {"expected_fp": 25.0}


def write_sets(folder: Path, reference, variants=(), fpr=1e-5, recipes=(), recipe=AOF, **options) -> Path:
    """Runs of CIFAR-10 aof that flag the given sets (True where tp = 1), and their comparison.

    ``recipes`` gives each variant's network and in what its recipe differs.
    """
    places = [
        write_run(folder, "cifar10/resnet18/aof", "resnet18", seed=k, recipe=recipe, **options)
        for k in range(len(reference))
    ]
    others = [
        write_run(folder, f"cifar10/{network}/variant{k}", network, recipe=other, **options)
        for k, (network, other) in enumerate(recipes or [("resnet18", {})] * len(variants))
    ]
    for place, flagged in zip([*places, *others], [*reference, *variants], strict=True):
        counts = {"fpr": fpr, "sample": np.arange(len(flagged)), "tp": np.asarray(flagged, int), "fp": 0}
        write_rows(place / "samples.csv", counts)
        metrics = {"attack": "online", "mode": "target", "fpr": fpr, "prior": 0.5, "target": [0], "fp": 0, "tn": 30_000}
        write_rows(place / "metrics.csv", metrics)
    output = folder / "agreement" / "cifar10" / "resnet18" / "aof"
    measure_agreement(places, others, [f"variant {k}" for k in range(len(others))], [fpr], output / "agreement.csv")
    return output


def random_sets(runs, samples=4000, flagged=400, share=0.8, seed=0):
    """Sets of which each has a share of the first ``flagged`` samples."""
    generator = np.random.default_rng(seed)
    base = np.arange(samples) < flagged
    return np.stack([base & (generator.random(samples) < share) for _ in range(runs)])

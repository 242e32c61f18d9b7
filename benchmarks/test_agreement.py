"""Agreement of twelve seeds and four variants, and rank stability of twelve seeds."""

from math import comb

import numpy as np
import pandas as pd
import pytest
from measuring import stopwatch
from plain import agreement as plain

from lira.evaluation.agreement import measure_agreement
from lira.evaluation.ranks import TOP_PERCENTS, measure_ranks, vulnerability
from lira.storage import hdf5
from lira.storage.csv_files import COLUMNS, read_csv, with_run, write_csv
from lira.storage.run import RUN_KEYS, Run

SEEDS, VARIANTS, SAMPLES, FPRS = 12, 4, 50_000, (1e-5, 1e-3)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Folders with samples.csv and a scores.h5 of few models; samples differ in how often they are detected."""
    study, rng = tmp_path_factory.mktemp("study") / "results/benchmark", np.random.default_rng(0)
    ease, folders = rng.beta(0.05, 1, SAMPLES), []
    for seed in range(SEEDS + VARIANTS):
        folder = study / f"runs/cifar10/resnet18/aof/seed{seed}"
        counts = {fpr: (rng.binomial(128, ease), rng.poisson(50 * fpr, SAMPLES)) for fpr in FPRS}
        frames = [
            pd.DataFrame({"fpr": fpr, "sample": range(SAMPLES), "tp": tp, "fp": fp}) for fpr, (tp, fp) in counts.items()
        ]
        run = dict(zip(RUN_KEYS, ("cifar10", "resnet18", "aof", seed), strict=True))
        write_csv(folder / "samples.csv", with_run(pd.concat(frames).reindex(columns=COLUMNS["samples"]), run))
        member = rng.permuted(np.arange(8)[:, None] < np.full((1, SAMPLES), 4), axis=0)
        with hdf5.create(folder / "scores.h5", "scores", run) as file:
            file["member"], file["online"] = member, rng.normal(size=member.shape) + 9 * ease * member
        folders.append(folder)
    return folders


def test_agreement(runs, timed, report):
    output = runs[0].parents[4] / "agreement/cifar10/resnet18/aof/agreement.csv"
    labels = list("abcd")
    _, ours = timed(measure_agreement, runs[:SEEDS], runs[SEEDS:], labels, FPRS, output)
    found = read_csv(output)
    tables = [read_csv(folder / "samples.csv").query("fpr == 0.001") for folder in runs]
    sets = [set(np.flatnonzero((table["tp"] >= 2) & (table["fp"] == 0))) for table in tables[:SEEDS]]
    expected, seconds = stopwatch(plain.set_agreement, sets, 3)
    row = found.query("fpr == 0.001 and scenario == 'identical' and support == 2 and zero_fp and k == 3")
    np.testing.assert_allclose(row[["jaccard", "intersection", "union"]].iloc[0].astype(float), expected, rtol=1e-9)
    # plain time grows with the number of choices: here comb(12, 3) of those of 32 sets of runs and all their scenarios
    choices = sum(comb(VARIANTS, m) * 2 ** (SEEDS + m) for m in range(VARIANTS + 1))
    whole = 32 * choices / comb(SEEDS, 3) * seconds
    share = f"plain from {comb(SEEDS, 3)} of {32 * choices} choices"
    report("agreement, 12 seeds + 4 variants", ours, whole, share, plain_measured=seconds)


def test_ranks(runs, timed, report):
    output = runs[0].parents[4] / "ranks"
    _, ours = timed(measure_ranks, runs[:SEEDS], output, rounds=1)
    values = []
    for folder in runs[:2]:
        with Run(folder).scores() as file:
            values.append(vulnerability(file["online"][:], file["member"][:], "mean"))
    expected, seconds = stopwatch(lambda: [plain.top_agreement(np.stack(values), percent) for percent in TOP_PERCENTS])
    rows = read_csv(output / "topq.csv").query("gap == 'mean' and run_a == 'seed0' and run_b == 'seed1'")
    np.testing.assert_allclose(rows[["intersection", "union", "jaccard", "spearman"]], expected, rtol=1e-9)
    pairs = comb(SEEDS, 2)
    report("rank stability, 12 seeds", ours, 2 * pairs * seconds, f"plain from 1 of {2 * pairs} pairs")

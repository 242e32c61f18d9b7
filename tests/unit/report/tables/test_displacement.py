"""Displaced samples, against a count of each run's ranking by hand and against random rankings."""

import json

import numpy as np
import pytest
from synthetic_study import agreement_folder
from table_files import rows_of

from lira.evaluation.ranks import measure_ranks, top_count, vulnerability
from lira.report.tables.displacement import table
from lira.storage import hdf5
from lira.storage.comparison import LISTED, Comparison


def test_counts_are_those_of_the_rankings(make, study):
    data, path = make("displacement")
    ranked = []
    for run in Comparison(agreement_folder(study)).reference.values():
        with run.scores() as file:
            values = vulnerability(file["online"][:], file["member"][:], "mean")
        ranked.append(sorted(range(len(values)), key=lambda sample, values=values: -values[sample]))
    size, samples = top_count(len(values), 5), len(values)
    union = set().union(*(order[:size] for order in ranked))
    moved = [union - set(order[:size]) for order in ranked]
    near = [
        100 * np.mean([100 * order.index(sample) / samples <= 6 for sample in out])
        for order, out in zip(ranked, moved, strict=True)
    ]
    row = data.query("gap == 'mean' and q == 5").iloc[0]
    counts = [len(out) for out in moved]
    assert counts == [row["displaced"]] * 3
    assert row["within_1_mean"] == pytest.approx(np.mean(near))
    shown = next(cells for cells in rows_of(path) if cells[0].startswith("Mean") and cells[1] == "5")
    assert shown[2] == f"{size}" and shown[3] == f"{counts[0]}"
    everything = data.query("q == 100").iloc[0]
    assert everything["displaced"] == everything["displaced_null"] == 0 and np.isnan(everything["within_1_mean"])


def test_scores_that_say_nothing_give_what_stands_there_as_chance(tmp_path):
    """Rankings of independent runs: counts and shares lie at their expectation."""
    run = {"dataset": "d", "architecture": "a", "regime": "r"}
    folders = [tmp_path / f"runs/d/a/r/seed{seed}" for seed in range(3)]
    for seed, folder in enumerate(folders):
        generator = np.random.default_rng(seed)
        member = generator.permuted(np.arange(8)[:, None] < np.full(4000, 4), axis=0)
        for kind, name in (("scores", "online"), ("shadows", "phi")):
            with hdf5.create(folder / f"{kind}.h5", kind, run | {"seed": seed}) as file:
                file[name], file["member"] = generator.normal(size=member.shape), member
        (folder / "metrics.csv").write_text("attack\nonline\n")
    output = tmp_path / "agreement/d/a/r"
    measure_ranks(folders, output)
    listed = [{"label": folder.name, "folder": f"{folder.relative_to(tmp_path)}"} for folder in folders]
    (output / LISTED).write_text(json.dumps({"reference": listed, "variants": []}))
    row = table(Comparison(output)).data.query("gap == 'median' and q == 10").iloc[0]
    assert row["displaced"] == pytest.approx(row["displaced_null"], rel=0.05)
    assert row["displaced_null"] == pytest.approx(4000 * (1 - 0.9**3) - 400)
    for delta in (1, 10):
        assert row[f"within_{delta}_mean"] == pytest.approx(row[f"within_{delta}_null"], abs=2.5)

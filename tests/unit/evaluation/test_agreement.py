import json
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import agreement as plain

from lira.config.catalogue import SUPPORTS
from lira.core.errors import ConfigError, DataError, StoreError
from lira.evaluation.agreement import measure_agreement, scenarios, set_agreement
from lira.storage.csv_files import COLUMNS, read_csv, write_csv


def as_sets(rows):
    return [set(np.flatnonzero(row)) for row in rows]


@settings(max_examples=60, deadline=None)
@given(runs=st.integers(1, 6), samples=st.integers(0, 20), density=st.floats(0, 1), seed=st.integers(0, 1000))
def test_set_agreement(runs, samples, density, seed):
    sets = np.random.default_rng(seed).random((runs, samples)) < density
    for k in range(1, runs + 2):
        np.testing.assert_allclose(set_agreement(sets, k), plain.set_agreement(as_sets(sets), k), rtol=1e-12)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000))
def test_order_of_runs_and_samples_changes_nothing(seed):
    rng = np.random.default_rng(seed)
    sets = rng.random((5, 30)) < 0.3
    moved = sets[rng.permutation(5)][:, rng.permutation(30)]
    for k in (2, 5):
        np.testing.assert_allclose(set_agreement(moved, k), set_agreement(sets, k), rtol=1e-12)


def test_scenarios():
    rng = np.random.default_rng(1)
    reference, variants = rng.random((4, 40)) < 0.3, rng.random((5, 40)) < 0.3
    labels = list("abcde")
    found = scenarios(reference, variants, labels).set_index(["scenario", "variants", "k"])
    different = [key for key in found.index.droplevel("k").unique()]
    assert different == [
        ("identical", ""),
        *(("+1 different", label) for label in labels),
        *((f"+{m} different", "") for m in (2, 3, 4)),
    ]
    for m in range(5):
        for chosen in combinations(range(5), m):
            if m != 1 and chosen != tuple(range(m)):
                continue
            name = ("identical", "") if m == 0 else (f"+{m} different", labels[chosen[0]] if m == 1 else "")
            for k in range(2, 4 + m + 1):
                expected = [
                    plain.choices(as_sets([*reference, *variants[list(choice)]]), k)
                    for choice in (combinations(range(5), m) if m != 1 else [chosen])
                ]
                row = found.loc[(*name, k)]
                np.testing.assert_allclose(
                    row[["jaccard", "intersection", "union"]], np.mean([np.mean(c, axis=0) for c in expected], axis=0)
                )
                assert row["subsets"] == sum(map(len, expected))


def test_no_variants():
    found = scenarios(np.eye(3, 10, dtype=bool), np.zeros((0, 10), dtype=bool), [])
    assert found["scenario"].unique().tolist() == ["identical"]
    assert found["k"].tolist() == [2, 3]


def test_sets_that_are_all_empty():
    found = scenarios(np.zeros((3, 10), dtype=bool), np.zeros((1, 10), dtype=bool), ["a"])
    assert (found["subsets"] == 0).all()
    assert found[["jaccard", "intersection", "union"]].isna().all(axis=None)


def test_too_many_runs():
    with pytest.raises(DataError, match="at most 20 at once"):
        set_agreement(np.zeros((25, 3), dtype=bool), 2)
    with pytest.raises(DataError, match=r"must be \[runs, samples\]"):
        set_agreement(np.zeros(3, dtype=bool), 1)


@pytest.mark.parametrize("k", [0, -1, 2.5, "2", None, True])
def test_a_choice_is_of_a_whole_number_of_runs(k):
    with pytest.raises(ConfigError, match=f"k is {k!r}: allowed are whole numbers from 1"):
        set_agreement(np.ones((3, 5), dtype=bool), k)
    assert np.isnan(set_agreement(np.ones((3, 5), dtype=bool), 10**9)).all()


@pytest.mark.parametrize("sets", [np.full((3, 5), np.nan), np.full((3, 5), "1"), np.full((3, 5), 2), [[1], [1, 0]]])
def test_what_are_no_sets(sets):
    with pytest.raises(DataError, match="sets (has values other than|is an array of <U1|is not an array)"):
        set_agreement(sets, 2)
    with pytest.raises(DataError, match="variants (has values other than|is an array of <U1|is not an array)"):
        scenarios(np.ones((2, 5), dtype=bool), sets, list("abc")[: len(sets)])


def test_each_variant_has_a_label_and_the_same_samples():
    sets = np.ones((3, 5), dtype=bool)
    for labels in (["a"], ["a", "b", "c", "d"]):
        with pytest.raises(DataError, match=f"3 variants have {len(labels)} labels: each variant needs one"):
            scenarios(sets, sets, labels)
    with pytest.raises(DataError, match=r"reference \(3, 5\) and variants \(3, 4\) must be of the same samples"):
        scenarios(sets, sets[:, 1:], ["a", "b", "c"])


def run_folder(study, seed, *, samples=50, fprs=(0.001, 0.01), regime="aof", name="samples.csv"):
    folder = study / "runs/digits/fcn" / regime / f"seed{seed}"
    rng = np.random.default_rng(seed)
    frames = [
        pd.DataFrame(
            {"fpr": fpr, "sample": range(samples), "tp": rng.integers(0, 6, samples), "fp": rng.integers(0, 2, samples)}
        )
        for fpr in fprs
    ]
    write_csv(folder / name, pd.concat(frames).reindex(columns=COLUMNS["samples"]))
    return folder


def test_files(tmp_path):
    study = tmp_path / "results/test"
    reference = [run_folder(study, seed) for seed in range(3)]
    variants = [run_folder(study, 7, regime="tl"), run_folder(study, 8, regime="baseline")]
    output = study / "agreement/digits/fcn/aof/agreement.csv"
    measure_agreement(reference, variants, ["tl", "more decay"], [0.001, 0.01], output)
    found = read_csv(output)
    assert list(found) == COLUMNS["agreement"]
    assert sorted(found["support"].unique()) == list(SUPPORTS)
    assert len(found) == 2 * len(SUPPORTS) * 2 * (2 + 2 * 3 + 4)
    tables = [read_csv(folder / "samples.csv").query("fpr == 0.01") for folder in reference]
    sets = np.stack([(table["tp"] >= 2) & (table["fp"] == 0) for table in tables])
    row = found.query("fpr == 0.01 and scenario == 'identical' and support == 2 and zero_fp and k == 3").iloc[0]
    np.testing.assert_allclose(row[["jaccard", "intersection", "union"]].astype(float), set_agreement(sets, 3))
    runs = json.loads(output.with_name("runs.json").read_text())
    assert runs["reference"][1] == {"label": "seed1", "folder": "runs/digits/fcn/aof/seed1"}
    assert runs["variants"][1] == {"label": "more decay", "folder": "runs/digits/fcn/baseline/seed8"}


def test_another_file_of_the_runs(tmp_path):
    study = tmp_path / "results/test"
    reference = [run_folder(study, seed, name="null_samples.csv") for seed in range(2)]
    output = study / "agreement/digits/fcn/aof/null_agreement.csv"
    measure_agreement(reference, [], [], [0.001], output, samples="null_samples.csv")
    assert len(read_csv(output)) == 2 * len(SUPPORTS)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"fprs": [0.5]}, StoreError, "seed0/samples.csv has no rows at FPR 0.5"),
        ({"labels": []}, DataError, r"1 variants have the labels \[\]: each variant needs one of its own"),
        ({"samples": "other.csv"}, DataError, "other.csv does not say which samples a run flags: give samples.csv or"),
    ],
)
def test_errors(tmp_path, change, error, message):
    study = tmp_path / "results/test"
    reference, variant = [run_folder(study, seed) for seed in range(2)], run_folder(study, 7)
    arguments = {"labels": ["a"], "fprs": [0.001], **change}
    with pytest.raises(error, match=message):
        measure_agreement(reference, [variant], output=tmp_path / "agreement.csv", **arguments)
    assert not (tmp_path / "agreement.csv").exists()


def test_runs_of_different_pools(tmp_path):
    study = tmp_path / "results/test"
    runs = [run_folder(study, 0), run_folder(study, 1, samples=51)]
    with pytest.raises(DataError, match="have different pools: compare runs of one pool"):
        measure_agreement(runs, [], [], [0.001], tmp_path / "agreement.csv")

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from lira.core.errors import ConfigError, DataError, LiraError
from lira.evaluation.ranks import (
    Ranking,
    displacement,
    displacement_by_chance,
    mean_correlation,
    mean_rank_bins,
    mean_top,
    measure_ranks,
    order,
    rank_bins,
    top_agreement,
    top_by_chance,
    top_count,
    vulnerability,
)
from lira.storage import hdf5
from lira.storage.comparison import Comparison
from lira.storage.csv_files import read_csv


def world(models=8, samples=60, seed=0):
    rng = np.random.default_rng(seed)
    member = np.argsort(rng.random((models, samples)), axis=0) < models // 2
    return rng.normal(size=(models, samples)) + 2 * member * rng.exponential(size=samples), member


@pytest.mark.parametrize(("gap", "centre"), [("mean", np.mean), ("median", np.median)])
def test_vulnerability(gap, centre):
    scores, member = world()
    ours = vulnerability(scores, member, gap)
    for sample in range(60):
        held, column = member[:, sample], scores[:, sample]
        assert ours[sample] == pytest.approx(centre(column[held]) - centre(column[~held]))
    both = (vulnerability(scores, member, "mean") + vulnerability(scores, member, "median")) / 2
    np.testing.assert_allclose(vulnerability(scores, member, "all"), both)


def test_what_has_no_vulnerability():
    scores, member = world()
    with pytest.raises(ConfigError, match="allowed are 'mean', 'median' and 'all'"):
        vulnerability(scores, member, "max")
    with pytest.raises(DataError, match="must both be"):
        vulnerability(scores, member[:, 1:])
    for held, message in ((True, "member of all targets"), (False, "member of no target")):
        lone = member.copy()
        lone[:, 9] = held
        with pytest.raises(DataError, match=f"sample 9 is a {message}"):
            vulnerability(scores, lone)
        assert np.isnan(vulnerability(scores, lone, nonfinite="official")).tolist() == [j == 9 for j in range(60)]
    scores[3, 5] = np.nan
    with pytest.raises(DataError, match="scores of target 3 are NaN"):
        vulnerability(scores, member)
    for gap in ("mean", "median"):
        assert np.isfinite(vulnerability(scores, member, gap, nonfinite="official")).all()
    assert np.isnan(vulnerability(scores, member, "all", nonfinite="official")).sum() == 1


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=30))
def test_order_breaks_ties_by_sample(values):
    values = np.array(values, dtype=float)
    assert order(values).tolist() == sorted(range(len(values)), key=lambda sample: (-values[sample], sample))
    assert order(values)[Ranking.of(values).positions].tolist() == list(range(len(values)))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(-4, 4), st.integers(-4, 4)), min_size=2, max_size=30))
@pytest.mark.filterwarnings("ignore::scipy.stats.ConstantInputWarning")
def test_spearman(pairs):
    a, b = np.array(pairs, dtype=float).T
    everything = np.ones(len(a), dtype=bool)
    ranks = np.stack([Ranking.of(values).ranks(len(a), everything) for values in (a, b)])
    np.testing.assert_allclose(mean_correlation(ranks), spearmanr(a, b).statistic, atol=1e-12)


def test_the_correlation_of_one_sample_is_undefined():
    assert np.isnan(mean_correlation(np.ones((2, 1))))


def test_top_count():
    assert [top_count(1797, q) for q in (0.1, 1, 100)] == [2, 18, 1797]
    assert top_count(3, 0.1) == 1
    assert top_count(50_000, 7) == 3501  # the rounding of the published code
    assert top_count(50_000, 7, exact=True) == 3500
    assert top_count(50_000, 10.38, exact=True) == 5190


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: top_count(10, 200), "percent is 200: allowed is a share of samples from 0 to 100"),
        (lambda: top_count(10, -5, exact=True), "percent is -5"),
        (lambda: top_count(10, np.nan), "percent is nan"),
        (lambda: top_count(0, 5), "samples is 0: allowed are whole numbers from 1"),
        (lambda: top_by_chance(10, -1), "size is -1: allowed are whole numbers from 1 to 10"),
        (lambda: top_by_chance(10, 20), "size is 20: allowed are whole numbers from 1 to 10"),
        (lambda: top_by_chance(10, 5, 0), "runs is 0: allowed are whole numbers from 1"),
        (lambda: displacement(np.ones(9), 50), r"ranked \(9,\) must be \[runs, samples\]"),
        (lambda: order(["a"]), "values is an array of <U1"),
        (lambda: Ranking.of([1j]), "values is an array of complex128"),
    ],
)
def test_wrong_arguments(call, said):
    with pytest.raises(LiraError, match=said):
        call()


def test_top_agreement_of_the_same_run():
    assert top_agreement([Ranking.of(world()[0][0])] * 2, 10) == (6, 6, 1, pytest.approx(1))


def test_displacement():
    ranked = np.array([[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [2, 9, 0, 1, 3, 4, 5, 6, 7, 8]])
    # the first run's top two stand at 2 and 9 in the second, whose own stand at 2 and 3 in the first
    np.testing.assert_array_equal(displacement(ranked, 20, [0, 10, 70]), [[0.5, 1, 1], [0.5, 0.5, 1]])
    assert np.isnan(displacement(ranked[:1], 20)).all()


def test_rank_bins():
    bins = rank_bins(np.arange(1000.0)[::-1])
    assert bins["bin"].iloc[0] == "1-2%"
    assert bins["count"].tolist() == [20, 10, 10, 10, 50, 100, 100, 100, 100, 500]
    assert bins["max"].iloc[0] == 999
    few = rank_bins(np.arange(3.0))
    assert few["count"].iloc[0] == 1


def test_means_over_runs_of_bins_and_tops():
    runs = [np.random.default_rng(seed).normal(size=size) for seed, size in ((0, 300), (1, 290))]
    np.testing.assert_allclose(mean_rank_bins(runs), (rank_bins(runs[0])["mean"] + rank_bins(runs[1])["mean"]) / 2)
    assert mean_top(runs) == pytest.approx((max(runs[0]) + max(runs[1])) / 2)


RUN = {"dataset": "digits", "architecture": "fcn", "regime": "aof"}


def test_files(tmp_path):
    folders = []
    for seed in range(3):
        folder = tmp_path / f"runs/digits/fcn/aof/seed{seed}"
        scores, member = world(seed=seed)
        with hdf5.create(folder / "scores.h5", "scores", RUN | {"seed": seed}) as file:
            file["online"], file["member"] = scores, member
        folders.append(folder)
    measure_ranks(folders, tmp_path / "ranks")
    tables = {path.stem: read_csv(path) for path in (tmp_path / "ranks").glob("*.csv")}
    assert {name: list(table) for name, table in tables.items()} == {
        "spearman": ["gap", "run_a", "run_b", "spearman"],
        "topq": ["gap", "q", "k", "run_a", "run_b", "intersection", "union", "jaccard", "spearman"],
        "topq_all": ["gap", "q", "k", "runs", "intersection", "union", "jaccard", "spearman"],
        "displacement": ["gap", "q", "delta", "run", "displaced", "fraction"],
        "rank_bins": ["gap", "run", "bin", "count", "min", "max", "mean"],
        "top1": ["gap", "source", "sample", "run", "vulnerability", "position"],
    }
    assert len(tables["spearman"]) == 2 * 3
    assert len(tables["topq"]) == 2 * 3 * 21
    own = tables["top1"].query("source == run")
    assert (own["position"] == 0).all()
    values = vulnerability(*world(seed=1), "median")
    row = tables["top1"].query("gap == 'median' and source == 'seed1' and run == 'seed1'").iloc[0]
    assert (row["sample"], row["vulnerability"]) == (values.argmax(), values.max())


def stored(folder, samples):
    """Three runs of the first so many samples."""
    for seed in range(3):
        scores, member = world(seed=seed)
        with hdf5.create(folder / f"digits/fcn/aof/seed{seed}/scores.h5", "scores", RUN | {"seed": seed}) as file:
            file["online"], file["member"] = scores[:, :samples], member[:, :samples]
    return [folder / f"digits/fcn/aof/seed{seed}" for seed in range(3)]


def test_samples_beyond_the_number_are_not_ranked(tmp_path):
    """The published code keeps samples below 50,000: ranks, tops, bins and displacement are as without the others."""
    whole, few = stored(tmp_path / "whole", 60), stored(tmp_path / "few", 41)
    measure_ranks(whole, tmp_path / "cut", samples=41)
    measure_ranks(few, tmp_path / "alone")
    measure_ranks(whole, tmp_path / "all")
    measure_ranks(few, tmp_path / "larger", samples=50_000)
    for path in (tmp_path / "cut").glob("*.csv"):
        texts = {place: (tmp_path / place / path.name).read_text() for place in ("cut", "alone", "larger", "all")}
        assert texts["cut"] == texts["alone"] == texts["larger"] != texts["all"]
    assert Comparison(tmp_path / "cut").ranked == 41
    with pytest.raises(ConfigError, match="samples is 0: allowed are whole numbers from 1"):
        measure_ranks(whole, tmp_path, samples=0)


def test_runs_of_different_pools(tmp_path):
    folders = []
    for seed, samples in enumerate((50, 60)):
        folder = tmp_path / f"seed{seed}"
        scores, member = world(samples=samples)
        with hdf5.create(folder / "scores.h5", "scores", RUN | {"seed": seed}) as file:
            file["online"], file["member"] = scores, member
        folders.append(folder)
    with pytest.raises(DataError, match="have different pools: compare runs of one pool"):
        measure_ranks(folders, tmp_path)


def test_chance_is_the_mean_over_random_rankings():
    generator = np.random.default_rng(0)
    rankings = [Ranking.of(values) for values in generator.random((3, 20_000))]
    intersection, union, jaccard, _ = top_agreement(rankings, 30)
    expected = top_by_chance(20_000, 6_000, 3)
    np.testing.assert_allclose((intersection, union, jaccard), expected, rtol=0.05)
    assert top_by_chance(200, 20)[2] == pytest.approx(0.1 / (2 - 0.1))
    shares = displacement(np.stack([ranking.positions for ranking in rankings]), 5, [1, 10])
    np.testing.assert_allclose(shares.mean(axis=0), displacement_by_chance(20_000, 5, [1, 10]), rtol=0.15)
    assert np.isnan(displacement_by_chance(50, 100, [1])).all()

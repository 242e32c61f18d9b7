import json
from functools import cache
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from reference import ATTACK_NAMES, DATA, FPRS, PRIORS, SCORE, arrays, table

from lira.attacks.lira import PUBLISHED, leave_one_out
from lira.evaluation.agreement import scenarios, set_agreement
from lira.evaluation.calibration import calibrate
from lira.evaluation.detections import count_detections, support_qualified
from lira.evaluation.ranks import (
    Ranking,
    displaced,
    displacement,
    mean_correlation,
    order,
    rank_bins,
    top_agreement,
    top_count,
)
from lira.evaluation.ranks import vulnerability as gap_vulnerability

SEEDS = [f"seed{seed}" for seed in range(1, 6)]
RUNS = [*SEEDS, "variant_a", "variant_b"]
TAGS = {1e-5: "0p001pct", 1e-3: "0p1pct", 1e-2: "1p0pct"}
GAPS = {"mean_gap": "mean", "median_gap": "median", "all": "all"}
EXACT = {"rtol": 1e-12, "atol": 1e-12}


@cache
def run(name):
    """Leave-one-out scores, membership and calibrated rates of one run."""
    stored = arrays("repro/runs.npz")
    member = stored[f"keep__{name}"]
    scores = leave_one_out(stored[f"scores__{name}"], member, definition=PUBLISHED)
    return scores, member, calibrate(scores, member, FPRS, PRIORS)


@cache
def detections(name, fpr):
    scores, member, rates = run(name)
    rows = rates[(rates["attack"] == "online") & (rates["mode"] == "shadow") & (rates["fpr"] == fpr)]
    return count_detections(scores["online"], member, rows.drop_duplicates("target")["threshold"].to_numpy())


def flagged(names, fpr, support=1, zero_fp=False):
    return np.stack([support_qualified(detections(name, fpr), support, zero_fp=zero_fp) for name in names])


@pytest.mark.parametrize("name", RUNS)
def test_run_tables(name):
    for fpr, tag in TAGS.items():
        stored = table(f"repro/runs/{name}/samples_vulnerability_ranked_online_shadow_{tag}.csv")
        ours = detections(name, fpr).sort_values("rank")
        np.testing.assert_array_equal(ours[["sample", "tp", "fp", "tn", "fn"]], stored)
    stored = table(f"repro/runs/{name}/summary_statistics_two_modes.csv").replace({"attack": ATTACK_NAMES})
    stored["fpr"] = stored["Target FPR (%)"] / 100
    groups = run(name)[2].groupby(["mode", "attack", "fpr", "prior"])
    for column, label in {"tpr": "TPR", "fpr_achieved": "FPR_Achieved", "ppv": "Precision", "auc": "AUC"}.items():
        for statistic in ("mean", "std"):
            ours = 100 * groups[column].agg(statistic).loc[pd.MultiIndex.from_frame(stored[groups.keys])]
            expected = stored[f"{label}_{statistic.capitalize()}"]
            np.testing.assert_allclose(ours, expected, rtol=0, atol=0.5e-3 * (1 + 1e-6), err_msg=label)


@pytest.mark.parametrize("fpr", FPRS)
def test_scenarios(fpr):
    stored = table("repro/scenarios.csv")
    stored = stored[stored["target_fpr"] == fpr].set_index(["scenario", "k"])
    names = {"jaccard": "avg_jaccard", "intersection": "avg_intersection", "union": "avg_union"}
    ours = scenarios(flagged(SEEDS, fpr), flagged(RUNS[5:], fpr), RUNS[5:]).rename(columns=names)
    label = ours["scenario"].where(ours["variants"] == "", ours["scenario"] + " (" + ours["variants"] + ")")
    label = label.replace("identical", "Identical (2-5 runs)")
    ours = ours.set_index([label, "k"])[list(names.values())]
    assert len(ours) == 4 + 5 + 5 + 6
    np.testing.assert_allclose(ours, stored.loc[ours.index, ours.columns], **EXACT)
    mean = ours[ours.index.get_level_values(0).str.startswith("+1")].groupby("k").mean()
    np.testing.assert_allclose(mean, stored.loc["mean of the +1 configs"].loc[mean.index, mean.columns], **EXACT)
    for k, row in stored.loc["Identical, k from 1"].iterrows():
        np.testing.assert_allclose(set_agreement(flagged(SEEDS, fpr), k), row[list(names.values())], **EXACT)


@pytest.mark.parametrize("fpr", FPRS)
def test_supports(fpr):
    stored = table("repro/identical_over_thresholds.csv")
    for row in stored[stored["target_fpr"] == fpr].itertuples():
        zero_fp = {"none": False, "0": True}[str(row.fp_equals)]
        ours = set_agreement(flagged(SEEDS, fpr, row.tp_threshold, zero_fp), row.k)
        np.testing.assert_allclose(ours, (row.avg_jaccard, row.avg_intersection, row.avg_union), **EXACT)


@pytest.mark.parametrize("fpr", (1e-5, 1e-3))
def test_published_tables(fpr):
    stored = table(f"repro/tables/reproducibility_5runs_2variants_{TAGS[fpr]}.csv")
    for row in stored[stored["scenario"].str.startswith("Identical")].itertuples():
        ours = set_agreement(flagged(SEEDS, fpr), row.k)
        np.testing.assert_allclose(
            ours, (row.avg_jaccard, row.avg_intersection, row.avg_union), rtol=0, atol=0.50001e-4
        )
    for zero_fp in (True, False):
        stored = table(f"repro/tables/tpgeq_x{'_0fp' * zero_fp}_identical_{TAGS[fpr]}_5runs.csv")
        for row in stored.itertuples():
            ours = set_agreement(flagged(SEEDS, fpr, row.tp_threshold, zero_fp), row.k)
            expected = (row.avg_jaccard, row.avg_intersection, row.avg_union)
            np.testing.assert_allclose(ours, expected, rtol=0, atol=0.50001e-6)


@pytest.mark.parametrize("case", json.loads((DATA / "repro/agreement_edge_cases.json").read_text()), ids=str)
def test_agreement_of_small_sets(case):
    sets = np.array([[str(sample) in ids for sample in range(6)] for ids in case["sets"]])
    expected = [case[f"avg_{name}"] for name in ("jaccard", "intersection", "union")]
    np.testing.assert_allclose(set_agreement(sets, case["k"]), expected, **EXACT)


@cache
def vulnerabilities(mode):
    return np.stack([gap_vulnerability(run(name)[0]["online"], run(name)[1], GAPS[mode]) for name in SEEDS])


def rankings(mode):
    return [Ranking.of(row) for row in vulnerabilities(mode)]


@pytest.mark.parametrize("mode", GAPS)
def test_ranks(mode):
    stored, ours = arrays(f"repro/rank/{mode}.npz"), vulnerabilities(mode)
    np.testing.assert_allclose(ours, stored["vulnerability"], **SCORE)
    np.testing.assert_array_equal([order(row) for row in ours], stored["order"])
    np.testing.assert_array_equal([ranking.positions for ranking in rankings(mode)], stored["positions"])
    everything = np.ones(ours.shape[1], dtype=bool)
    ranks = np.stack([ranking.ranks(everything.size, everything) for ranking in rankings(mode)])
    correlations = [mean_correlation(ranks[list(pair)]) for pair in combinations(range(len(SEEDS)), 2)]
    np.testing.assert_allclose(correlations, stored["global_spearman"], **EXACT)
    np.testing.assert_allclose(
        (np.mean(correlations), np.std(correlations)), stored["global_spearman_mean_std"], **EXACT
    )


@pytest.mark.parametrize("mode", GAPS)
def test_top_pairs(mode):
    of_seed = dict(zip(SEEDS, rankings(mode), strict=True))
    pairs = table(f"repro/rank/{mode}_topq_pairs.csv")
    tail = table(f"repro/rank/{mode}_tail_spearman_pairs.csv")
    merged = pairs.merge(tail, on=["topq_pct", "run_a", "run_b"])
    assert len(merged) == len(pairs) == len(tail)
    ours = pd.DataFrame(
        [top_agreement([of_seed[row.run_a], of_seed[row.run_b]], row.topq_pct) for row in merged.itertuples()],
        columns=["intersection", "union", "jaccard", "tail_inter_spearman"],
    )
    np.testing.assert_array_equal(ours[["intersection", "union"]], merged[["intersection", "union"]])
    np.testing.assert_allclose(ours["jaccard"], merged["jaccard"], **EXACT)
    np.testing.assert_allclose(ours["tail_inter_spearman"], merged["tail_inter_spearman"], **EXACT)
    groups = ours.groupby(merged["topq_pct"])
    stored = table(f"repro/rank/{mode}_agg_pairs.csv").set_index("topq_pct")
    names = {"inter": "intersection", "union": "union", "jacc": "jaccard", "tail_inter": "tail_inter_spearman"}
    for label, column in names.items():
        for statistic in ("mean", "std"):
            np.testing.assert_allclose(groups[column].agg(statistic), stored[f"{label}_{statistic}"], **EXACT)


@pytest.mark.parametrize("mode", GAPS)
def test_top_of_all_runs(mode):
    stored = table(f"repro/rank/{mode}_allruns_intersection.csv").merge(
        table(f"repro/rank/{mode}_allruns_tail_spearman.csv"), on="topq_pct"
    )
    ours = [top_agreement(rankings(mode), percent) for percent in stored["topq_pct"]]
    columns = ["all_intersection", "all_union", "all_jaccard", "all_tail_spearman_mean"]
    np.testing.assert_allclose(ours, stored[columns], **EXACT)


@pytest.mark.parametrize("mode", GAPS)
def test_displacement(mode):
    ranked = np.stack([ranking.positions for ranking in rankings(mode)])
    stored = table(f"repro/rank/{mode}_displacement_per_run.csv")
    shares = [column for column in stored if column.startswith("frac")]
    deltas = [float(column.rsplit("_", 1)[1]) for column in shares]
    total = table(f"repro/rank/{mode}_displacement_agg.csv").set_index("topq_pct")
    for percent, rows in stored.groupby("topq_pct"):
        ours, moved = displacement(ranked, percent, deltas), displaced(ranked, percent).sum(axis=1)
        np.testing.assert_array_equal(moved, rows["n_displaced"])
        np.testing.assert_allclose(ours, rows[shares], **EXACT)
        if moved.any():
            np.testing.assert_allclose(
                np.nanmean(ours, axis=0), total.loc[percent, [f"{c}_mean" for c in shares]], **EXACT
            )
            np.testing.assert_allclose(
                np.nanstd(ours, axis=0), total.loc[percent, [f"{c}_std" for c in shares]], **EXACT
            )


@pytest.mark.parametrize("mode", GAPS)
def test_rank_bins(mode):
    stored = table(f"repro/rank/{mode}_percentile_bins.csv")
    for name, values in zip(SEEDS, vulnerabilities(mode), strict=True):
        ours, expected = rank_bins(values), stored[stored["run"] == name]
        assert ours["bin"].tolist() == expected["bin"].tolist()
        np.testing.assert_array_equal(ours["count"], expected["count"])
        np.testing.assert_allclose(ours[["min", "max", "mean"]], expected[["min", "max", "mean"]], **SCORE)


@pytest.mark.parametrize("mode", GAPS)
def test_top_sample_in_all_runs(mode):
    values = vulnerabilities(mode)
    for row in table(f"repro/rank/{mode}_top1_across_runs.csv").itertuples():
        assert order(values[SEEDS.index(row.top1_run)])[0] == row.sample_id
        assert values[SEEDS.index(row.eval_run), row.sample_id] == pytest.approx(row.value, rel=1e-9)


def test_top_counts():
    for row in table("repro/rank/q_counts.csv").itertuples():
        assert top_count(row.n, row.q_pct) == row.k


def test_awkward_values():
    stored = arrays("repro/rank/edge_cases.npz")
    np.testing.assert_array_equal(order(stored["tie_values"]), stored["tie_order"])
    np.testing.assert_array_equal(Ranking.of(stored["tie_values"]).positions, stored["tie_positions"])
    for mode, gap in GAPS.items():
        ours = gap_vulnerability(stored["scores"], stored["labels"], gap, nonfinite="official")
        np.testing.assert_allclose(ours, stored[f"vuln_{mode}"], **SCORE, err_msg=mode)

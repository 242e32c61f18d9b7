"""Verdicts on made-up results for which they are known, one of each kind, and the claims of the paper."""

import numpy as np
import pandas as pd
import pytest
from paper_results import AOF, summary_row, write_run
from scipy.stats import linregress, pearsonr, spearmanr
from synthetic_study import RUNS, agreement_folder, run_folder

from lira.claims import compare, judge_study, on_rates
from lira.claims.comparison import Number, judge
from lira.claims.equivalence import Estimate, equivalence, exceeds
from lira.claims.overlap import fit, published_fit
from lira.claims.results import BENCHMARKS, Benchmark, Results, estimate
from lira.config.sections import Margins
from lira.published import names, published
from lira.store import Run

MARGINS = Margins().model_dump()
LIRA = ("online", "online_fixed", "offline", "offline_fixed")


def test_published_numbers_are_whole_and_say_where_they_stand():
    tables = {name: published(name) for name in names()}
    assert {name: table.place for name, table in tables.items()} == {
        "utility": "Table 2",
        "optimistic": "Tables 3-6",
        "calibrated": "Tables 7-10 and 12",
        "ablation": "Table 14",
        "transfer": "Table 15",
        "agreement": "Figure 2",
        "support": "Figure 3",
        "loss_ratio": "Figure 7",
    }
    assert all(table.source.startswith("arXiv 2603.07567, ") for table in tables.values())
    counts = {name: len(table.rows) for name, table in tables.items()}
    assert counts == {"utility": 10, "optimistic": 50, "calibrated": 40, "ablation": 22, "transfer": 4,
                      "agreement": 111, "support": 32, "loss_ratio": 49}  # fmt: skip
    rows = tables["optimistic"].rows
    online = rows[(rows["dataset"] == "cifar10") & (rows["attack"] == "online")].set_index("regime")
    ratio = online.loc["baseline", "tpr_at_fpr_1e-3_mean"] / online.loc["aof", "tpr_at_fpr_1e-3_mean"]
    assert ratio == pytest.approx(online.loc["aof", "reduction_at_fpr_1e-3"], abs=0.05)


def test_the_published_points_give_the_numbers_the_paper_states():
    found = {name: round(estimate.value, 2) for name, estimate in published_fit().items()}
    assert found == {"r": 0.77, "ρ": 0.63, "slope": 4.39, "intercept": 0.72, "R²": 0.60}


@pytest.mark.parametrize(
    ("difference", "error", "verdict"),
    [
        (0.5, 0.2, "agrees"),
        (-0.5, 0.2, "agrees"),
        (0.5, 0.31, "cannot tell"),
        (1.5, 0.2, "differs"),
        (-1.5, 0.2, "differs"),
        (1.2, 0.2, "cannot tell"),
        (0.0, 2.0, "cannot tell"),
        (0.0, np.nan, "cannot tell"),
    ],
)
def test_equivalence(difference, error, verdict):
    assert equivalence(Estimate(difference, error), 1.0) == verdict


def test_errors_of_both_count():
    difference = Estimate(3.0, 0.3) - Estimate(1.0, 0.4)
    assert difference == pytest.approx((2.0, 0.5))
    assert exceeds(difference, 1.0) == "holds"
    assert exceeds(difference, 1.5) == "cannot tell"
    assert exceeds(difference, 3.0) == "does not hold"


def test_margins_are_shares_or_points():
    share = judge(Number("TPR", "tpr", Estimate(10, 0.1), Estimate(11, 0.1)), MARGINS)
    points = judge(Number("AUC", "auc", Estimate(60, 0.1), Estimate(61, 0.1)), MARGINS)
    assert (share["margin"], share["verdict"]) == (2.0, "agrees")
    assert (points["margin"], points["verdict"]) == (1.0, "cannot tell")
    tight = judge(Number("TPR", "tpr", Estimate(10, 0.1), Estimate(11, 0.1)), MARGINS | {"tpr": 0.05})
    assert tight["verdict"] == "differs"
    unknown = judge(Number("loss", "loss", Estimate(1, np.nan), Estimate(1.01, 0.01)), MARGINS)
    assert unknown["difference_high"] - unknown["difference"] == pytest.approx(1.645 * 0.01 * 2**0.5, rel=1e-3)


def test_the_error_of_a_rate_near_its_end_is_not_that_of_the_cut_interval(tmp_path):
    rates = [("online", "target", 1e-3, "tpr", np.nan, 0.1, 0.4)]
    run = Benchmark(Run(write_run(tmp_path, "cifar10/resnet18/baseline", "resnet18", rates=rates)))
    found = run.rate("online", "target", 1e-3, "tpr")
    assert found["low"] == 0
    assert estimate(found) == pytest.approx((0.1, 0.4))


RATES = [
    ("online", "target", 1e-3, "tpr", np.nan, 10.3, 0.05),  # published 10.268
    ("online", "target", np.nan, "auc", np.nan, 70.0, 0.1),  # 76.48
    ("offline", "target", 1e-3, "tpr", np.nan, 3.3, 2.0),  # 3.262
    ("online", "target", 1e-5, "tpr", np.nan, 3.95, 0.05, "TPR at 0 FP"),  # 3.956
]


def compared(folder, name, **options):
    run = write_run(folder, "cifar10/resnet18/baseline", "resnet18", rates=RATES, **options)
    return compare(Results([run]), [], MARGINS)[name]


def verdicts_of(rows):
    return {(row.attack, row.quantity): row.verdict for row in rows.itertuples()}


def test_one_of_each_verdict(tmp_path):
    rows = compared(tmp_path, "optimistic")
    assert verdicts_of(rows) == {
        ("online", "TPR, 0.001 % FPR"): "agrees",
        ("online", "TPR, 0.1 % FPR"): "agrees",
        ("online", "AUC"): "differs",
        ("offline", "TPR, 0.1 % FPR"): "cannot tell",
    }
    assert set(rows["label"]) == {""}
    first = rows[(rows["quantity"] == "AUC")].iloc[0]
    assert (first["published"], first["ours"], first["difference"]) == pytest.approx((76.48, 70, -6.48))
    assert first["published_error"] == pytest.approx(0.32 / 16)


def test_at_the_floor_pools_of_another_size_cannot_tell(tmp_path):
    rows = compared(tmp_path, "optimistic", pool=50_000)
    verdicts = verdicts_of(rows)
    assert verdicts["online", "TPR, 0.001 % FPR"] == "cannot tell"
    assert verdicts["online", "TPR, 0.1 % FPR"] == "agrees"
    assert rows.set_index("quantity").loc["TPR, 0.001 % FPR", "reason"].startswith("FPR floor")
    assert set(rows["label"]) == {"pool 50,000 (published 60,000)"}


@pytest.mark.parametrize(
    ("options", "reason"),
    [({"models": 64}, "64 shadow models"), ({"network": "wrn28_2"}, "architecture resnet18")],
)
def test_not_comparable(tmp_path, options, reason):
    network = options.pop("network", "resnet18")
    run = write_run(tmp_path, "cifar10/resnet18/baseline", network, rates=RATES, **options)
    rows = compare(Results([run]), [], MARGINS)["optimistic"]
    assert set(rows["verdict"]) == {"not comparable"} and set(rows["reason"]) == {reason}
    assert rows["difference"].isna().all() and not rows["ours"].isna().all()


def test_another_dataset_stands_beside_the_published_numbers(tmp_path):
    run = write_run(tmp_path, "digits/fcn/baseline", "other", rates=RATES, models=64)
    tables = compare(Results([run]), [], MARGINS)
    assert set(tables["optimistic"]["published_run"]) == {
        f"{dataset}/{network}" for (dataset, regime), network in BENCHMARKS.items() if regime == "baseline"
    }
    for name in ("optimistic", "utility", "calibrated", "transfer", "loss_ratio"):
        assert set(tables[name]["verdict"]) == {"not comparable"}, name
    assert set(tables["utility"]["reason"]) == {"dataset digits, architecture fcn, 64 shadow models"}


def test_what_the_study_lacks_is_left_out(tmp_path):
    rows = compared(tmp_path, "utility")
    assert set(rows["published_run"]) == {"cifar10/resnet18"} and set(rows["regime"]) == {"baseline"}
    assert compared(tmp_path, "calibrated").empty


def test_utility_and_calibrated(tmp_path):
    utility = {"train_loss": 0.0032, "test_loss": 0.2272, "train_accuracy": 0.9994, "test_accuracy": 0.95}
    rates = [("online", "shadow", 1e-5, "tpr", np.nan, 4.0, 0.05), ("online", "shadow", 1e-5, "ppv", 0.01, 80.0, 1.0)]
    run = write_run(tmp_path, "cifar10/resnet18/baseline", "resnet18", utility=utility, rates=rates)
    tables = compare(Results([run]), [], MARGINS)
    found = tables["utility"].set_index("quantity")["verdict"]
    assert (found["train_loss"], found["train_accuracy"], found["test_accuracy"]) == ("agrees", "agrees", "differs")
    found = tables["calibrated"].set_index("quantity")["verdict"]
    assert dict(found) == {"TPR′, 0.001 % FPR": "agrees", "PPV at π = 1 %, 0.001 % FPR": "differs"}


def test_ablation_rows_are_found_by_their_recipe(tmp_path):
    recipe = {"augment": ["crop", "flip", "cutout"], "dropout": 0.25}
    rates = [("online_fixed", "target", 1e-3, "tpr", np.nan, 2.24, 0.02)]
    run = write_run(tmp_path, "cifar10/wrn28_2/any_name", "wrn28_2", rates=rates, recipe=recipe)
    rows = compare(Results([run]), [], MARGINS)["ablation"]
    assert rows.set_index("quantity").loc["TPR, 0.1 % FPR", ["published", "verdict"]].tolist() == [2.24, "agrees"]
    assert rows.set_index("quantity").loc["train_loss", "published"] == 0.0777


def test_of_two_runs_of_an_ablation_row_the_one_that_pads_as_published_is_compared(tmp_path):
    recipe = AOF | {"crop_padding": "zeros"}
    other = write_run(tmp_path, "cifar10/wrn28_2/aof", "wrn28_2", utility={"train_loss": 9.0}, recipe=recipe)
    run = write_run(tmp_path, "cifar10/wrn28_2/row19", "wrn28_2", utility={"train_loss": 0.1}, recipe=AOF)
    rows = compare(Results([other, run]), [], MARGINS)["ablation"]
    assert set(rows["regime"]) == {"row19"}


@pytest.mark.parametrize("unsaid", ["augment", "dropout", "weight_decay"])
def test_imported_scores_that_do_not_say_their_whole_recipe_are_no_ablation_row(tmp_path, unsaid):
    run = write_run(tmp_path, "cifar10/wrn28_2/any_name", "wrn28_2", recipe={unsaid: None})
    assert compare(Results([run]), [], MARGINS)["ablation"].empty


def benchmarks(folder, tprs, error=0.02, ppv=90.0, extra=()):
    """Baseline, aof and tl of CIFAR-10 with a TPR for all attacks and FPRs, in percent."""
    runs = []
    for regime, tpr in tprs.items():
        rates = [(a, "target", fpr, "tpr", np.nan, tpr, error * tpr) for a in LIRA for fpr in (1e-5, 1e-3)]
        rates += [(a, "target", np.nan, "auc", np.nan, 60, 0.1) for a in LIRA]
        rates += [("online", "target", 1e-5, "ppv", 0.01, 100, 0), ("online", "shadow", 1e-5, "ppv", 0.01, ppv, 1.0)]
        network = BENCHMARKS["cifar10", regime]
        runs.append(write_run(folder, f"cifar10/{network}/{regime}", network, rates=[*rates, *extra]))
    return Results(runs)


def test_reductions(tmp_path):
    results = benchmarks(tmp_path, {"baseline": 10.0, "aof": 10 / 6.5, "tl": 11.0})
    rows = {(row["claim"], row["part"]): row for row in on_rates.reductions(results, MARGINS)}
    verdicts = {key: row["verdict"] for key, row in rows.items()}
    assert verdicts["AOF cuts the TPR", "direction"] == "holds"
    assert verdicts["AOF cuts the TPR", "size, the text's"] == "holds"
    assert verdicts["AOF cuts the TPR", "size, the tables'"] == "holds"
    assert (
        verdicts["TL cuts the TPR", "direction"] == verdicts["TL cuts the TPR", "size, the text's"] == "does not hold"
    )
    assert rows["AOF cuts the TPR", "size, the text's"]["ours"] == pytest.approx(6.5)
    assert rows["AOF cuts the TPR", "direction"]["ours"] == pytest.approx(6.5)
    assert "8 of 8 cells above 1" in rows["AOF cuts the TPR", "direction"]["numbers"]
    wide = benchmarks(tmp_path / "wide", {"baseline": 10.0, "aof": 9.0}, error=0.3)
    assert {row["verdict"] for row in on_rates.reductions(wide, MARGINS) if "direction" in row["part"]} == {
        "cannot tell"
    }


def test_the_direction_of_a_reduction_shows_the_mean_that_is_tested(tmp_path):
    write_run(tmp_path, "cifar10/resnet18/baseline", "resnet18", rates=of_attack(20.0, 20.0))
    write_run(tmp_path, "cifar10/resnet18/aof", "resnet18", rates=of_attack(10.0, 2.5))
    results = Results(sorted(tmp_path.glob("runs/*/*/*/seed42")))
    row = next(on_rates.reductions(results, MARGINS))
    assert row["ours"] == pytest.approx(4.0)  # of 2 and 8, whose arithmetic mean is 5
    assert row["low"] < 4.0 < row["high"] and row["low"] * row["high"] == pytest.approx(16.0)


def of_attack(*tprs):
    rates = [("online", "target", fpr, "tpr", np.nan, tpr, 0.1) for fpr, tpr in zip((1e-5, 1e-3), tprs, strict=True)]
    return [*rates, ("online", "target", np.nan, "auc", np.nan, 60, 0.1)]


def test_a_study_without_the_papers_regimes_is_judged(tmp_path):
    runs = [write_run(tmp_path, "cifar10/resnet18/other", "resnet18", rates=RATES)]
    judge_study(runs, [], MARGINS, tmp_path / "judged")
    claims = pd.read_csv(tmp_path / "judged" / "claims.csv").set_index("claim")
    assert set(claims["verdict"]) == {"cannot tell"}
    assert claims.loc["AOF cuts the TPR", "numbers"] == "no cell with a baseline"


def test_the_papers_tables_give_the_reductions_that_were_worked_out_from_them():
    aof, tl = (list(on_rates.of_tables(regime).values()) for regime in ("aof", "tl"))
    assert (round(np.mean(aof), 1), round(np.mean(tl))) == (7.0, 23)
    assert (min(aof), max(aof), min(tl), max(tl)) == (2.4, 24.0, 0.4, 190.0)


def test_the_tables_are_averaged_over_the_cells_that_the_study_has(tmp_path):
    for name, dataset in (("ours", "cifar10"), ("other", "digits")):
        for regime, tpr in (("baseline", 10.0), ("aof", 5.0)):
            write_run(tmp_path / name, f"{dataset}/resnet18/{regime}", "resnet18", rates=of_attack(tpr, tpr))
    rows = published("optimistic").rows.set_index(["dataset", "regime", "attack"])
    cells = rows.loc["cifar10", "aof", "online"][["reduction_at_fpr_1e-5", "reduction_at_fpr_1e-3"]]
    found = {}
    for name in ("ours", "other"):
        results = Results(sorted((tmp_path / name).glob("runs/*/*/*/seed42")))
        found[name] = {row["part"]: row for row in on_rates.reductions(results, MARGINS)}["size, the tables'"]
    assert found["ours"]["stated"] == pytest.approx(cells.mean())
    assert found["other"]["verdict"] == "cannot tell" and np.isnan(found["other"]["stated"])


@pytest.mark.parametrize(
    ("target", "shadow", "verdict"),
    [(90.0, 60.0, "holds"), (60.0, 90.0, "does not hold"), (80.0, 80.0, "cannot tell"), (100.0, 60.0, "cannot tell")],
)
def test_shadow_thresholds_cut_the_ppv_at_the_same_prior(tmp_path, target, shadow, verdict):
    rates = [("online", "target", 1e-5, "ppv", prior, ppv, 0) for prior, ppv in ((0.01, target), (0.5, 100.0))]
    rates += [("online", "shadow", 1e-5, "ppv", 0.01, shadow, 1.0)]
    run = write_run(tmp_path, "cifar10/resnet18/baseline", "resnet18", rates=rates)
    rows = {row["part"]: row for row in on_rates.precision(Results([run]), MARGINS)}
    direction = rows["direction, 0.001 % FPR"]
    assert direction["verdict"] == verdict
    assert target == 100 or direction["low"] < target - shadow < direction["high"]
    floor = f"{int(target == 100)} of 1 runs cannot tell: no false positive at target thresholds"
    assert direction["numbers"].endswith(floor)
    assert rows["size, the tables'"]["stated"] == pytest.approx(100 - 94.73)  # of CIFAR-10 baseline alone
    assert rows["size, the tables'"]["ours"] == pytest.approx(100 - shadow)


def test_the_ppv_of_a_study_without_the_papers_data_has_no_size(tmp_path):
    at_two_fprs = {1e-5: (90.0, 60.0), 1e-2: (100.0, 60.0)}
    rates = [
        ("online", mode, fpr, "ppv", 0.01, ppv, 1.0)
        for fpr, ppvs in at_two_fprs.items()
        for mode, ppv in zip(("target", "shadow"), ppvs, strict=True)
    ]
    run = write_run(tmp_path, "digits/fcn/baseline", "fcn", rates=rates)
    verdicts = {row["part"]: row["verdict"] for row in on_rates.precision(Results([run]), MARGINS)}
    expected = {"direction, 0.001 % FPR": "holds", "direction, 1 % FPR": "cannot tell"}
    assert verdicts == expected | {"size, the tables'": "cannot tell"}


def of_counts(run, counts, negatives=30_000):
    """FPR′ of targets with these false positives."""
    shares, target = 100 * np.asarray(counts) / negatives, int(np.argmax(counts))
    moved = shares.mean() - np.delete(shares, target).mean()
    row = summary_row("online", "shadow", 1e-5, "fpr_achieved", np.nan, shares.mean(), 0.01, influence=moved,
                      target=target, models=len(counts))  # fmt: skip
    pd.DataFrame([row | {"expected_fp": 1e-5 * negatives}]).to_csv(run / "summary.csv", index=False)
    (line,) = on_rates.single_target(Results([run]))
    return line


@pytest.mark.parametrize(
    ("counts", "verdict"),
    [
        ([1], "cannot tell"),
        ([1, 1], "cannot tell"),
        ([2, 1], "holds"),  # 0.012 by chance
        ([3, 2, 1], "does not hold"),
        ([5, 1, 1, 1], "holds"),
        ([3], "holds"),  # 256 ** -2 by chance
        ([2250, *[1] * 200], "holds"),
        ([4] * 256, "does not hold"),
    ],
)
def test_a_single_target_needs_more_false_positives_than_chance_gives(tmp_path, counts, verdict):
    run = write_run(tmp_path, "cifar10/resnet18/aof", "resnet18", rates=RATES)
    counts = [*counts, *[0] * (256 - len(counts))]
    if min(counts) == max(counts):
        counts[0] += 1
    assert of_counts(run, counts)["verdict"] == verdict


def test_a_single_target_that_makes_a_mean_is_found(tmp_path):
    run = write_run(tmp_path, "cifar10/resnet18/aof", "resnet18", rates=RATES)
    for influence, verdict in ((0.030, "holds"), (0.002, "does not hold")):
        row = summary_row("online", "shadow", 1e-5, "fpr_achieved", np.nan, 0.033, 0.03, influence=influence, target=77)
        pd.DataFrame([row]).to_csv(run / "summary.csv", index=False)
        (line,) = on_rates.single_target(Results([run]))
        assert line["verdict"] == verdict and "target 77 of cifar10/resnet18/aof, online" in line["numbers"]
        assert line["ours"] == pytest.approx(influence / 0.033)
    write_run(tmp_path, "cifar10/resnet18/aof", "resnet18", rates=RATES)
    (line,) = on_rates.single_target(Results([run]))
    assert line["verdict"] == "cannot tell"


def test_fit_against_scipy():
    generator = np.random.default_rng(0)
    ratio = 10 ** generator.uniform(0, 2, 40)
    tpr = 4 * np.log10(ratio) + generator.normal(0, 1, 40)
    found, line = fit(ratio, tpr), linregress(np.log10(ratio), tpr)
    assert found["r"].value == pytest.approx(pearsonr(np.log10(ratio), tpr).statistic)
    assert found["ρ"].value == pytest.approx(spearmanr(ratio, tpr).statistic)
    assert (found["slope"].value, found["intercept"].value) == pytest.approx((line.slope, line.intercept))
    assert found["slope"].error == pytest.approx(line.stderr, rel=0.3)


def test_the_loss_ratio_claim(tmp_path):
    runs = []
    for number, ratio in enumerate(np.geomspace(1.05, 100, 12)):
        utility = {"train_loss": 0.4 / ratio, "test_loss": 0.4}
        tpr = 4.39 * np.log10(ratio) + 0.72 + (-1) ** number
        rates = [("online", "target", 1e-3, "tpr", np.nan, tpr, 0.02)]
        key = f"cifar10/resnet18/recipe{number}"
        runs.append(write_run(tmp_path, key, "resnet18", utility=utility, rates=rates))
    rows = {row["part"]: row["verdict"] for row in on_rates.loss_ratio(Results(runs), MARGINS)}
    assert rows["direction"] == "holds"
    assert rows["size, r"] == "does not hold"  # .94 here
    rows = compare(Results(runs), [], MARGINS)["loss_ratio"].set_index("quantity")
    assert set(rows["label"]) == {"12 runs (published 49)"}
    assert rows.loc["slope", "verdict"] == "cannot tell"
    for few in (2, 3, 9):
        (row,) = on_rates.loss_ratio(Results(runs[:few]), MARGINS)
        assert row["verdict"] == "cannot tell" and row["numbers"] == f"{few} runs are too few, it needs 10"


def test_the_fit_is_over_runs_of_the_papers_data_and_left_out_without_its_fpr(tmp_path):
    def write(key, ratio, fpr=1e-3):
        utility = {"train_loss": 0.4 / ratio, "test_loss": 0.4}
        rates = [("online", "target", fpr, "tpr", np.nan, 4.39 * np.log10(ratio) + 0.72, 0.02)]
        return write_run(tmp_path, key, "resnet18", utility=utility, rates=rates)

    ratios = np.geomspace(1.05, 100, 10)
    runs = [write(f"cifar10/resnet18/recipe{number}", ratio) for number, ratio in enumerate(ratios)]
    alone = compare(Results(runs), [], MARGINS)["loss_ratio"]
    among = compare(Results([*runs, write("digits/resnet18/baseline", 1e4)]), [], MARGINS)["loss_ratio"]
    pd.testing.assert_frame_equal(alone, among)
    others = [write(f"cifar10/resnet18/other{number}", ratio, 1e-2) for number, ratio in enumerate(ratios)]
    assert compare(Results(others), [], MARGINS)["loss_ratio"].empty


def test_imported_scores_without_a_utility_have_no_row_of_it(tmp_path):
    nothing = dict.fromkeys(("train_loss", "test_loss", "train_accuracy", "test_accuracy"), np.nan)
    run = write_run(tmp_path, "cifar10/resnet18/baseline", "resnet18", utility=nothing | {"test_accuracy": 0.9})
    rows = compare(Results([run]), [], MARGINS)["utility"]
    assert set(rows["quantity"]) == {"test_accuracy"}


@pytest.fixture(scope="module")
def judged(study, tmp_path_factory):
    output = tmp_path_factory.mktemp("judged")
    runs = [run_folder(study, *key, seeds[0]) for key, seeds in RUNS.items()]
    judge_study(runs, [agreement_folder(study)], MARGINS, output)
    return output


def test_a_study_is_judged_whole(judged):
    made = {"verdict", "claims", *(f"published-{name}" for name in names())}
    assert {path.stem for path in judged.iterdir()} == made
    assert {path.suffix for path in judged.iterdir()} == {".csv", ".md", ".tex", ".html"}
    verdict = pd.read_csv(judged / "verdict.csv").set_index("table")
    assert (verdict[["agrees", "differs", "cannot tell"]] == 0).all(axis=None)
    assert verdict.loc["utility", "not comparable"] == 50
    claims = pd.read_csv(judged / "claims.csv")
    assert set(claims["verdict"]) <= {"holds", "does not hold", "cannot tell"}
    by = claims.set_index(["claim", "part"])["verdict"]
    assert by["AOF cuts the TPR", "direction"] == "holds"  # as the made-up study was made
    for path in judged.glob("*.md"):
        lines = [line for line in path.read_text().splitlines() if line.startswith("|")]
        assert len(lines) == 2 + len(pd.read_csv(path.with_suffix(".csv")))


def test_the_same_results_give_the_same_bytes(judged, study, tmp_path):
    runs = [run_folder(study, *key, seeds[0]) for key, seeds in RUNS.items()]
    judge_study(runs, [agreement_folder(study)], MARGINS, tmp_path)
    for path in judged.iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes(), path.name

"""The paper's claims on rates, on made-up results for which the verdict is known."""

import numpy as np
import pandas as pd
import pytest
from paper_results import RATES, summary_row, write_rows, write_run

from lira.config.margins import Margins
from lira.paper import on_fit, on_rates
from lira.paper.claims import compare_tables
from lira.paper.published import published
from lira.paper.results import BENCHMARKS, Results

MARGINS = Margins().model_dump()
LIRA = ("online", "online_fixed", "offline", "offline_fixed")


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


def of_attack(*tprs):
    rates = [("online", "target", fpr, "tpr", np.nan, tpr, 0.1) for fpr, tpr in zip((1e-5, 1e-3), tprs, strict=True)]
    return [*rates, ("online", "target", np.nan, "auc", np.nan, 60, 0.1)]


def test_reductions(tmp_path):
    results = benchmarks(tmp_path, {"baseline": 10.0, "aof": 10 / 6.5, "tl": 11.0})
    rows = {(row["claim"], row["part"]): row for row in on_rates.judge_reductions(results, MARGINS)}
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
    assert {row["verdict"] for row in on_rates.judge_reductions(wide, MARGINS) if "direction" in row["part"]} == {
        "cannot tell"
    }


def test_the_direction_of_a_reduction_shows_the_mean_that_is_tested(tmp_path):
    write_run(tmp_path, "cifar10/resnet18/baseline", "resnet18", rates=of_attack(20.0, 20.0))
    write_run(tmp_path, "cifar10/resnet18/aof", "resnet18", rates=of_attack(10.0, 2.5))
    results = Results(sorted(tmp_path.glob("runs/*/*/*/seed42")))
    row = next(on_rates.judge_reductions(results, MARGINS))
    assert row["ours"] == pytest.approx(4.0)  # of 2 and 8, whose arithmetic mean is 5
    assert row["low"] < 4.0 < row["high"] and row["low"] * row["high"] == pytest.approx(16.0)


def test_the_papers_tables_give_the_reductions_that_were_worked_out_from_them():
    rows = published("optimistic").rows
    rows = rows[rows["attack"].isin(LIRA)].set_index("regime")[["reduction_at_fpr_1e-5", "reduction_at_fpr_1e-3"]]
    aof, tl = (rows.loc[regime].to_numpy() for regime in ("aof", "tl"))
    assert (round(np.mean(aof), 1), round(np.mean(tl))) == (7.0, 23)
    assert (aof.min(), aof.max(), tl.min(), tl.max()) == (2.4, 24.0, 0.4, 190.0)


def test_the_tables_are_averaged_over_the_cells_that_the_study_has(tmp_path):
    for name, dataset in (("ours", "cifar10"), ("other", "digits")):
        for regime, tpr in (("baseline", 10.0), ("aof", 5.0)):
            write_run(tmp_path / name, f"{dataset}/resnet18/{regime}", "resnet18", rates=of_attack(tpr, tpr))
    rows = published("optimistic").rows.set_index(["dataset", "regime", "attack"])
    cells = rows.loc["cifar10", "aof", "online"][["reduction_at_fpr_1e-5", "reduction_at_fpr_1e-3"]]
    found = {}
    for name in ("ours", "other"):
        results = Results(sorted((tmp_path / name).glob("runs/*/*/*/seed42")))
        found[name] = {row["part"]: row for row in on_rates.judge_reductions(results, MARGINS)}["size, the tables'"]
    assert found["ours"]["stated"] == pytest.approx(cells.mean())
    assert found["other"]["verdict"] == "cannot tell" and np.isnan(found["other"]["stated"])


def reductions_of(folder, aof, network="resnet18", **options):
    """AOF's lines, of a baseline with a TPR of 10 % at both FPRs; the smaller one is not resolved."""
    for regime, tprs in (("baseline", (10.0, 10.0)), ("aof", aof)):
        rates = [(*rate, "TPR at 0 FP" * (rate[2] == 1e-5)) for rate in of_attack(*tprs)]
        write_run(folder, f"cifar10/resnet18/{regime}", network, rates=rates, **options)
    results = Results(sorted(folder.glob("runs/*/*/*/seed42")))
    return {row["part"]: row for row in on_rates.judge_reductions(results, MARGINS) if row["claim"].startswith("AOF")}


@pytest.mark.parametrize(
    ("options", "said"),
    [({"models": 64}, "64 shadow models"), ({"network": "wrn28_2"}, "architecture resnet18")],
)
def test_reductions_of_what_is_not_comparable_have_no_size_as_the_tables(tmp_path, options, said):
    size = reductions_of(tmp_path, (5.0, 5.0), **options)["size, the tables'"]
    assert size["verdict"] == "cannot tell" and np.isnan(size["ours"])
    assert size["numbers"] == f"no cell as in the paper's tables; left out: 2 cells ({said})"


def test_reductions_at_the_floor_of_another_pool_are_left_out_of_the_size_as_the_tables(tmp_path):
    size = reductions_of(tmp_path, (1.0, 2.5), pool=50_000)["size, the tables'"]
    assert (size["ours"], size["stated"], size["verdict"]) == (pytest.approx(4.0), 3.8, "holds")
    floor = "FPR floor: zero false positives in pools of different sizes"
    assert f"over 1 cells of the tables, their range there 3.8–3.8×; left out: 1 cells ({floor})" in size["numbers"]
    both = reductions_of(tmp_path / "same", (1.0, 2.5))["size, the tables'"]
    assert (both["ours"], both["stated"]) == pytest.approx((7.0, 9.9))


def test_the_size_as_the_tables_counts_the_error_of_the_tables(tmp_path):
    size = reductions_of(tmp_path, (1.0, 2.5), pool=50_000)["size, the tables'"]
    error = 3.8 * np.hypot(0.555 / 10.268, 0.683 / 2.723) / 16
    assert f"stated 3.8, its standard error {error:.2g}, margin ±0.95" in size["numbers"]


def test_cells_without_a_reduction_say_why(tmp_path):
    said = reductions_of(tmp_path / "zero", (0.0, 2.5))["direction"]["numbers"]
    assert said.endswith("; left out: 1 cells (TPR of 0 after AOF, so that the reduction is understated)")
    said = reductions_of(tmp_path / "error", (np.nan, 2.5))["direction"]["numbers"]
    assert said.endswith("; left out: 1 cells (no known error)")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"models": 64}, "64 shadow models"),
        ({"network": "wrn28_2"}, "architecture resnet18"),
        ({"pool": 50_000}, "FPR floor: zero false positives in pools of different sizes"),
    ],
)
def test_the_ppv_of_what_is_not_comparable_has_no_size(tmp_path, options, said):
    rates = [("online", mode, 1e-5, "ppv", 0.01, 90.0, 1.0, "TPR at 0 FP") for mode in ("target", "shadow")]
    run = write_run(tmp_path, "cifar10/resnet18/baseline", **{"network": "resnet18"} | options, rates=rates)
    size = {row["part"]: row for row in on_rates.judge_precision(Results([run]), MARGINS)}["size, the tables'"]
    assert size["verdict"] == "cannot tell"
    assert size["numbers"] == f"no run as in the paper's tables at 0.001 % FPR; left out: 1 runs ({said})"


@pytest.mark.parametrize(
    ("target", "shadow", "verdict"),
    [(90.0, 60.0, "holds"), (60.0, 90.0, "does not hold"), (80.0, 80.0, "cannot tell"), (100.0, 60.0, "cannot tell")],
)
def test_shadow_thresholds_cut_the_ppv_at_the_same_prior(tmp_path, target, shadow, verdict):
    pairs = ((0.01, target), (0.5, 100.0))
    rates = [("online", "target", 1e-5, "ppv_pooled", prior, ppv, 0) for prior, ppv in pairs]
    rates += [("online", "shadow", 1e-5, "ppv_pooled", 0.01, shadow, 1.0)]
    rates += [("online", mode, 1e-5, "ppv", 0.01, ppv, 1.0) for mode, ppv in (("target", 90.0), ("shadow", 93.0))]
    run = write_run(tmp_path, "cifar10/resnet18/baseline", "resnet18", rates=rates)
    rows = {row["part"]: row for row in on_rates.judge_precision(Results([run]), MARGINS)}
    direction = rows["direction, 0.001 % FPR"]
    assert direction["verdict"] == verdict
    assert target == 100 or direction["low"] < target - shadow < direction["high"]
    floor = f"{int(target == 100)} of 1 runs cannot tell: no false positive at target thresholds"
    assert direction["numbers"].endswith(floor)
    assert rows["size, the tables'"]["stated"] == pytest.approx(100 - 94.73)  # of CIFAR-10 baseline alone
    assert rows["size, the tables'"]["ours"] == pytest.approx(100 - 93)  # the means over targets, as published
    assert f"of all targets' counts together {100 - shadow:.1f} points" in rows["size, the tables'"]["numbers"]
    assert f"stated 5.27, its standard error {6.10 / 16:.2g}, margin ±5" in rows["size, the tables'"]["numbers"]


def test_the_fall_of_the_ppv_is_the_mean_of_each_runs_own(tmp_path):
    runs = []
    for regime, shadow in (("baseline", 60.0), ("aof", 80.0)):
        rates = [
            ("online", "target", 1e-5, "ppv_pooled", 0.01, 90.0, 1.0),
            ("online", "shadow", 1e-5, "ppv_pooled", 0.01, shadow, 1.0),
        ]
        runs.append(write_run(tmp_path, f"digits/fcn/{regime}", "fcn", rates=rates))
    rows = {row["part"]: row for row in on_rates.judge_precision(Results(runs), MARGINS)}
    direction = rows["direction, 0.001 % FPR"]
    assert direction["ours"] == pytest.approx((30 + 10) / 2)
    assert direction["numbers"].startswith("20.0 points lower than with target thresholds, mean of 2 runs, lower in 2")


def test_the_ppv_of_a_study_without_the_papers_data_has_no_size(tmp_path):
    at_two_fprs = {1e-5: (90.0, 60.0), 1e-2: (100.0, 60.0)}
    rates = [
        ("online", mode, fpr, "ppv_pooled", 0.01, ppv, 1.0)
        for fpr, ppvs in at_two_fprs.items()
        for mode, ppv in zip(("target", "shadow"), ppvs, strict=True)
    ]
    run = write_run(tmp_path, "digits/fcn/baseline", "fcn", rates=rates)
    verdicts = {row["part"]: row["verdict"] for row in on_rates.judge_precision(Results([run]), MARGINS)}
    expected = {"direction, 0.001 % FPR": "holds", "direction, 1 % FPR": "cannot tell"}
    assert verdicts == expected | {"size, the tables'": "cannot tell"}


def of_counts(run, counts, negatives=30_000):
    """FPR′ of targets with these false positives."""
    shares, target = 100 * np.asarray(counts) / negatives, int(np.argmax(counts))
    moved = shares.mean() - np.delete(shares, target).mean()
    row = summary_row("online", "shadow", 1e-5, "fpr_achieved", np.nan, shares.mean(), 0.01, influence=moved,
                      target=target, models=len(counts))  # fmt: skip
    write_rows(run / "summary.csv", [row | {"expected_fp": 1e-5 * negatives}])
    line = on_rates.judge_single_target(Results([run]))
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
        write_rows(run / "summary.csv", [row])
        line = on_rates.judge_single_target(Results([run]))
        assert line["verdict"] == verdict and "target 77 of cifar10/resnet18/aof, online" in line["numbers"]
        assert line["ours"] == pytest.approx(influence / 0.033)
    write_run(tmp_path, "cifar10/resnet18/aof", "resnet18", rates=RATES)
    line = on_rates.judge_single_target(Results([run]))
    assert line["verdict"] == "cannot tell"


def test_the_loss_ratio_claim(tmp_path):
    runs = []
    for number, ratio in enumerate(np.geomspace(1.05, 100, 12)):
        utility = {"train_loss": 0.4 / ratio, "test_loss": 0.4}
        tpr = 4.39 * np.log10(ratio) + 0.72 + (-1) ** number
        rates = [("online", "target", 1e-3, "tpr", np.nan, tpr, 0.02)]
        key = f"cifar10/resnet18/recipe{number}"
        runs.append(write_run(tmp_path, key, "resnet18", utility=utility, rates=rates))
    rows = {row["part"]: row["verdict"] for row in on_fit.judge_fit(Results(runs), MARGINS)}
    assert rows["direction"] == "holds"
    rows = compare_tables(Results(runs), [], MARGINS)["loss_ratio"].set_index("quantity")
    assert set(rows["label"]) == {"12 runs (published 49)"}
    assert rows.loc["slope", "verdict"] == "cannot tell"
    for few in (2, 3, 9):
        (row,) = on_fit.judge_fit(Results(runs[:few]), MARGINS)
        assert row["verdict"] == "cannot tell" and row["numbers"] == f"{few} runs are too few, it needs 10"


def of_points(folder, ratios, tprs, **options):
    """Runs of the paper's recipe with these loss ratios and TPRs."""
    runs = []
    for number, (ratio, tpr) in enumerate(zip(ratios, tprs, strict=True)):
        utility = {"train_loss": 0.4 / ratio, "test_loss": 0.4}
        rates = [("online", "target", 1e-3, "tpr", np.nan, tpr, 0.02)]
        key = f"cifar10/resnet18/recipe{number}"
        runs.append(write_run(folder, key, "resnet18", utility=utility, rates=rates, **options))
    return Results(runs)


def test_the_published_points_themselves_carry_too_little_for_the_margins(tmp_path, request):
    page = (request.config.rootpath / "docs" / "tables-and-figures.md").read_text()
    points = published("loss_ratio").rows
    results = of_points(tmp_path, points["loss_ratio"], points["tpr_at_fpr_1e-3_online"])
    rows = compare_tables(results, [], MARGINS)["loss_ratio"].set_index("quantity")
    claims = {row["part"]: row for row in on_fit.judge_fit(results, MARGINS)}
    for name, carried in {"r": "0.12", "ρ": "0.19", "slope": "2.2", "intercept": "0.63", "R²": "0.17"}.items():
        said = f"the 49 published points carry no more than ±{carried}"
        assert tuple(rows.loc[name, ["verdict", "reason"]]) == ("cannot tell", said)
        assert f"{name} to ±{carried}" in page
        assert claims[f"size, {name}"]["verdict"] == "cannot tell" and said in claims[f"size, {name}"]["numbers"]
    wide = MARGINS | {"correlation": 0.5, "explained": 0.5, "fit": 5.0}
    assert set(compare_tables(results, [], wide)["loss_ratio"]["verdict"]) == {"agrees"}
    sizes = [row for row in on_fit.judge_fit(results, wide) if row["part"].startswith("size")]
    assert {row["verdict"] for row in sizes} == {"holds"} and not any("carry" in row["numbers"] for row in sizes)


def test_the_sizes_of_the_fit_are_over_comparable_runs_with_the_error_of_the_published_points(tmp_path):
    points = published("loss_ratio").rows.iloc[:20]
    line = points["loss_ratio"], 10 - 2 * np.log10(points["loss_ratio"])
    falling = of_points(tmp_path / "many", *line)
    rows = {row["part"]: row for row in on_fit.judge_fit(falling, MARGINS)}
    assert rows["direction"]["verdict"] == rows["size, r"]["verdict"] == "does not hold"
    assert "standard error 0.074" in rows["size, r"]["numbers"]
    few = of_points(tmp_path / "few", *line, models=64)
    rows = {row["part"]: row for row in on_fit.judge_fit(few, MARGINS)}
    assert rows["direction"]["verdict"] == "does not hold" and rows["size"]["verdict"] == "cannot tell"
    assert rows["size"]["numbers"].startswith("0 runs of the paper's data") and len(rows) == 2


def test_the_fit_is_over_runs_of_the_papers_data_and_left_out_without_its_fpr(tmp_path):
    def write(key, ratio, fpr=1e-3):
        utility = {"train_loss": 0.4 / ratio, "test_loss": 0.4}
        rates = [("online", "target", fpr, "tpr", np.nan, 4.39 * np.log10(ratio) + 0.72, 0.02)]
        return write_run(tmp_path, key, "resnet18", utility=utility, rates=rates)

    ratios = np.geomspace(1.05, 100, 10)
    runs = [write(f"cifar10/resnet18/recipe{number}", ratio) for number, ratio in enumerate(ratios)]
    alone = compare_tables(Results(runs), [], MARGINS)["loss_ratio"]
    among = compare_tables(Results([*runs, write("digits/resnet18/baseline", 1e4)]), [], MARGINS)["loss_ratio"]
    pd.testing.assert_frame_equal(alone, among)
    others = [write(f"cifar10/resnet18/other{number}", ratio, 1e-2) for number, ratio in enumerate(ratios)]
    assert compare_tables(Results(others), [], MARGINS)["loss_ratio"].empty

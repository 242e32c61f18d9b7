"""Verdicts on made-up results for which they are known, one of each kind."""

import numpy as np
import pytest
from paper_results import AOF, RATES, write_run

from lira.config.margins import Margins
from lira.paper.claims import compare_tables
from lira.paper.comparison import Number, judge_number
from lira.paper.equivalence import Estimate
from lira.paper.results import BENCHMARKS, Benchmark, Results, estimate

MARGINS = Margins().model_dump()


def test_margins_are_shares_or_points():
    share = judge_number(Number("TPR", "tpr", Estimate(10, 0.1), Estimate(11, 0.1)), MARGINS)
    points = judge_number(Number("AUC", "auc", Estimate(60, 0.1), Estimate(61, 0.1)), MARGINS)
    assert (share["margin"], share["verdict"]) == (2.0, "agrees")
    assert (points["margin"], points["verdict"]) == (1.0, "cannot tell")
    tight = judge_number(Number("TPR", "tpr", Estimate(10, 0.1), Estimate(11, 0.1)), MARGINS | {"tpr": 0.05})
    assert tight["verdict"] == "differs"
    unknown = judge_number(Number("loss", "loss", Estimate(1, np.nan), Estimate(1.01, 0.01)), MARGINS)
    assert unknown["difference_high"] - unknown["difference"] == pytest.approx(1.645 * 0.01 * 2**0.5, rel=1e-3)


def test_the_error_of_a_rate_near_its_end_is_not_that_of_the_cut_interval(tmp_path):
    rates = [("online", "target", 1e-3, "tpr", np.nan, 0.1, 0.4)]
    run = Benchmark(write_run(tmp_path, "cifar10/resnet18/baseline", "resnet18", rates=rates))
    found = run.rates.find("online", "target", 1e-3, "tpr")
    assert found["low"] == 0
    assert estimate(found) == pytest.approx((0.1, 0.4))


def compared(folder, name, **options):
    run = write_run(folder, "cifar10/resnet18/baseline", "resnet18", rates=RATES, **options)
    return compare_tables(Results([run]), [], MARGINS)[name]


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
    rows = compare_tables(Results([run]), [], MARGINS)["optimistic"]
    assert set(rows["verdict"]) == {"not comparable"} and set(rows["reason"]) == {reason}
    assert rows["difference"].isna().all() and not rows["ours"].isna().all()


def test_another_dataset_stands_beside_the_published_numbers(tmp_path):
    run = write_run(tmp_path, "digits/fcn/baseline", "other", rates=RATES, models=64)
    tables = compare_tables(Results([run]), [], MARGINS)
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
    tables = compare_tables(Results([run]), [], MARGINS)
    found = tables["utility"].set_index("quantity")["verdict"]
    assert (found["train_loss"], found["train_accuracy"], found["test_accuracy"]) == ("agrees", "agrees", "differs")
    found = tables["calibrated"].set_index("quantity")["verdict"]
    assert dict(found) == {"TPR′, 0.001 % FPR": "agrees", "PPV at π = 1 %, 0.001 % FPR": "differs"}


def test_ablation_rows_are_found_by_their_recipe(tmp_path):
    recipe = {"augment": ["crop", "flip", "cutout"], "dropout": 0.25}
    rates = [("online_fixed", "target", 1e-3, "tpr", np.nan, 2.24, 0.02)]
    run = write_run(tmp_path, "cifar10/wrn28_2/any_name", "wrn28_2", rates=rates, recipe=recipe)
    rows = compare_tables(Results([run]), [], MARGINS)["ablation"]
    assert rows.set_index("quantity").loc["TPR, 0.1 % FPR", ["published", "verdict"]].tolist() == [2.24, "agrees"]
    assert rows.set_index("quantity").loc["train_loss", "published"] == 0.0777


def test_of_two_runs_of_an_ablation_row_the_one_that_pads_as_published_is_compared(tmp_path):
    recipe = AOF | {"crop_padding": "zeros"}
    other = write_run(tmp_path, "cifar10/wrn28_2/aof", "wrn28_2", utility={"train_loss": 9.0}, recipe=recipe)
    run = write_run(tmp_path, "cifar10/wrn28_2/row19", "wrn28_2", utility={"train_loss": 0.1}, recipe=AOF)
    rows = compare_tables(Results([other, run]), [], MARGINS)["ablation"]
    assert set(rows["regime"]) == {"row19"}


@pytest.mark.parametrize("unsaid", ["augment", "dropout", "weight_decay"])
def test_imported_scores_that_do_not_say_their_whole_recipe_are_no_ablation_row(tmp_path, unsaid):
    run = write_run(tmp_path, "cifar10/wrn28_2/any_name", "wrn28_2", recipe={unsaid: None})
    assert compare_tables(Results([run]), [], MARGINS)["ablation"].empty


def test_imported_scores_without_a_utility_have_no_row_of_it(tmp_path):
    nothing = dict.fromkeys(("train_loss", "test_loss", "train_accuracy", "test_accuracy"), np.nan)
    run = write_run(tmp_path, "cifar10/resnet18/baseline", "resnet18", utility=nothing | {"test_accuracy": 0.9})
    rows = compare_tables(Results([run]), [], MARGINS)["utility"]
    assert set(rows["quantity"]) == {"test_accuracy"}

"""Agreement of made-up sets, published against reproduced, and the paper's claims on it."""

import numpy as np
import pytest
from paper_results import AOF, random_sets, write_sets

from lira.config.margins import Margins
from lira.paper.claims import compare_tables, on_sets
from lira.paper.on_sets import Sets
from lira.paper.results import Results

MARGINS = Margins().model_dump()


def sets_of(folder, *arguments, **options):
    return Sets(write_sets(folder, *arguments, **options))


def test_published_agreement(tmp_path):
    """Twelve runs whose sets share 56 % of 2,167 samples in pairs, and a variant of the paper's recipe."""
    share = 2 * 0.56 / 1.56  # of the same base
    base = round(837 / share**2)
    reference, variant = random_sets(12, 4000, base, share), random_sets(1, 4000, base, share, seed=5)
    recipes = [("resnet18", {"batch_size": 512, "dropout": 0.2})]
    sets = sets_of(tmp_path, reference, variant, recipes=recipes, pool=50_000)
    tables = compare_tables(Results([sets.first.folder]), [sets], MARGINS)
    found = tables["support"].set_index(["runs", "support", "quantity"])
    assert found.loc[(2, 1, "Jaccard (%)"), "verdict"] == "agrees"
    assert found.loc[(5, 1, "Union"), "verdict"] == "differs"
    assert found.loc[(2, 64, "Jaccard (%)"), "verdict"] == "cannot tell"  # no sample is detected so often
    assert set(tables["support"]["label"]) == {"12 runs (published 5), pool 50,000 (published 60,000)"}
    assert set(tables["agreement"]["scenario"]) == {"Identical (2-5 seeds)", "+1 different (BS=512, DRP=20%)"}
    claims = {
        row["part"]: row["verdict"] for row in on_sets.judge_agreement(sets, MARGINS) if "Identical" in row["claim"]
    }
    assert claims["size, 2 runs"] == "holds"


def test_all_runs_combined_have_no_error_between_them(tmp_path):
    sets = sets_of(tmp_path, random_sets(5))
    rows = compare_tables(Results([sets.first.folder]), [sets], MARGINS)["support"]
    rows = rows[(rows["support"] == 1) & (rows["quantity"] == "Jaccard (%)")].set_index("runs")
    assert rows.loc[5, "verdict"] == "cannot tell"
    assert rows.loc[5, "reason"] == "no error between runs: 5 of them are combined"


UNSAID = {"augment": None, "dropout": None, "weight_decay": None}


@pytest.mark.parametrize(
    ("recipe", "verdicts"),
    [
        ({}, {"not comparable"}),
        (AOF | {"dropout": None}, {"not comparable"}),
        (UNSAID, {"differs", "cannot tell"}),
        (AOF, {"differs", "cannot tell"}),
    ],
)
def test_only_runs_of_aof_are_comparable_with_the_published_sets(tmp_path, recipe, verdicts):
    sets = sets_of(tmp_path, random_sets(6), recipe=recipe)
    tables = compare_tables(Results([sets.first.folder]), [sets], MARGINS)
    for name in ("support", "agreement"):
        assert set(tables[name]["verdict"]) <= verdicts
    if verdicts == {"not comparable"}:
        assert set(tables["support"]["reason"]) == {"recipe other than aof"}


def test_three_configurations(tmp_path):
    few, many = random_sets(6, share=0.4), random_sets(4, share=0.4, seed=9)
    rows = {row["part"]: row for row in on_sets.judge_agreement(sets_of(tmp_path / "a", few, many), MARGINS)}
    assert (rows["direction"]["verdict"], rows["size"]["verdict"]) == ("holds", "holds")
    same = random_sets(6, share=0.97)
    rows = {row["part"]: row for row in on_sets.judge_agreement(sets_of(tmp_path / "b", same, same[:4]), MARGINS)}
    assert (rows["direction"]["verdict"], rows["size"]["verdict"]) == ("does not hold", "does not hold")
    assert rows["size, 5 runs"]["verdict"] == "does not hold"
    rows = {row["part"]: row for row in on_sets.judge_agreement(sets_of(tmp_path / "c", few[:3], many), MARGINS)}
    assert {rows[part]["verdict"] for part in ("direction", "size", "size, 5 runs")} == {"cannot tell"}
    assert rows["size"]["numbers"].startswith("needs 5 runs and 3 variants, there are 3 and 3")
    whole = on_sets.judge_agreement(sets_of(tmp_path / "d", same[:5], same[:3]), MARGINS)
    verdicts = {row["part"]: row["verdict"] for row in whole}  # no run is left to tell how much another choice matters
    assert {verdicts[part] for part in ("direction", "size", "size, 5 runs")} == {"cannot tell"}


def test_a_single_run_that_makes_the_agreement_low_is_found(tmp_path):
    reference = random_sets(5, 10_000, 1000, 0.9)
    row = on_sets.judge_single_run(sets_of(tmp_path / "clean", reference))
    assert row["verdict"] == "does not hold"
    reference[3, 2000:4300] = True  # 2,300 one-off detections
    row = on_sets.judge_single_run(sets_of(tmp_path / "broken", reference))
    assert row["verdict"] == "holds" and row["ours"] > 1.5
    assert "without seed 3" in row["numbers"] and "2300 samples" in row["numbers"]
    row = on_sets.judge_single_run(sets_of(tmp_path / "few", reference[:2]))
    assert row["verdict"] == "cannot tell"


def disjoint(*sizes, common=0, samples=4000):
    """Sets that share the first ``common`` samples and no other."""
    sets, start = np.zeros((len(sizes), samples), bool), common
    sets[:, :common] = True
    for flagged, size in zip(sets, sizes, strict=True):
        flagged[start : start + size] = True
        start += size
    return sets


def test_runs_that_agree_in_nothing_cannot_tell_whether_one_of_them_makes_it_so(tmp_path):
    row = on_sets.judge_single_run(sets_of(tmp_path / "none", disjoint(300, 10, 12)))
    assert row["verdict"] == "cannot tell" and np.isnan(row["ours"])
    assert row["numbers"].startswith("Jaccard of the others 0.0 % without seed 0, 0.0 % without another: no ratio")
    two = disjoint(300, 10, 12)
    two[1] = two[2]  # which agree whole, and with the first in nothing
    row = on_sets.judge_single_run(sets_of(tmp_path / "two", two))
    assert row["verdict"] == "cannot tell" and "100.0 % without seed 0, 0.0 % without another" in row["numbers"]


def test_a_single_run_is_told_by_the_interval_over_samples(tmp_path):
    found = {}
    for times in (1, 100):  # the same shares of few samples and of many
        sets = disjoint(9 * times, times, times, common=10 * times)
        found[times] = on_sets.judge_single_run(sets_of(tmp_path / str(times), sets))
    few, many = found[1], found[100]
    assert few["ours"] == many["ours"] == pytest.approx((10 / 12) / (10 / 20))
    assert few["low"] < 1.5 < few["high"] and few["verdict"] == "cannot tell"
    assert 1.5 < many["low"] < many["ours"] < many["high"] and many["verdict"] == "holds"


@pytest.mark.parametrize("models", [256, 64])
def test_sizes_of_the_agreement_are_those_of_the_tables(tmp_path, models):
    """One verdict and one error for a number, here and where the tables are compared."""
    sets = sets_of(tmp_path, random_sets(6, share=0.75), models=models)
    rows = compare_tables(Results([sets.first.folder]), [sets], MARGINS)["support"]
    row = rows[(rows["support"] == 1) & (rows["runs"] == 2) & (rows["quantity"] == "Jaccard (%)")].iloc[0]
    claim = next(row for row in on_sets.judge_agreement(sets, MARGINS) if row["part"] == "size, 2 runs")
    if models == 256:
        assert f"its standard error {row['published_error']:.2g}," in claim["numbers"]
        assert claim["verdict"] == {"agrees": "holds", "differs": "does not hold"}.get(row["verdict"], row["verdict"])
    else:
        assert (row["verdict"], claim["verdict"]) == ("not comparable", "cannot tell")
        assert claim["numbers"].endswith("not comparable: 64 shadow models")


VARIANTS = {  # what a variant of the paper is told by, in the order of its figure
    "BS=512, DRP=20%": ("resnet18", {"batch_size": 512, "dropout": 0.2}),
    "DRP=25%, WD=3e-3": ("resnet18", {"dropout": 0.25, "weight_decay": 3e-3}),
    "TL": ("efficientnetv2_s", {"start": "pretrained"}),
    "Arch": ("wrn28_2", {}),
}


def agreement_with(folder, *variants):
    """Rows of Figure 2 at the largest number of runs, by scenario, of six runs and the given variants."""
    sets = sets_of(folder, random_sets(6), random_sets(len(variants), seed=1), recipes=variants)
    rows = compare_tables(Results([sets.first.folder]), [sets], MARGINS)["agreement"]
    return rows[rows["quantity"] == "Jaccard (%)"].drop_duplicates("scenario", keep="last").set_index("scenario")


def test_variants_are_those_of_the_paper_by_recipe_and_network(tmp_path):
    rows = agreement_with(tmp_path, *VARIANTS.values())
    assert set(rows.index) == {"Identical (2-5 seeds)", "+2 different", "+3 different"} | {
        f"+1 different ({name})" for name in VARIANTS
    }
    assert set(rows["verdict"]) <= {"differs", "cannot tell"}
    assert not rows["label"].str.contains("variants").any()


def test_a_variant_of_another_network_is_not_comparable(tmp_path):
    given = VARIANTS | {"TL": ("resnet18_imagenet", {"start": "pretrained"})}
    rows = agreement_with(tmp_path, *given.values())
    alone = ["+1 different (TL)", "+2 different", "+3 different"]
    assert set(rows.loc[alone, "verdict"]) == {"not comparable"}
    assert set(rows.loc[alone, "reason"]) == {"architecture resnet18_imagenet of a variant"}
    assert rows["ours"].drop(alone).notna().all() and rows.loc[alone, "ours"].isna().all()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"recipes": [*list(VARIANTS.values())[:2], ("wrn28_2", {"start": "pretrained"})]}, "of a variant"),
        ({"fpr": 1e-2}, "not comparable: 1 % FPR"),
    ],
)
def test_what_the_papers_figure_has_no_counterpart_of_has_no_size(tmp_path, options, said):
    sets = sets_of(tmp_path, random_sets(6), random_sets(3, seed=1), **options)
    rows = {row["part"]: row for row in on_sets.judge_agreement(sets, MARGINS)}
    assert rows["size"]["verdict"] == "cannot tell" and rows["size"]["numbers"].endswith(said)
    assert rows["direction"]["verdict"] == "does not hold"
    assert ("not comparable" in rows["size, 2 runs"]["numbers"]) == ("fpr" in options)


def test_other_variants_than_the_papers_are_compared_and_labelled(tmp_path):
    rows = agreement_with(tmp_path, VARIANTS["Arch"], ("resnet18", {"dropout": 0.15}))
    assert set(rows.index) == {"Identical (2-5 seeds)", "+1 different (Arch)", "+2 different"}
    assert "variants other than published" in rows.loc["+2 different", "label"]
    assert "variants" not in rows.loc["+1 different (Arch)", "label"]
    assert rows["ours"].notna().all()

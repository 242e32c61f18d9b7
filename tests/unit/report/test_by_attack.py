"""A study that counts and ranks its records by several attacks."""

import numpy as np
import pandas as pd
import pytest
from synthetic_study import FPRS, agreement_folder, data_file, make_study, run_folder

from lira.config import load_study
from lira.core.errors import ConfigError
from lira.evaluation.calibration import thresholds_of
from lira.evaluation.detections import count_detections
from lira.evaluation.ranks import measure_ranks, vulnerability
from lira.evaluation.records import cards
from lira.pages import Pages
from lira.report.catalogue import entries
from lira.report.make import make
from lira.report.plot import plot
from lira.storage.comparison import Comparison
from lira.storage.run import Run, counted_attacks
from lira.storage.specs import asked
from lira.workflow import Plan

FIGURES = [entry.name for entry in entries() if entry.by_attack and entry.kind == "figures"]
STUDY = {
    "study": "s",
    "shadow_models": 4,
    "attacks": ["online", "rmia", {"mine": "m:f"}],
    "runs": {"d/a/r": {"scores": "x{seed}.npz"}},
    "seeds": [0, 1],
    "agreement": {"d/a/r": []},
}


@pytest.fixture(scope="module")
def by_two(tmp_path_factory):
    return make_study(tmp_path_factory.mktemp("by_two"), models=8, samples=90, vulnerability=["rmia", "online"])


def test_counts_are_those_of_each_attack(by_two):
    run = Run(run_folder(by_two, "fcn", "aof"))
    assert run.attacks == ["rmia", "online"] and run.attack == "online"
    with run.scores() as file:
        member, scores = file["member"][:], {name: file[name][:] for name in run.attacks}
    metrics = run.table("metrics.csv")
    for name, values in scores.items():
        expected = count_detections(values, member, thresholds_of(metrics, name, FPRS[1]))
        found = run.counts(FPRS[1], name)
        for column in expected:
            np.testing.assert_array_equal(found[column], expected[column])
        assert set(run.table("null_samples.csv")["attack"]) == {*run.attacks}
        gaps = run.by_attack(run.table("null_gaps.csv"), name)
        assert len(gaps) == 90 and gaps["sample"].is_unique
    pd.testing.assert_frame_equal(run.counts(FPRS[1]), run.counts(FPRS[1], "online"))
    calibrated = run.table("record_calibration.csv")
    assert list(calibrated["attack"].unique()) == ["rmia", "online"]
    with pytest.raises(ConfigError, match="attack is 'base': allowed are 'rmia' and 'online'"):
        run.counts(FPRS[1], "base")


def test_without_a_choice_files_have_no_such_column(study):
    run = Run(run_folder(study, "fcn", "aof"))
    assert "attack" not in run.table("samples.csv") and run.attacks == ["online"]
    with pytest.raises(ConfigError, match="attack is 'rmia': allowed is 'online'"):
        run.counts(FPRS[1], "rmia")


def test_ranks_are_those_of_each_attack(by_two, tmp_path):
    comparison = Comparison(agreement_folder(by_two))
    measure_ranks([run.folder for run in comparison.reference.values()], tmp_path)
    for name in ("spearman", "topq", "topq_all", "displacement", "rank_bins", "top1"):
        alone = pd.read_csv(tmp_path / f"{name}.csv")
        both = comparison.table(f"{name}.csv").drop(columns="attack").reset_index(drop=True)
        pd.testing.assert_frame_equal(both, alone, check_dtype=False)
    top = comparison.table("top1.csv", "rmia").query("gap == 'median' and source == run")
    for row, run in zip(top.itertuples(), comparison.reference.values(), strict=True):
        with run.scores() as file:
            values = vulnerability(file["rmia"][:], file["member"][:], "median")
        assert (row.sample, row.vulnerability) == (values.argmax(), pytest.approx(values.max()))
    assert not comparison.table("agreement.csv").equals(comparison.table("agreement.csv", "rmia"))


@pytest.mark.parametrize("name", FIGURES)
def test_each_figure_of_a_comparison_is_drawn_by_another_attack(by_two, tmp_path, name):
    data = {"data": data_file(by_two)} if name in ("top1", "top_vulnerable") else {}
    written = [
        plot(name, [agreement_folder(by_two)], tmp_path / f"{name}{place}.pdf", attack=attack, **data)[1].read_bytes()
        for place, attack in enumerate(("rmia", None))
    ]
    assert written[0] != written[1]


def test_tables_and_cards_name_the_attack(by_two):
    made = make("tables", "rank_agreement", [agreement_folder(by_two)], {"attack": "rmia"})
    assert made.data["reference"].str.endswith("RMIA").all()
    runs = [Run(run_folder(by_two, "fcn", "aof", seed)) for seed in (0, 1)]
    rows = cards(runs, ["a", "b"], FPRS[1], 5, 1)
    assert list(zip(rows["run"], rows["attack"], strict=True)) == [
        *(("a", "rmia"), ("a", "online"), ("b", "rmia"), ("b", "online"))
    ]
    assert rows["tp"].tolist() == [run.counts(FPRS[1], name)["tp"][5] for run in runs for name in run.attacks]
    shown = make("tables", "records", [run.folder for run in runs], {"sample": 5})
    assert shown.text["Attack"].tolist() == ["RMIA", "LiRA (online)"] * 2


def test_a_study_asks_for_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plain = load_study(STUDY)
    assert asked(plain, "rates") == {"fprs": plain.fprs, "priors": plain.priors}
    chosen = load_study(STUDY | {"vulnerability": ["rmia", "online"], "support": [2]})
    assert asked(chosen, "rates") == asked(plain, "rates") | {"vulnerability": ["rmia", "online"], "support": [2]}
    names = {path.rpartition("/")[2] for path in Pages(Plan(chosen)).pages("figures")}
    assert {"displacement-d-a-r.pdf", "displacement-d-a-r@rmia.pdf"} <= names
    assert not any("@" in path for path in Pages(Plan(plain)).pages("figures"))
    for given, said in (
        ({"vulnerability": ["base"]}, "vulnerability: attack is 'base': allowed are 'online', 'rmia' and 'mine'"),
        ({"vulnerability": ["rmia", "rmia"]}, "vulnerability: 'rmia' is given more than once|rmia is given more"),
        ({"support": [0]}, "support"),
    ):
        with pytest.raises(ConfigError, match=said):
            load_study(STUDY | given)


def test_what_is_not_scored_is_left_out():
    assert counted_attacks(["offline", "rmia", "global", "member"], ["online", "rmia"]) == ["rmia"]
    assert counted_attacks(["offline", "rmia"], ["online"]) == ["offline"]


def test_the_table_of_stability_compares_attacks_over_seeds(by_two):
    made = make("tables", "stability", [agreement_folder(by_two)], {"fpr": FPRS[1]}).data
    assert list(zip(made["attack"], made["other"], strict=True)) == [
        *(("rmia", "rmia"), ("rmia", "online"), ("online", "online"))
    ]
    runs = [Run(run_folder(by_two, "fcn", "aof", seed)) for seed in (0, 1, 2)]
    sets = {name: [run.counts(FPRS[1], name)["tp"].to_numpy() > 0 for run in runs] for name in ("rmia", "online")}
    pairs = [(sets["rmia"][i], sets["online"][j]) for i in range(3) for j in range(3) if i != j]
    expected = np.mean([(one & other).sum() / (one | other).sum() for one, other in pairs])
    assert made["across"][1] == pytest.approx(expected)

"""Which tables and figures a study has, and what each is made from."""

import json
from pathlib import Path
from string import ascii_lowercase
from types import SimpleNamespace

import pytest
from paper_results import PUBLISHED

from lira.config import load_study, read_yaml
from lira.pages import Pages, rule_name
from lira.paper.published import published
from lira.report.catalogue import CATEGORIES, entries, entry_of
from lira.report.verdict_entries import VERDICT
from lira.storage.specs import asked
from lira.workflow import SO_FAR, Plan

BASELINE = {"dataset": "digits", "architecture": "fcn", "regime": "baseline", "scope": ""}
SHADOWS = [f"results/smoke/runs/digits/{run}/shadows.h5" for run in ("fcn/baseline/seed0", "fcn/baseline/seed1")]


def job(**wildcards):
    return SimpleNamespace(**({"attack": ""} | BASELINE | wildcards))


@pytest.fixture
def pages(request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Pages(Plan(load_study(read_yaml(request.config.rootpath / "studies" / "smoke.yaml"))))


def test_the_pages_of_the_smoke_study(pages):
    tables = {path.removeprefix("results/smoke/paper/tables/") for path in pages.pages("tables")}
    assert {"utility.html", "calibrated-fpr0.01.html", "calibrated-fpr0.1.html", "claims.html"} <= tables
    assert {"rank_agreement-digits-fcn-baseline.html", "answer.html", "records-digits-fcn.html"} <= tables
    assert not [name for name in tables if name.startswith(("published", "verdict"))]
    figures = [path.removeprefix("results/smoke/paper/figures/") for path in pages.pages("figures")]
    assert {"roc.pdf", "in_out-digits-fcn.pdf", "in_out-digits-resnet.pdf"} <= set(figures)
    assert {"top_vulnerable-digits-fcn-baseline-fpr0.01.pdf", "support-digits-fcn-baseline-fpr0.1.pdf"} <= set(figures)
    assert len(figures) == len(set(figures))


def test_every_file_of_a_table_or_figure_is_asked_for_so_that_a_deleted_one_is_made_again(pages):
    of = {kind: {path.rpartition("/")[2] for path in pages.pages(kind)} for kind in ("tables", "figures")}
    assert {"answer.csv", "answer.tex", "answer.md", "answer.html"} <= of["tables"]
    assert {"roc.pdf", "roc.png"} <= of["figures"]


def test_what_is_not_finished_has_no_page_so_far(pages):
    assert pages.pages("tables", SO_FAR) == [] and pages.pages("figures", SO_FAR) == []
    vars(pages.plan)["finished"] = {("digits/fcn/tl", 0)}
    tables = [path.removeprefix("results/smoke/so_far/paper/tables/") for path in pages.pages("tables", SO_FAR)]
    assert {"utility.html", "transfer.html", "claims.html"} <= set(tables)
    assert not [name for name in tables if name.startswith(("ablation", "rank_agreement"))]
    notes = pages.options(entry_of("tables", "utility"))(job(scope=SO_FAR))
    assert notes[0::2] == ["--note"] * 2 and "digits/fcn/baseline, seed 0, is not finished" in notes[1]


def test_every_seed_has_its_row_where_a_run_has_several_and_no_table_is_there_twice(pages):
    def shown(study):
        asked = (path.rpartition("/")[2] for path in Pages(Plan(study)).pages("tables"))
        return [name for name in asked if "_seeds" in name and name.endswith(".html")]

    own = ["calibrated_seeds-fpr0.01.html", "calibrated_seeds-fpr0.1.html", "optimistic_seeds.html"]
    assert sorted(shown(pages.study)) == own
    table = pages.inputs(entry_of("tables", "optimistic_seeds"))
    assert [path.split("digits/")[1] for path in table["shown"](job())] == [
        *("fcn/baseline/seed0/summary.csv", "fcn/baseline/seed1/summary.csv"),
        *("fcn/tl/seed0/summary.csv", "resnet/aof/seed0/summary.csv"),
    ]
    runs = {key: run.model_copy(update={"seeds": [0]}) for key, run in pages.study.runs.items()}
    assert shown(pages.study.model_copy(update={"runs": runs, "agreement": {}})) == []


def test_budgets_have_pages_where_the_study_asks_for_some(pages):
    def shown(study):
        of = Pages(Plan(study))
        asked = [path for kind in ("tables", "figures") for path in of.pages(kind)]
        return [path for path in asked if "budgets" in path and path.endswith((".html", ".pdf"))]

    assert shown(pages.study) == []
    asked = pages.study.model_copy(update={"budgets": [4]})
    at = "results/smoke/paper"
    assert shown(asked) == [
        *(f"{at}/tables/budgets-fpr{fpr}.html" for fpr in ("0.01", "0.1")),
        f"{at}/figures/budgets.pdf",
    ]


def test_every_name_that_a_page_may_have_is_one_that_its_rule_makes(pages):
    """The pattern of the rule, with the wildcards' values put in, gives the names that the targets ask for."""
    asked = {path.rpartition("/")[2].rpartition(".")[0] for kind in ("tables", "figures") for path in pages.pages(kind)}
    networks = [job(), job(architecture="resnet", regime="aof")]
    made = {
        pages.pattern(entry).format(**vars(wildcards), fpr=fpr)
        for entry in entries()
        for wildcards in networks
        for fpr in ("0.01", "0.1")
    }
    assert asked - {entry.name for entry in VERDICT} <= made


def test_inputs_of_each_kind(pages):
    table = pages.inputs(entry_of("tables", "calibrated"))
    assert [path.split("digits/")[1] for path in table["shown"](job())] == [
        "fcn/baseline/seed0/summary.csv",
        "fcn/tl/seed0/summary.csv",
        "resnet/aof/seed0/summary.csv",
    ]
    assert table["besides"](job())[0] == SHADOWS[0] and "samples" not in table
    every = pages.inputs(entry_of("tables", "provenance"))["shown"](job())
    assert every[:2] == SHADOWS and len(every) == 4
    network = pages.inputs(entry_of("figures", "in_out"))
    assert [path.split("digits/")[1] for path in network["shown"](job())] == [
        "fcn/baseline/seed0/scores.h5",
        "fcn/tl/seed0/scores.h5",
    ]
    assert network["samples"](job()) == ["results/smoke/data/digits-train-test100-public1497-split0.h5"]
    compared = pages.inputs(entry_of("figures", "rank_bins"))
    place = "results/smoke/agreement/digits/fcn/baseline"
    assert compared["shown"](job()) == [f"{place}/rank_bins.csv"]
    besides = compared["besides"](job())
    assert besides[:3] == [f"{place}/topq_all.csv", *SHADOWS] and f"{place}/runs.json" in besides
    assert {f"{path[:-10]}null_gaps.csv" for path in SHADOWS} <= set(besides)
    assert compared["shown"](job(scope=SO_FAR)) == [f"results/smoke/so_far/{place[14:]}/rank_bins.csv"]


def test_options_of_the_commands(pages):
    data = "results/smoke/data/digits-train-test100-public1497-split0.h5"
    assert pages.options(entry_of("figures", "in_out"))(job()) == ["--sample", "3", "--data", data]
    asked = pages.study.model_copy(update={"sample": [3, 8], "sample_attacks": ["offline"]})
    words = ["--sample", "3", "--sample", "8", "--attack", "offline", "--data", data]
    assert Pages(Plan(asked)).options(entry_of("figures", "in_out"))(job()) == words
    assert pages.options(entry_of("tables", "robustness"))(job(fpr="0.1")) == ["--fpr", "0.1"]
    assert pages.options(entry_of("tables", "utility"))(job()) == []


def test_the_verdict_depends_on_every_comparison(pages):
    inputs = pages.judged()
    assert inputs["agreement"](job()) == ["results/smoke/agreement/digits/fcn/baseline/agreement.csv"]
    assert len(inputs["runs"](job())) == 3
    besides = inputs["besides"](job())
    assert len(besides) == len(set(besides)) and {path[:-10] + "samples.csv" for path in SHADOWS} <= set(besides)
    assert pages.judged_options(job())[:1] == ["--margins"] and "--note" not in pages.judged_options(job())


def test_what_the_report_says(pages):
    support = entry_of("figures", "support")
    found = pages.labels(support)(job(fpr="0.01"))
    shown = "Figure 3, 9, 10, 12: Agreement by support; Digits FCN Baseline, seeds 0, 1; 1 % FPR"
    assert found.keys() == {"result"} and found["result"].endswith(f" · {shown}")
    assert pages.category("Agreement") == "7 Agreement" and rule_name(support) == "plot_support"
    labels = [pages.labels(entry)(SimpleNamespace())["result"] for entry in pages.shown_entries]
    assert len(labels) == len(set(labels))
    by_category = {}
    for entry, label in zip(pages.shown_entries, labels, strict=True):
        by_category.setdefault(entry.category, []).append(label[0])
    assert all(letters == [*ascii_lowercase[: len(letters)]] for letters in by_category.values())
    assert [*pages.categories] == [f"{i} {name}" for i, name in enumerate(list(CATEGORIES)[1:], start=1)]
    assert {rule_name(entry) for entry in entries()} | {"verdict", "claims", "published"} == set(pages.captions)


def test_the_verdicts_tables_stand_where_the_papers_do():
    named = {entry.name.removeprefix("published-"): entry.paper for entry in VERDICT if entry.paper}
    assert set(named) == set(PUBLISHED)
    for name, place in named.items():
        assert published(name).place.replace("Tables", "Table").replace("-", "–").startswith(place.split(",")[0]), name


def test_the_opening_paragraph_counts_the_study(pages, tmp_path):
    found = pages.description()
    assert (found["runs"], found["recipes"], found["trained"], found["models"]) == (4, 3, 32, 8)
    assert found["architectures"] == "FCN and ResNet" and not (found["claims"] or found["answers"] or found["audits"])
    tables = tmp_path / "results" / "smoke" / "paper" / "tables"
    tables.mkdir(parents=True)
    (tables / "claims.csv").write_text("claim,part,verdict\nC,direction,holds\nC,size,cannot tell\n")
    assert pages.description()["claims"] == {"C": {"direction": "holds"}}  # as no size is comparable


def test_the_report_opens_with_the_answers_of_given_models(pages):
    target = {"run": "digits/fcn/baseline", "predictions": "mine.csv"}
    study = load_study(pages.study.model_dump(exclude_none=True) | {"targets": {"mine": target, "other": target}})
    audit = Path("results/smoke/targets/mine/audit.json")
    audit.parent.mkdir(parents=True)
    audit.write_text('{"answer": "This model leaks."}')
    with_targets = Pages(Plan(study))
    assert with_targets.description()["audits"] == {"mine": "This model leaks."}
    assert with_targets.category("Audits") == "1 Audits" and with_targets.category("Answer") == "2 Answer"


@pytest.mark.parametrize("name", ["laptop", "location30", "mini", "paper", "preprint", "smoke", "imported"])
def test_the_study_that_the_report_reads_asks_for_what_the_users_own_asks(request, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    imported = {"study": "i", "fprs": [0.1], "runs": {"mine/net/base": {"scores": "x.npz"}}}
    of_file = request.config.rootpath / "studies" / f"{name}.yaml"
    study = load_study(read_yaml(of_file) if of_file.is_file() else imported)
    again = load_study(json.loads(Pages(Plan(study)).study_json(None)))
    places = ["attacks", "rates", "privacy", *(f"runs/{key}" for key in study.runs)]
    places += [f"data/{'-'.join(view)}" for view in study.views()]
    assert again == study
    assert [asked(again, place) for place in places] == [asked(study, place) for place in places]


@pytest.mark.parametrize(
    "damaged", [b"", b"{", b"[]", b"{}", b'"answer"', b"[" * 99_999, b"\xff\xfe", b"x\n1\n", b"\x00"]
)
def test_what_is_damaged_counts_as_not_there_as_the_run_has_to_make_it_again(request, tmp_path, monkeypatch, damaged):
    monkeypatch.chdir(tmp_path)
    target = {"run": "digits/fcn/baseline", "predictions": "p.npz"}
    settings = read_yaml(request.config.rootpath / "studies" / "smoke.yaml") | {"targets": {"released": target}}
    pages = Pages(Plan(load_study(settings)))
    tables = [Path(f"results/smoke/paper/tables/{name}.csv") for name in ("answer", "claims")]
    for file in (audit := Path("results/smoke/targets/released/audit.json"), *tables):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(damaged)
    found = pages.description()
    assert (found["audits"], found["answers"], found["claims"]) == ({}, [], {})
    audit.write_text('{"answer": "It leaks."}')
    tables[0].write_text("sentence\nOne run leaks.\n")
    tables[1].write_text("claim,part,verdict\nC,direction\n")  # cut off
    found = pages.description()
    assert (found["audits"], found["answers"], found["claims"]) == ({"released": "It leaks."}, ["One run leaks."], {})

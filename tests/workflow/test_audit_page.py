"""The page of an audit as a reader opens it: in Chromium, without a network, wide and narrow."""

import json

import numpy as np
import pytest

import lira
from lira.config.catalogue import main_attack
from lira.report.audit_page import write_page
from lira.storage.csv_files import write_csv

M, N = 16, 240
FPRS = [0.001, 0.01, 0.1]
ATTACKS = ["online", "online_fixed", "offline", "offline_fixed", "global", "rmia"]
ORDER = [
    "What makes this doubtful",
    "The most exposed records",
    "By class and group",
    "The words used here",
    "What was assumed",
    "What was not looked at",
    "Every attack",
    "Members found at every rate of false alarms (ROC)",
    "How it was done",
]
CASES = {
    "leaky": "This model leaks: ",
    "clean": "No leak was found in ",
    "unlisted": "Whether this model leaks cannot be told without a list of its members: ",
    "every": f"Whether this model leaks cannot be told, as all of the {N} records are in its list of members: ",
    "offline": "This model leaks: ",
    "groups": "This model leaks: ",
}


def write_audit(folder, case):
    rng = np.random.default_rng(0)
    member, truth = lira.balanced_membership(samples=N, models=M, fraction=0.5, seed=0), rng.random(N) < 0.5
    hard, held = rng.normal(0, 2, size=N), member & (case != "offline")
    phi, target = rng.normal(hard + 2 * held), rng.normal(hard + 4 * (truth & (case != "clean")))
    known = {"unlisted": None, "every": np.ones(N, bool)}.get(case, truth)
    about = {"groups": np.array([f"clinic {number} & <b>" for number in np.arange(N) % 3])} if case == "groups" else {}
    made = lira.audit(phi, held, target, known, attacks=ATTACKS, fprs=FPRS, labels=np.arange(N) % 2, **about)
    records = made.records
    if case == "groups":
        records.insert(1, "id", [f"patient-{number:012}" for number in range(N)])
    for name, frame in {"summary": made.summary, "records": records, "groups": made.groups}.items():
        write_csv(folder / f"{name}.csv", frame, "0")
    run = {"dataset": "patients", "architecture": "clinic", "regime": "baseline", "seed": 0}
    members = None if known is None else int(known.sum())
    said = {"answer": made.answer, "verdict": made.verdict, "warnings": made.warnings, "run": run, "members": members}
    said |= {"predictions": "own.csv", "shadow_models": M, "records": N, "attacks": [*made.summary["attack"].unique()]}
    said["counted_by"] = main_attack(made.summary["attack"].unique())
    (folder / "audit.json").write_text(json.dumps(said))
    write_page(folder, folder / "audit.html")
    return made


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("width", [1400, 800])
def test_it_opens_with_its_answer_and_fits(browser, tmp_path, case, width):
    made = write_audit(tmp_path, case)
    browser.set_window_size(width, 900)
    for log in ("browser", "performance"):
        browser.get_log(log)
    browser.get(f"file://{tmp_path / 'audit.html'}")
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert asked and {address.partition(":")[0] for address in asked} <= {"file", "data"}
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []

    def texts(selector):
        return browser.execute_script(
            "return [...document.querySelectorAll(arguments[0])].map(found => found.textContent)", selector
        )

    assert texts("body > *")[0] == texts("h1")[0] and texts("h1")[0].startswith(CASES[case])
    heads = texts("h2")
    assert heads == [head for head in ORDER if head in heads] and {*ORDER} - {*heads} <= {ORDER[0], ORDER[2], ORDER[7]}
    assert (ORDER[2] in heads) == (ORDER[7] in heads or case == "every") == (case != "unlisted")
    assert len(texts("li")) == len(made.warnings) + 6
    if case in ("leaky", "clean"):
        usual = {"leaky": "No: ", "clean": "Yes: "}[case]  # it is held twice as fast as by its shadow models, or not
        assert f"Is it an ordinary model of this kind? {usual}" in texts("p")[0]
    wide = browser.execute_script(
        "return [...document.querySelectorAll('body *')].filter(found => !found.closest('table'))"
        ".filter(found => found.getBoundingClientRect().right > innerWidth || found.getBoundingClientRect().left < 0)"
        ".map(found => found.outerHTML)"
    )
    assert wide == [] and browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    tables = browser.execute_script(
        "return [...document.querySelectorAll('table')].map(table => ({"
        "hidden: table.parentElement.scrollWidth - table.parentElement.clientWidth,"
        "scrolls: getComputedStyle(table.parentElement).overflowX,"
        "rows: [...table.rows].map(row => [...row.cells].map(cell => cell.textContent))}))"
    )
    for table in tables:
        assert table["scrolls"] == "auto" and (width == 800 or not table["hidden"]), table["rows"][0]
        columns = [*zip(*table["rows"], strict=True)]
        assert len(table["rows"]) > 1 and all({*cells[1:]} != {"–"} for cells in columns), table["rows"][0]
    assert (
        browser.execute_script("return [...document.images].map(picture => picture.naturalWidth > 850)") == [True]
    ) == (ORDER[7] in heads)


def test_the_most_exposed_records_are_those_that_score_highest(browser, tmp_path):
    made = write_audit(tmp_path, "groups")
    best = made.summary[made.summary["metric"] == "tpr"].sort_values("p_value", kind="stable")["attack"].iloc[0]
    browser.get(f"file://{tmp_path / 'audit.html'}")
    names = browser.execute_script(
        "return [...document.querySelector('tbody').rows].map(row => row.cells[0].textContent)"
    )
    members = made.records[made.records["member"] == 1]
    highest = members.sort_values(f"{best}_score", ascending=False, kind="stable")["id"].head(10)
    assert names == [*highest]

"""The report as a reader opens it: in Chromium, without a network."""

import copy
import csv
import json
import os
import re
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from lira.report.html import html
from lira.report.table import Table

VERDICTS = ("holds", "does not hold", "cannot tell")
CATEGORIES = ["Answer", "Claims", "Study", "Utility", "Attacks", "Calibration", "Agreement", "Records", "Provenance"]


SHOWN = "#app img:not(nav img), iframe"


def of_kind(shown, kind):
    return [element for element in shown if element.tag_name == kind]


class Page:
    """The report, open at a width."""

    def __init__(self, driver, file, width=1400):
        self.driver = driver
        driver.set_window_size(width, 900)
        driver.get(f"file://{file}")

    def find(self, selector, within=None):
        return (within or self.driver).find_elements("css selector", selector)

    def link(self, text):
        """The link with this text in the menu."""
        return next(found for found in self.find("nav a") if found.text.strip() == text)

    def categories(self):
        return [found.text for found in self.find("nav ul a") if re.match(r"\d ", found.text)]

    def open(self, category):
        """The rows of a category."""
        self.find("nav nav a")[0].click()
        self.link(category).click()
        return self.rows()

    def rows(self):
        """The rows of the category that is open."""
        return self.wait(lambda _: self.find("nav tbody tr"))

    def show(self, row):
        """Opens a table or figure of the category that is open; returns what then is shown."""
        before = self.sources()
        self.find("td:last-child a", self.rows()[row])[0].click()
        self.wait(lambda _: self.sources() not in ([], before))
        return self.find(SHOWN)

    def sources(self):
        return self.driver.execute_script(
            "return [...document.querySelectorAll(arguments[0])].map(shown => shown.src + shown.srcdoc)", SHOWN
        )

    def wait(self, condition):
        """Waits for what comes a moment after a click."""
        from selenium.webdriver.support.wait import WebDriverWait

        return WebDriverWait(self.driver, 30, poll_frequency=0.05).until(condition)

    def errors(self):
        return [entry for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]


@pytest.fixture
def page(browser, finished):
    return Page(browser, finished.path("report.html"))


def shown(finished, folder, suffix):
    return {path.stem for path in finished.path("paper", folder).glob(f"*{suffix}")}


def test_it_opens_without_a_network_and_without_an_error(page, finished):
    events = [json.loads(entry["message"])["message"] for entry in page.driver.get_log("performance")]
    asked = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert asked and {address.partition(":")[0] for address in asked} <= {"file", "data", "blob"}
    assert page.find(".prose h1")[0].text == "Membership inference in smoke"
    prose = page.find(".prose")[0].text
    assert "32 shadow models, 8 in each run" in prose and "No published number is comparable with it" in prose
    with finished.path("paper", "tables", "answer.csv").open() as file:
        answers = [row["sentence"] for row in csv.DictReader(file)]
    assert [item.text for item in page.find(".prose li")][: len(answers)] == answers and len(answers) == 3
    assert page.categories() == [f"{i} {name}" for i, name in enumerate(CATEGORIES, start=1)]
    verdicts = [item.text for item in page.find(".prose li") if item.text.endswith(VERDICTS)]
    claims = {}
    with finished.path("paper", "tables", "claims.csv").open() as file:
        for row in csv.DictReader(file):
            if not row["part"].startswith("size"):  # as none is comparable
                claims.setdefault(row["claim"], []).append(f"{row['part']} {row['verdict']}")
    assert claims and verdicts == [f"{claim}: {'; '.join(parts)}" for claim, parts in claims.items()]
    linked = page.find(".prose li a")
    assert [link.text for link in linked] == page.categories()
    linked[1].click()
    assert page.rows()
    page.find("nav nav a")[0].click()
    page.link("Statistics").click()
    assert page.errors() == []


@pytest.mark.parametrize("width", [1400, 800])
def test_every_figure_opens_and_fits(page, finished, width):
    page.driver.set_window_size(width, 900)
    opened = 0
    for category in page.categories():
        for i in range(len(page.open(category))):
            for picture in of_kind(page.show(i), "img"):
                page.wait(lambda driver, picture=picture: driver.execute_script(WIDTH, picture))
                assert page.driver.execute_script(WIDTH, picture) >= 850
                assert picture.rect["x"] >= 0 and picture.rect["x"] + picture.rect["width"] <= width
                assert picture.rect["y"] >= 0 and picture.rect["width"] >= width / 4
                opened += 1
    assert opened == len(shown(finished, "figures", ".png"))
    assert page.errors() == []


def test_every_table_shows_its_numbers_sorts_and_filters(page, finished):
    pages = {}
    for category in page.categories():
        for i in range(len(page.open(category))):
            for frame in of_kind(page.show(i), "iframe"):
                page.driver.switch_to.frame(frame)
                pages[page.find("a[download]")[0].get_attribute("download").removesuffix(".csv")] = cells(page)
                if "utility" in pages and "sorted" not in pages:
                    pages["sorted"] = sort_and_filter(page)
                page.driver.switch_to.default_content()
    ordered = pages.pop("sorted")
    assert pages.keys() == shown(finished, "tables", ".md")
    for name, found in pages.items():
        assert found == markdown(finished.path("paper", "tables", f"{name}.md")), name
    with finished.path("paper", "tables", "utility.csv").open() as file:
        losses = sorted(float(row["train_loss_mean"]) for row in csv.DictReader(file))
    assert ordered == [[f"{loss:.4f}" for loss in losses], [f"{loss:.4f}" for loss in losses[::-1]], 1]
    assert page.errors() == []


def test_counts_in_thousands_and_what_is_infinite_or_unknown_are_sorted_by_value(browser, tmp_path):
    flagged = ["502 of 30,000", "2,334 of 30,000", "– (–)", "∞", "-1 of 2", "–"]
    text = pd.DataFrame({"Run": [*"abcdef"], "Flagged": flagged})
    (tmp_path / "table.html").write_text(html(Table(text, text, 1), "", "table.csv", b""))
    page = Page(browser, tmp_path / "table.html")
    orders = []
    for _ in range(2):
        page.find("th button")[1].click()
        orders.append("".join(row[0] for row in cells(page)[1:]))
    assert orders == ["eabdcf", "dbaecf"]


@pytest.mark.parametrize("width", [1400, 800])
def test_every_table_fits_beside_the_menu_or_scrolls_within_itself(page, width):
    page.driver.set_window_size(width, 900)
    wide = set()
    for category in page.categories():
        for i in range(len(page.open(category))):
            for frame in of_kind(page.show(i), "iframe"):
                assert round(frame.rect["x"] + frame.rect["width"]) <= width
                page.driver.switch_to.frame(frame)
                name = page.find("a[download]")[0].get_attribute("download")
                whole, table = (page.driver.execute_script(OVERFLOW, selector) for selector in ("html", "div"))
                assert whole <= 0, f"the page of {name} is {whole} pixels too wide"
                wide |= {name} if table > 0 else set()
                page.driver.switch_to.default_content()
    assert not wide if width == 1400 else wide
    assert page.errors() == []


WIDTH = "return arguments[0].naturalWidth"
OVERFLOW = "const found = document.querySelector(arguments[0]); return found.scrollWidth - found.clientWidth"


def cells(page):
    return page.driver.execute_script(
        "return [...document.querySelectorAll('tr')].map(row => [...row.cells].map(cell => cell.textContent))"
    )


def sort_and_filter(page):
    """Train losses of the utility table sorted up, then down, and how many rows are of a residual net."""
    column = [cell.text for cell in page.find("th")].index("Train loss")
    orders = []
    for _ in range(2):
        page.find("th button")[column].click()
        orders.append([row[column].split()[0] for row in cells(page)[1:]])
    page.find("input")[0].send_keys("resnet")
    return [*orders, sum(row.is_displayed() for row in page.find("tbody tr"))]


def markdown(path):
    rows = [line for line in path.read_text().splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[:1] + rows[2:]]


def test_rows_come_in_the_papers_order_with_labels_and_captions(page):
    rows = [[cell.text for cell in page.find("td", row)] for row in page.open("7 Agreement")]
    assert [row[0][:4] for row in rows] == sorted(row[0][:4] for row in rows)
    numbered = [re.match(r"\w · (Figure|Table) (\d+)", row[0]) for row in rows]
    papers = [found.groups() for found in numbered if found]
    assert [bool(found) for found in numbered] == sorted(map(bool, numbered), reverse=True)
    assert papers == sorted(papers, key=lambda paper: (paper[0], int(paper[1]))) and len(papers) > 6
    assert rows[0][0].endswith("; Digits FCN Baseline, seeds 0, 1")
    page.find("nav tbody tr td:last-child a")[1].click()
    assert "identical runs" in page.find("nav .prose")[0].text


def test_a_zip_holds_the_same(finished, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    elsewhere = copy.copy(finished)
    elsewhere.root, elsewhere.folder = (Path(os.path.relpath(path)) for path in (finished.root, finished.folder))
    elsewhere.run("--nolock", "--report", tmp_path / "x.zip", "all")
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        names = archive.namelist()
        page = archive.read("x/report.html").decode()
        stored = {name.rpartition("/")[2] for name in names}
        for folder, suffix in (("tables", ".html"), ("figures", ".png")):
            assert {name + suffix for name in shown(finished, folder, suffix)} <= stored
    style = (finished.root / "rules" / "report.css").read_text().strip()
    assert style in page and style in finished.path("report.html").read_text()

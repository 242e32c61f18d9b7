"""How cells are written: pages, LaTeX and numbers."""

import re
import subprocess
import sys
from base64 import b64decode
from hashlib import sha256

import pandas as pd
from table_files import tex_rows

from lira.report.html import html
from lira.report.labels import percent
from lira.report.numbers import mean_std, number
from lira.report.table import Table
from lira.report.text import latex, to_tex


def test_a_page_shows_what_cells_hold_and_runs_no_script_of_theirs():
    cell = '<script>alert("x")</script>'
    table = Table(pd.DataFrame(), pd.DataFrame({"Run": [cell], "TPR": ["1.0"]}), 1, ["5 < 6"])
    page = html(table, "<b>", "a.csv", b"x")
    assert cell not in page and "&lt;script&gt;" in page and "<b>" not in page and "5 &lt; 6" in page
    allowed = re.search(r"script-src 'sha256-(.*?)'", page)[1]
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.S)
    assert b64decode(allowed) == sha256(script.encode()).digest()


def test_words_stand_left_and_numbers_right():
    columns = {
        "Run": "1",
        "Verdict": "holds",
        "TPR": "1.0",
        "None": "–",
        "Because": "0 runs of the paper's data and its models",
    }
    table = Table(pd.DataFrame(), pd.DataFrame({name: [cell] for name, cell in columns.items()}), 1)
    left = re.findall(r'<td class="words(?: long)?">(.*?)</td>', html(table, "", "a.csv", b""))
    assert left == ["1", "holds", "0 runs of the paper&#x27;s data and its models"]


def test_numbers_as_text():
    assert mean_std(1.2345, 0.5, 2) == "1.23 ± 0.50"
    assert mean_std(1.2345, float("nan"), 2) == "1.23"
    assert number(float("nan"), 2) == "–" and number(float("inf"), 2) == "∞"
    assert (percent(1e-5), percent(0.001), percent(0.5)) == ("0.001 %", "0.1 %", "50 %")


def test_tex():
    assert to_tex("3.96 ± 1.06 at 0 FP") == r"\num{3.96 \pm 1.06} at \num{0} FP"
    assert to_tex("5e-05") == r"\num{5e-05}"
    assert to_tex("CIFAR-10, WRN-28-2") == "CIFAR-10, WRN-28-2"
    assert to_tex("aof_b & 50 %") == r"aof\_b \& \num{50} \%"
    assert to_tex("–") == "--" and to_tex("∩, all") == r"$\cap$, all"


def test_tables_import_no_matplotlib_and_no_torch():
    tables = "lira.report.tables"
    code = f"import sys, {tables}.optimistic, {tables}.rank_agreement, lira.report.text; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"matplotlib", "torch"} & set(loaded)


def test_a_long_table_is_divided_between_runs_for_latex():
    text = pd.DataFrame(
        [(f"d{i}", f"a{j}", "1") for i in range(9) for j in range(9)], columns=["Dataset", "Attack", "N"]
    )
    tex = latex(Table(text, text, 2))
    assert tex.count(r"\begin{tabular}{lr}") == 2
    assert tex_rows(tex) == [[f"d{i}", f"a{j}", r"\num{1}"] for i in range(9) for j in range(9)]


def test_a_long_table_of_one_run_is_divided_too():
    text = pd.DataFrame([(f"a{j}", "1") for j in range(120)], columns=["Attack", "N"])
    tex = latex(Table(text, text, 1))
    assert tex.count(r"\begin{tabular}{lr}") == 3
    assert tex_rows(tex) == [[f"a{j}", r"\num{1}"] for j in range(120)]

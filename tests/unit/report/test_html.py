import re
from base64 import b64decode
from hashlib import sha256

import pandas as pd

from lira.report.html import html
from lira.report.table import Table


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

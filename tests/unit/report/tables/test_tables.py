"""All tables: that their files agree, that the same results give the same bytes, and what is said of a mistake."""

import re
import shutil
import subprocess
import sys
from base64 import b64decode
from html import unescape

import pandas as pd
import pytest
from synthetic_study import FPRS, MAIN, run_folder
from table_files import rows_of, tex_rows

from lira.core.errors import ConfigError, StoreError
from lira.report.catalogue import list_modules
from lira.report.tabulate import tabulate
from lira.report.text import to_tex
from lira.storage.csv_files import write_csv

ALL = [
    "ablation",
    "answer",
    "attack_overlap",
    "benchmarks",
    "budgets",
    "calibrated",
    "calibrated_seeds",
    "displacement",
    "groups",
    "optimistic",
    "optimistic_seeds",
    "privacy",
    "protection",
    "provenance",
    "rank_agreement",
    "record_calibration",
    "records",
    "robustness",
    "stability",
    "transfer",
    "utility",
]


def test_names():
    assert list_modules("tables") == ALL


@pytest.mark.parametrize("name", ALL)
def test_the_files_agree(make, name):
    data, path = make(name)
    shown = rows_of(path)
    body = tex_rows(path.with_suffix(".tex").read_text())
    assert len(shown) - 1 == len(body)
    for cells, in_tex in zip(shown[1:], body, strict=True):
        assert " ".join(in_tex) == " ".join(map(to_tex, cells))
    assert name in ("groups", "robustness") or len(data) % len(body) == 0
    page = path.with_suffix(".html").read_text()
    in_html = [re.findall(r"<t[dh].*?>(.*?)</t[dh]>", row) for row in re.findall(r"<tr>.*?</tr>", page)]
    assert [[unescape(re.sub("<.*?>", "", cell)) for cell in row] for row in in_html] == shown
    assert b64decode(re.search(r"base64,(\S+)\"", page)[1]) == path.read_bytes()


@pytest.mark.campaign
def test_latex_compiles_every_table(make, tmp_path):
    if not shutil.which("pdflatex"):
        pytest.skip("no pdflatex here: apt-get install texlive-latex-recommended texlive-science")
    files = [rf"\scriptsize\input{{{make(name)[1].with_suffix('.tex')}}}" for name in ALL]
    floats = [rf"\begin{{table*}}{file}\end{{table*}}\clearpage" for file in files]
    for columns, packages, inputs in (
        ("twocolumn", "booktabs,siunitx", floats),
        ("twocolumn", "booktabs,siunitx,graphicx", floats),
        ("onecolumn", "booktabs,siunitx,graphicx", files),
    ):
        lines = [rf"\documentclass[{columns}]{{article}}", rf"\usepackage{{{packages}}}", r"\begin{document}", *inputs]
        (tmp_path / "all.tex").write_text("\n\n".join([*lines, r"\end{document}"]))
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:]
        assert "Missing character" not in done.stdout
        assert "Overfull" not in done.stdout or "graphicx" not in packages


@pytest.mark.parametrize("name", ALL)
def test_same_results_same_bytes(make, name):
    _, path = make(name)
    first = [path.with_suffix(suffix).read_bytes() for suffix in (".csv", ".md", ".tex", ".html")]
    make(name)
    assert first == [path.with_suffix(suffix).read_bytes() for suffix in (".csv", ".md", ".tex", ".html")]


def test_an_option_without_a_default_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr("lira.report.tables.utility.table", lambda folders, needed, fpr=None: None)
    with pytest.raises(ConfigError, match=r"tables.utility: needs the option 'needed'"):
        tabulate("utility", [tmp_path], tmp_path / "x.csv", fpr=0.1)


def test_errors_name_what_is_wrong_and_what_is_allowed(make, study, tmp_path):
    with pytest.raises(ConfigError, match="table is 'utilty': allowed are 'ablation', 'answer'"):
        make("utilty")
    with pytest.raises(ConfigError, match=r"tables.utility: option is 'fpr': none is allowed"):
        make("utility", fpr=0.01)
    with pytest.raises(ConfigError, match=r"fpr is 0.5: allowed are 0.001(, | and )0.01"):
        make("calibrated", fpr=0.5)
    for name in ("ablation", "robustness", "transfer"):
        with pytest.raises(ConfigError, match="attack is 'onlin': allowed are 'online', "):
            make(name, attack="onlin")
    with pytest.raises(ConfigError, match="prior is 0.3: allowed (is|are) "):
        make("robustness", prior=0.3)
    with pytest.raises(ConfigError, match="gap is 'max': allowed are 'median' and 'mean'"):
        make("rank_agreement", gap="max")
    with pytest.raises(ConfigError, match="support is 6: allowed are 1, 2, 3, 4, 5(,| and) 10"):
        make("rank_agreement", support=6)
    for name in ("utility.xlsx", "utility-0.001", "utility"):
        with pytest.raises(ConfigError, match=rf"output is .*{name}: a table is written as .csv, .tex, .md, .html"):
            tabulate("utility", [run_folder(study, *MAIN[0])], tmp_path / name)
    with pytest.raises(ConfigError, match="at least one result folder"):
        make("utility", [])
    with pytest.raises(StoreError, match=r"shadows.h5 does not exist"):
        make("utility", [tmp_path])
    with pytest.raises(StoreError, match=r"topq.csv does not exist"):
        make("rank_agreement", [tmp_path / "agreement" / "digits" / "fcn" / "aof"])
    assert not list(tmp_path.iterdir())


def test_options_that_are_none_are_not_given(make):
    assert len(make("utility", fpr=None)[0]) == len(MAIN)


@pytest.mark.parametrize("name", ["optimistic", "calibrated", "robustness", "transfer", "ablation"])
def test_runs_of_different_fprs_do_not_stand_side_by_side(make, study, tmp_path, name):
    one, other = (shutil.copytree(run_folder(study, *key), tmp_path / str(i)) for i, key in enumerate(MAIN[:2]))
    rows = pd.read_csv(other / "summary.csv", keep_default_na=False)
    write_csv(other / "summary.csv", rows[rows["fpr"] != str(max(FPRS))])
    with pytest.raises(ConfigError, match=r"fpr: runs of different FPRs \(.*\) cannot stand side by side"):
        make(name, [one, other])


def test_tables_need_no_docstrings(study, tmp_path):
    """``python -OO`` has none."""
    code = "import sys; from lira.report.tabulate import tabulate; tabulate('optimistic', sys.argv[2:], sys.argv[1])"
    folders = [run_folder(study, *key) for key in MAIN]
    for flag in ("-B", "-OO"):
        command = [sys.executable, flag, "-c", code, tmp_path / flag / "optimistic.csv", *folders]
        subprocess.run(command, check=True)
    plain, without = (tmp_path / flag / "optimistic.html" for flag in ("-B", "-OO"))
    assert plain.read_text() == without.read_text() and "<h1>Table 3–6: Rates" in plain.read_text()


def test_tables_import_no_matplotlib_and_no_torch():
    tables = "lira.report.tables"
    code = f"import sys, {tables}.optimistic, {tables}.rank_agreement, lira.report.text; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"matplotlib", "torch"} & set(loaded)

import pandas as pd
from table_files import tex_rows

from lira.report.table import Table
from lira.report.text import latex, to_tex


def test_tex():
    assert to_tex("3.96 ± 1.06 at 0 FP") == r"\num{3.96 \pm 1.06} at \num{0} FP"
    assert to_tex("5e-05") == r"\num{5e-05}"
    assert to_tex("CIFAR-10, WRN-28-2") == "CIFAR-10, WRN-28-2"
    assert to_tex("aof_b & 50 %") == r"aof\_b \& \num{50} \%"
    assert to_tex("–") == "--" and to_tex("∩, all") == r"$\cap$, all"


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

import pandas as pd
from table_files import tex_rows

from lira.report.table import Table
from lira.report.text import latex, markdown, to_tex


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


def test_a_count_in_thousands_is_one_number_for_latex():
    """Of ``30,000`` as two numbers siunitx would print 30,0, as it drops leading zeros."""
    assert to_tex("502 of 30,000") == r"\num{502} of \num{30000}"
    assert to_tex("3,056 (1,234,567)") == r"\num{3056} (\num{1234567})"
    assert to_tex("targets 0, 5, 12") == r"targets \num{0}, \num{5}, \num{12}"
    assert to_tex("1,5 and 1234,567") == "1,5 and 1234,567"


def test_a_name_of_digits_stays_as_it_is_for_latex():
    assert to_tex("007") == "007" and to_tex("ward 002, 2") == r"ward 002, \num{2}" and to_tex("0.05") == r"\num{0.05}"


def test_signs_of_groups_are_escaped_for_latex():
    assert to_tex("<30|>65") == r"\textless{}\num{30}\textbar{}\textgreater{}\num{65}"
    assert to_tex("x^y~z → $") == r"x\textasciicircum{}y\textasciitilde{}z $\to$ \$"


def test_a_name_does_not_break_the_row_in_markdown():
    text = pd.DataFrame({"Group": ["<30|x", "two\nlines"], "N": ["1", "2"]})
    rows = markdown(Table(text, text, 1)).splitlines()
    assert [row.replace(r"\|", "").count("|") for row in rows if row] == [3, 3, 3, 3]
    assert r"<30\|x" in rows[2] and "two lines" in rows[3]

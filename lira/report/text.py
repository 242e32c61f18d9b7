"""Writes a table in Markdown and in LaTeX."""

import re
from textwrap import wrap

import pandas as pd

from lira.report.table import Table

SYMBOLS = {
    "\\": r"\textbackslash{}",
    **{sign: "\\" + sign for sign in "&%#_${}"},
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "→": r"$\to$",
    "–": "--",
    "±": r"$\pm$",
    "×": r"$\times$",
    "≥": r"$\geq$",
    "∞": r"$\infty$",
    "α": r"$\alpha$",
    "δ": r"$\delta$",
    "ε": r"$\varepsilon$",
    "μ": r"$\mu$",
    "π": r"$\pi$",
    "ρ": r"$\rho$",
    "τ": r"$\tau$",
    "∩": r"$\cap$",
    "∪": r"$\cup$",
    "φ": r"$\varphi$",
    "Δ": r"$\Delta$",
    "′": r"$'$",
    "²": r"\textsuperscript{2}",
    "†": r"\textsuperscript{\dag}",
    "‡": r"\textsuperscript{\ddag}",
    "§": r"\S{}",
}
RUN_COLUMNS = ("Dataset", "Architecture", "Regime", "Seed")
PAGE, HEADING = 54, 12
"""In LaTeX: the most lines of one part of a table, and the most characters of one line of a heading."""

PREAMBLE = r"""% needs \usepackage{booktabs,siunitx}; graphicx fits it to the line
\sisetup{separate-uncertainty=true}
\providecommand{\fitted}[1]{\ifdefined\resizebox\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{#1}\else#1\fi}
"""
NUMBER = re.compile(
    r"(?<![\w.,-])-?(?!0\d)(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:e[+-]?\d+)?(?: ± \d+(?:\.\d+)?)?(?![\w-]|[.,]\d)"
)
"""A number as tables write it; ``007`` is a name, of which siunitx would leave 7."""


def markdown(table: Table) -> str:
    """Returns the table in Markdown, with its notes below."""
    align = ["left"] * table.keys + ["right"] * (len(table.text.columns) - table.keys)
    text = table.text.replace({r"\|": r"\|", r"\s*\n\s*": " "}, regex=True)
    body = text.to_markdown(index=False, disable_numparse=True, colalign=align)
    return "\n\n".join([body, *table.notes]) + "\n"


def latex(table: Table) -> str:
    """Returns the table in LaTeX, with its notes below: one ``tabular`` or several, which need booktabs and siunitx.

    If a run has several rows, a line above them names the run. Cells of the first columns that repeat the row above are
    left blank. A long table is split into parts that fit a page, between runs where it can be. If graphicx is loaded, a
    part that is wider than the line is scaled to fit.
    """
    names = list(table.text.columns)
    run = [name for name in names[: table.keys] if name in RUN_COLUMNS]
    groups = _groups(table.text, run)
    if len(groups) in (1, len(table.text)):
        run, groups = [], [("", table.text[i : i + PAGE]) for i in range(0, max(len(table.text), 1), PAGE)]
    left, keys = [name for name in names if name not in run], table.keys - len(run)
    head = " & ".join(_stacked(name, "l" if i < keys else "r") for i, name in enumerate(left))
    parts: list[list[str]] = []
    lines: list[str] = []
    for title, rows in groups:
        above = [f"\\multicolumn{{{len(left)}}}{{l}}{{\\emph{{{to_tex(title)}}}}} \\\\"] if title else []
        if lines and len(lines) + len(above) + len(rows) > PAGE:
            parts, lines = [*parts, lines], []
        lines = [*lines, *above, *_lines(rows[left], keys)]
    columns = "l" * keys + "r" * (len(left) - keys)
    tabulars = "\n\\par\\medskip\n".join(
        f"\\noindent\\fitted{{\\begin{{tabular}}{{{columns}}}\n\\toprule\n{head} \\\\\n\\midrule\n"
        + "\n".join(part)
        + "\n\\bottomrule\n\\end{tabular}}"
        for part in [*parts, lines]
    )
    notes = "".join(f"\\par\\smallskip\\noindent{{\\footnotesize {to_tex(note)}\\par}}\n" for note in table.notes)
    return f"{PREAMBLE}{tabulars}\n{notes}"


def _groups(text: pd.DataFrame, run: list[str]) -> list[tuple[str, pd.DataFrame]]:
    return (
        [("", text)]
        if not run
        else [
            (" ".join(f"seed {part}" if name == "Seed" else part for name, part in zip(run, key, strict=True)), rows)
            for key, rows in text.groupby(run, sort=False)
        ]
    )


def _lines(rows: pd.DataFrame, keys: int) -> list[str]:
    cells = rows.map(to_tex)
    for depth in range(keys - 1):
        leading = rows.iloc[:, : depth + 1]
        cells.isetitem(depth, cells.iloc[:, depth].mask(leading.eq(leading.shift()).all(axis=1), ""))
    return [" & ".join(line) + r" \\" for line in cells.itertuples(index=False)]


def _stacked(heading: str, side: str) -> str:
    """Breaks a heading into short lines."""
    lines = [to_tex(line) for line in wrap(heading, HEADING, break_long_words=False, break_on_hyphens=False)]
    return lines[0] if len(lines) < 2 else f"\\shortstack[{side}]{{" + r"\\".join(lines) + "}"


def to_tex(text: str) -> str:
    """Returns text for LaTeX: special characters are escaped, numbers are put in siunitx's ``\\num``."""
    parts, end = [], 0
    for match in NUMBER.finditer(text):
        number = match[0].replace(",", "").replace("±", "\\pm")  # siunitx groups digits itself
        parts += [_escape(text[end : match.start()]), f"\\num{{{number}}}"]
        end = match.end()
    return "".join([*parts, _escape(text[end:])])


def _escape(text: str) -> str:
    return "".join(SYMBOLS.get(character, character) for character in text)

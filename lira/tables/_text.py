"""Numbers and tables as text, for Markdown and for LaTeX."""

import re

import pandas as pd

from lira.tables import Table

MISSING = "–"
SYMBOLS = {
    "\\": r"\textbackslash{}",
    **{sign: "\\" + sign for sign in "&%#_${}"},
    "–": "--",
    "±": r"$\pm$",
    "×": r"$\times$",
    "≥": r"$\geq$",
    "∞": r"$\infty$",
    "α": r"$\alpha$",
    "π": r"$\pi$",
    "ρ": r"$\rho$",
    "τ": r"$\tau$",
    "∩": r"$\cap$",
    "∪": r"$\cup$",
    "′": r"$'$",
    "†": r"\textsuperscript{\dag}",
    "‡": r"\textsuperscript{\ddag}",
}
NUMBER = re.compile(r"(?<![\w.-])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?: ± \d+(?:\.\d+)?)?(?![\w-]|\.\d)")


def number(value: float, decimals: int) -> str:
    """A number with fixed decimals; ``–`` where there is none."""
    if pd.isna(value):
        return MISSING
    return "∞" if value == float("inf") else f"{value:.{decimals}f}"


def mean_std(mean: float, std: float, decimals: int) -> str:
    """Mean ± standard deviation; the mean alone where a single value leaves no deviation."""
    if pd.isna(mean) or pd.isna(std):
        return number(mean, decimals)
    return f"{mean:.{decimals}f} ± {std:.{decimals}f}"


def markdown(table: Table) -> str:
    """The table for Markdown, its notes below."""
    align = ["left"] * table.keys + ["right"] * (len(table.text.columns) - table.keys)
    body = table.text.to_markdown(index=False, disable_numparse=True, colalign=align)
    return "\n\n".join([body, *table.notes]) + "\n"


def latex(table: Table) -> str:
    """The table for LaTeX, its notes below: a ``tabular`` that needs booktabs and siunitx, for any table environment.

    What a row's leading columns repeat from the row above is left blank.
    """
    cells = table.text.map(to_tex).rename(columns=to_tex)
    for depth in range(table.keys - 1):
        leading = table.text.iloc[:, : depth + 1]
        cells.isetitem(depth, cells.iloc[:, depth].mask(leading.eq(leading.shift()).all(axis=1), ""))
    columns = "l" * table.keys + "r" * (len(cells.columns) - table.keys)
    tabular = cells.style.hide(axis="index").to_latex(hrules=True, column_format=columns)
    notes = "".join(f"\\par\\smallskip{{\\footnotesize {to_tex(note)}}}\n" for note in table.notes)
    return f"% needs \\usepackage{{booktabs,siunitx}}\n\\sisetup{{separate-uncertainty=true}}\n{tabular}{notes}"


def to_tex(text: str) -> str:
    """Text for LaTeX: special characters escaped, numbers in siunitx's ``\\num``."""
    parts, end = [], 0
    for match in NUMBER.finditer(text):
        parts += [_escape(text[end : match.start()]), "\\num{" + match[0].replace("±", "\\pm") + "}"]
        end = match.end()
    return "".join([*parts, _escape(text[end:])])


def _escape(text: str) -> str:
    return "".join(SYMBOLS.get(character, character) for character in text)

"""Shows a table as one self-contained HTML page: a click on a heading sorts by it, and the ``.csv`` is embedded."""

import re
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from html import escape

from lira.report.numbers import MISSING
from lira.report.table import Table

STYLE = """
body { font: 13px/1.4 system-ui, sans-serif; color: #1e293b; margin: 1rem; }
h1 { font-size: 1.05rem; margin: 0 0 .75rem; }
p { color: #475569; max-width: 60rem; margin: .5rem 0; }
input { font: inherit; padding: .2rem .5rem; border: 1px solid #94a3b8; border-radius: .25rem; }
a { color: #047857; margin-left: 1rem; }
div { overflow: auto; max-height: calc(100vh - 7rem); margin: .75rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
thead { position: sticky; top: 0; background: #f1f5f9; }
th button { all: unset; cursor: pointer; font-weight: 600; padding: .35rem .3rem; }
th button:focus-visible { outline: 2px solid #047857; }
th[aria-sort=ascending] button::after { content: " \\25b2"; }
th[aria-sort=descending] button::after { content: " \\25bc"; }
th { text-align: right; vertical-align: bottom; }
td { padding: .2rem .3rem; text-align: right; vertical-align: top; }
td.words, th.words { text-align: left; }
td span { white-space: nowrap; }
td.long { min-width: 12rem; }
table.wide { font-size: 11px; }
.wide td, .wide th button { padding-left: .2rem; padding-right: .2rem; }
tbody tr:nth-child(even) { background: #f8fafc; }
tbody tr:hover { background: #e2e8f0; }
"""

LONG, WIDE = 40, 10
"""A cell with more characters has a width of its own; a table with more columns has small letters."""

WHOLE = re.compile(r"\[[^\]]*\]|± \S+|\S+ %")
"""What stays in one line: an interval, a deviation, a percentage."""

SCRIPT = """
const body = document.querySelector("tbody");
const number = text => {
  const plain = text.replace(/^[[]/, "").replace("−", "-").replace(/(\\d),(?=\\d{3})/g, "$1");
  return plain.startsWith("∞") ? Infinity : /^-?[\\d.]/.test(plain) ? parseFloat(plain) : NaN;
};
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.parentElement, column = head.cellIndex;
    const order = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", order > 0 ? "ascending" : "descending");
    const cell = row => row.cells[column].textContent.trim();
    const missing = text => !/[^–;() ]/.test(text);
    const compare = (a, b) => {
      if (missing(a) || missing(b)) return missing(a) - missing(b);
      const [one, other] = [number(a), number(b)];
      if (Number.isNaN(one) || Number.isNaN(other)) return order * a.localeCompare(b, "en", {numeric: true});
      return order * ((one > other) - (one < other));
    };
    body.append(...[...body.rows].sort((a, b) => compare(cell(a), cell(b))));
  });
}
document.querySelector("input").addEventListener("input", event => {
  const wanted = event.target.value.toLowerCase();
  for (const row of body.rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
});
"""
"""The only script that the page may run, whatever its cells hold."""


def html(table: Table, title: str, name: str, csv: bytes) -> str:
    """Returns the page.

    Args:
        table: The table; its cells are escaped.
        title: Heading of the page.
        name: File name under which the browser saves the ``.csv``.
        csv: Content of the ``.csv``.
    """
    hashed = b64encode(sha256(SCRIPT.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{hashed}'"
    columns = list(table.text.columns)
    words = [i < table.keys or _of_words(table.text.iloc[:, i]) for i in range(len(columns))]
    head = "".join(_cell("th", f"<button>{escape(name)}</button>", words[i]) for i, name in enumerate(columns))
    rows = "".join(f"<tr>{_row(row, words)}</tr>\n" for row in table.text.itertuples(index=False))
    wide = ' class="wide"' * (len(columns) > WIDE)
    notes = "".join(f"<p>{escape(note)}</p>\n" for note in table.notes)
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{escape(title)}</title>
<style>{STYLE}</style>
<h1>{escape(title)}</h1>
<input type="search" placeholder="Rows with …" aria-label="Show only rows with this text">
<a download="{escape(name)}" href="data:text/csv;base64,{b64encode(csv).decode()}">All digits: {escape(name)}</a>
<div><table{wide}><thead><tr>{head}</tr></thead><tbody>
{rows}</tbody></table></div>
{notes}<script>{SCRIPT}</script>
</html>
"""


def _of_words(cells: Sequence[str]) -> bool:
    """Returns whether a column is aligned as text: it has a long cell, or no digit at all."""
    filled = [cell for cell in cells if cell != MISSING]
    return any(len(cell) > LONG for cell in filled) or (bool(filled) and not any(map(str.isdigit, "".join(filled))))


def _row(cells: tuple[str, ...], words: Sequence[bool]) -> str:
    shown = [WHOLE.sub(r"<span>\g<0></span>", escape(text)).replace("+", "+<wbr>") for text in cells]
    return "".join(_cell("td", shown[i], words[i], len(text) > LONG) for i, text in enumerate(cells))


def _cell(tag: str, content: str, words: bool, long: bool = False) -> str:
    kind = " ".join(["words"] * words + ["long"] * long)
    return f'<{tag} class="{kind}">{content}</{tag}>' if kind else f"<{tag}>{content}</{tag}>"

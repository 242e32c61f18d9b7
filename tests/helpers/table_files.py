"""What a table's files hold."""

import re


def rows_of(path):
    """Cells of the Markdown table."""
    lines = [line for line in path.with_suffix(".md").read_text().splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[:1] + lines[2:]]


def tex_rows(tex):
    """Cells of all tabulars: a run's line above put before its rows, and what is blank as in the row above."""
    rows = []
    for body in re.findall(r"\\midrule\n(.*?)\\bottomrule", tex, re.S):
        above, last = [], None
        for line in body.strip().splitlines():
            if group := re.match(r"\\multicolumn.*\\emph{(.*)}}", line):
                above, last = [group[1]], None
                continue
            cells = [cell.strip() for cell in re.split(r"(?<!\\)&", line.removesuffix(r"\\"))]
            last = [old if new == "" else new for old, new in zip(last or cells, cells, strict=True)]
            rows.append([*above, *last])
    return rows

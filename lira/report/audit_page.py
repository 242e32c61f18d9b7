"""An audit as one page that opens with its answer, readable without a network."""

import json
from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lira.report.figures._style import SINGLE, STYLE, canvas
from lira.report.figures.roc import draw_roc
from lira.report.labels import percent, show
from lira.report.numbers import MISSING, number, significant
from lira.storage.csv_files import read_csv
from lira.storage.hdf5 import atomic

WORST = 10
"""Number of records to show."""

STYLE_SHEET = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1e293b; margin: 1.5rem auto; max-width: 84rem; padding: 0 1rem; }
h1 { font-size: 1.35rem; line-height: 1.35; border-left: .4rem solid #64748b; padding-left: .8rem; }
h1.leaks { border-color: #b91c1c; } h1.none { border-color: #047857; }
h2 { font-size: 1.05rem; margin: 1.8rem 0 .4rem; }
p, li { max-width: 52rem; } .words { text-align: left; }
div { overflow-x: auto; } img { max-width: 100%; height: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .5rem 0; }
th, td { padding: .2rem .6rem; text-align: right; white-space: nowrap; }
th { background: #f1f5f9; } tbody tr:nth-child(even) { background: #f8fafc; }
"""

ASSUMED = (
    "Records that trained the model and the others are drawn alike: if they differ in kind, by year or by clinic, an "
    "attack may tell the kinds apart, and the model is called leaky though it need not be.",
    "The shadow models are of the recipe and of the size of the data of this model, and the attacker has as many.",
    "Each interval holds with 95 % for this one model, whose records are the trials; another training may leak "
    "otherwise.",
)

NOT_LOOKED_AT = (
    "Other attacks than those below, among them ones that see weights or gradients, and ones that ask the model more "
    "often or with changed records.",
    "Records outside the pool, and reconstruction of records or attributes.",
    "Whether a record's group, or what else is known of it, gives its membership away without the model.",
)

METHOD = (
    "Every shadow model of the run attacks this model. A record is flagged if its score reaches a threshold; that of "
    "an FPR is the median of the thresholds that the shadow models have at it, as targets of each other, so that "
    "this model plays no part in it. TPR and FPR have exact binomial intervals (Clopper and Pearson), AUCs those of "
    "DeLong; the ends of a PPV follow from those of both rates. Whether members are flagged more often is Fisher's "
    "exact test, whether they score higher that of Mann and Whitney; all p-values together are corrected by Holm, "
    "and one below 5 % counts as a leak. A record's p-value is its rank among the shadow models that were trained "
    "without it. What a flag is worth, and its lower bound, follow from how often the shadow models of the run flag "
    "this record rightly and wrongly."
)


def write_page(folder: Path, output: Path) -> None:
    """Writes the page of an audit.

    Args:
        folder: With ``summary.csv``, ``records.csv``, ``groups.csv`` and ``audit.json``.
        output: The page.

    Raises:
        StoreError: A file is missing or damaged.
    """
    summary = read_csv(folder / "summary.csv", "audit")
    records = read_csv(folder / "records.csv", dtype={"id": str, "group": str})
    groups = read_csv(folder / "groups.csv", "groups", dtype={"group": str}).fillna({"group": ""})
    said = json.loads((folder / "audit.json").read_text(encoding="utf-8"))
    kind = {"leaks": "leaks", "no leak found": "none"}.get(said["verdict"], "unknown")
    run = said["run"]
    known = "not known" if said["members"] is None else f"{said['members']:,} of them"
    models, of = said["shadow_models"], "/".join(map(str, [*run.values()][:3])) + f", seed {run['seed']}"
    about = f"{said['predictions']}: attacked on {said['records']:,} records (members: {known})"
    parts = [
        f'<h1 class="{kind}">{escape(said["answer"])}</h1>',
        f"<p>{escape(about)} by {models} shadow models of {escape(of)}.</p>",
        _list("What makes this doubtful", [f"{line[0].upper()}{line[1:]}." for line in said["warnings"]]),
        _section("Attacks", _rates(summary)),
        _section("The most exposed records", _worst(records, summary)),
        _section("By class and group", _groups(groups)),
        _roc(records, said["attacks"]),
        _list("What was assumed", ASSUMED),
        _list("What was not looked at", NOT_LOOKED_AT),
        f"<h2>How it was done</h2><p>{METHOD}</p>",
        "<p>All numbers: summary.csv, records.csv and groups.csv beside this page.</p>",
    ]
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    page = f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>Audit: {escape(said["verdict"])}</title>
<style>{STYLE_SHEET}</style>
{chr(10).join(filter(None, parts))}
</html>
"""
    with atomic(output) as beside:
        beside.write_text(page, encoding="utf-8")


def _rates(summary: pd.DataFrame) -> str:
    """Shows what each attack finds at each FPR, beside chance and the shadow models."""
    prior = summary["prior"].min()
    lead = [] if pd.isna(prior) else ["TPR (%)", "FPR (%)", f"PPV (%) at {percent(prior)} members", "p, corrected"]
    rows = []
    for (attack, fpr), part in summary[summary["fpr"].notna()].groupby(["attack", "fpr"], sort=False):
        at = part.set_index("metric")
        cells = [show(str(attack)), percent(float(fpr)), _ends(at.loc["flagged"])]
        if lead:
            worth = part[(part["metric"] == "ppv") & (part["prior"] == prior)].iloc[0]
            cells += [_ends(at.loc["tpr"]), _ends(at.loc["fpr_achieved"]), _ends(worth)]
            cells += [_p(at.loc["tpr", "p_holm"])]
        shown = at.loc["tpr" if lead else "flagged"]
        cells += [number(100 * shown["chance"], 1), _ends(shown, "shadows_mean", "shadows_low", "shadows_high")]
        rows.append(cells)
    compared = "TPR" if lead else "flagged"
    head = ["Attack", "FPR asked", "Flagged (%)", *lead, f"By chance: {compared} (%)", f"Shadow models: {compared} (%)"]
    areas = summary[summary["metric"] == "auc"]
    text = [
        f"{show(row.attack)} {_ends(areas.loc[row.Index])} (p {_p(row.p_holm)}; shadow models "
        f"{_ends(areas.loc[row.Index], 'shadows_mean', 'shadows_low', 'shadows_high')})"
        for row in areas.itertuples()
    ]
    said = f"<p>AUC, in %, where chance gives 50: {escape('; '.join(text))}.</p>" if text else ""
    note = "<p>In brackets: 95 % intervals; of the shadow models, the span of 95 % of them.</p>"
    return _table(head, rows, 1) + said + note


def _worst(records: pd.DataFrame, summary: pd.DataFrame) -> str:
    """Shows the records that score highest under the attack that tells most at a threshold, or flags most."""
    by_rate = summary[summary["metric"] == ("tpr" if (summary["metric"] == "tpr").any() else "flagged")]
    best = by_rate.sort_values("p_value", kind="stable").iloc[0]["attack"]
    ranked = records.sort_values(f"{best}_score", ascending=False, kind="stable").head(WORST)
    names = [name for name in ("sample", "id", "class", "group", "member") if name in records]
    fprs = sorted(summary["fpr"].dropna().unique())
    worths = [name for name in records if name.startswith("ppv_")]
    rows = []
    for _, row in ranked.iterrows():
        cells = [{1: "yes", 0: "no"}[row[name]] if name == "member" else _plain(row[name]) for name in names]
        flags = [percent(fpr) for fpr in fprs if row[f"{best}_flagged_{fpr:g}"]]
        cells += [
            significant(row[f"{best}_score"]),
            significant(row[f"{best}_p_value"]),
            flags[0] if flags else MISSING,
        ]
        cells += [_worth(row, name) for name in worths[:1] + worths[-1:]]
        if worths:
            at = worths[-1].split("_at_")[1]
            cells += [f"{row[f'tp_at_{at}']:.0f} of {row[f'tp_at_{at}'] + row[f'fn_at_{at}']:.0f}"]
            cells += [f"{row[f'fp_at_{at}']:.0f} of {row[f'fp_at_{at}'] + row[f'tn_at_{at}']:.0f}"]
        rows.append(cells)
    head = [*(name.capitalize() for name in names), "Score", "p of the record", "Flagged from FPR"]
    head += [f"PPV (%), {_of(name)}" for name in worths[:1] + worths[-1:]]
    head += ["Run: detected", "Run: false alarms"] if worths else []
    note = (
        f"The {len(rows)} highest scores under {show(str(best))}. PPV ≥: its lower 95 % bound, of what this record's "
        "flags are worth in the run's shadow models; the records were picked as the most extreme, for which it does "
        "not allow."
    )
    return _table(head, rows, len(names)) + f"<p>{escape(note)}</p>"


def _of(name: str) -> str:
    prior, fpr = name.removeprefix("ppv_").split("_at_")
    return f"{percent(float(prior))} members, {percent(float(fpr))} FPR"


def _worth(row: pd.Series, name: str) -> str:
    if pd.isna(row[name]):
        return MISSING
    return f"{number(100 * row[name], 0)} (≥ {number(100 * row[name.replace('ppv_', 'least_', 1)], 1)})"


def _groups(groups: pd.DataFrame) -> str:
    """Shows the rates of classes and groups at the largest FPR."""
    rows = []
    at = groups[(groups["fpr"] == groups["fpr"].max()) & groups["metric"].isin(["tpr", "fpr_achieved"])]
    for (by, group), part in at.groupby(["by", "group"], sort=False):
        of = part.set_index("metric")
        cells = [str(by), str(group) or "all", f"{part['samples'].iloc[0]:,}"]
        rows.append([*cells, _ends(of.loc["tpr"]), _p(of.loc["tpr", "p_value"]), _ends(of.loc["fpr_achieved"])])
    if not rows:
        return ""
    head = ["By", "Group", "Records", "TPR (%)", "p of its difference", "FPR (%)"]
    note = f"{show(str(at['attack'].iloc[0]))} at the threshold for {percent(at['fpr'].iloc[0])} FPR."
    return _table(head, rows, 2) + f"<p>{escape(note)}</p>"


def _roc(records: pd.DataFrame, attacks: Sequence[str]) -> str:
    if "member" not in records or records["member"].nunique() < 2:
        return ""
    from matplotlib import rc_context

    with rc_context(STYLE):
        drawn = canvas(1.9 * SINGLE, 1.3 * SINGLE)
        axes = drawn.subplots()
        of_one = {name: records[f"{name}_score"].to_numpy()[np.newaxis] for name in attacks}
        draw_roc(axes, of_one, records["member"].to_numpy()[np.newaxis])
        axes.set(xlabel="False alarms: FPR (%)", ylabel="Members found: TPR (%)")
        drawn.legend(*axes.get_legend_handles_labels(), loc="outside right upper")
        content = BytesIO()
        drawn.savefig(content, format="png", dpi=150, metadata={"Software": None})
    picture = b64encode(content.getvalue()).decode()
    alt = "Share of the members that each attack flags, against the share of other records that it flags."
    said = "Thresholds here are chosen on this model's own scores, as no attacker can; those of the table are not."
    return f'<h2>ROC</h2><p>{said}</p><img alt="{alt}" src="data:image/png;base64,{picture}">'


def _ends(row: Any, value: str = "value", low: str = "low", high: str = "high") -> str:
    if pd.isna(row[value]):
        return MISSING if pd.isna(row[low]) else f"{MISSING} [{100 * row[low]:.3g}, {100 * row[high]:.3g}]"
    return f"{100 * row[value]:.3g} [{100 * row[low]:.3g}, {100 * row[high]:.3g}]"


def _p(value: float) -> str:
    return MISSING if pd.isna(value) else "< 0.001" if value < 0.001 else f"{value:.2g}"


def _plain(value: Any) -> str:
    return MISSING if pd.isna(value) else f"{value:g}" if isinstance(value, float) else str(value)


def _section(title: str, content: str) -> str:
    return f"<h2>{title}</h2>{content}" if content else ""


def _list(title: str, lines: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<h2>{title}</h2><ul>{items}</ul>" if items else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], keys: int) -> str:
    """Writes a table whose first ``keys`` columns are words, in a box that scrolls by itself."""

    def line(tag: str, cells: Sequence[str]) -> str:
        kinds = [' class="words"' if place < keys else "" for place in range(len(cells))]
        return "".join(f"<{tag}{kind}>{escape(str(cell))}</{tag}>" for kind, cell in zip(kinds, cells, strict=True))

    body = "".join(f"<tr>{line('td', cells)}</tr>\n" for cells in rows)
    return f"<div><table><thead><tr>{line('th', head)}</tr></thead><tbody>\n{body}</tbody></table></div>"

"""An audit as one page that opens with its answer, readable without a network."""

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lira.evaluation.bootstrap import LEVEL
from lira.report.figures._style import SINGLE, STYLE, canvas
from lira.report.figures.roc import draw_roc
from lira.report.labels import percent, show
from lira.report.numbers import MISSING, ppv, significant
from lira.storage.csv_files import read_csv
from lira.storage.hdf5 import atomic

WORST = 10
"""Number of records to show."""

SHADOWS = ("shadows_mean", "shadows_low", "shadows_high")

STYLE_SHEET = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1e293b; margin: 1.5rem auto; max-width: 84rem; padding: 0 1rem; }
h1 { font-size: 1.35rem; line-height: 1.35; border-left: .4rem solid #64748b; padding-left: .8rem; }
h1.leaks { border-color: #b91c1c; } h1.none { border-color: #047857; }
h2 { font-size: 1.05rem; margin: 1.8rem 0 .4rem; }
p, li, dl { max-width: 56rem; } dt { font-weight: 600; } dd { margin: 0 0 .3rem 1.2rem; } .words { text-align: left; }
div { overflow-x: auto; } img { max-width: 100%; height: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .5rem 0; }
th, td { padding: .2rem .6rem; text-align: right; white-space: nowrap; }
th { background: #f1f5f9; white-space: normal; min-width: 3.5rem; max-width: 10rem; vertical-align: bottom; }
tbody tr:nth-child(even) { background: #f8fafc; }
"""

WORDS = {
    "Members": "the records that the model was trained on. A model leaks if its answers tell which they are.",
    "Shadow models": "models that were trained as this one was, on members that are known. They show what a model says "
    "of a record that it was trained on, and of one that it was not.",
    "Attack": "a rule that gives each record a score from what the model says of it, and flags as members those whose "
    "score reaches a threshold. The threshold is chosen on the shadow models, so that they raise no more false alarms "
    "than asked.",
    "TPR and FPR": "members found, the share of the members that are flagged, and false alarms, the share of the other "
    "records that are flagged. Where the two are equal, the attack knows nothing.",
    "PPV": "how often a flag is right, if so many of the attacked records are members.",
    "p": "how likely a difference at least as large is by chance alone, if the model does not leak.",
    "95 % interval": "in square brackets: the range in which the true value lies, with 95 % confidence.",
}

ASSUMED = (
    "Records that trained the model and the others are drawn alike: if they differ in kind, by year or by clinic, an "
    "attack may tell the kinds apart, and the model is called leaky though it need not be.",
    "The shadow models are of the recipe and of the size of the data of this model, and the attacker has as many.",
    "Each interval holds with 95 % for this one model, whose records are the trials; another training may leak "
    "otherwise.",
)

NOT_LOOKED_AT = (
    "Other attacks than those listed below, among them ones that see weights or gradients, and ones that ask the "
    "model more often or with changed records.",
    "Records outside the pool, and reconstruction of records or attributes.",
    "Whether a record's group, or what else is known of it, gives its membership away without the model.",
)

METHOD = (
    "Every shadow model of the run attacks this model. A record is flagged if its score reaches a threshold; that of "
    "an FPR is the median of the thresholds that the shadow models have at it, as targets of each other, so that this "
    "model plays no part in it. TPR and FPR have exact binomial intervals (Clopper and Pearson), AUCs those of DeLong; "
    "the ends of a PPV follow from those of both rates. Whether members are flagged more often is Fisher's exact test, "
    "whether they score higher that of Mann and Whitney; all p-values together are corrected by Holm, and one below 5 "
    "% counts as a leak; intervals are not corrected. A record's p-value is its rank among the shadow models that were "
    "trained without it. What a flag is worth, and its lower bound, follow from how often the shadow models of the run "
    "flag this record rightly and wrongly."
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
    records = read_csv(folder / "records.csv")
    groups = read_csv(folder / "groups.csv", "groups").fillna({"group": ""})
    said = json.loads((folder / "audit.json").read_text(encoding="utf-8"))
    kind = {"leaks": "leaks", "no leak found": "none"}.get(said["verdict"], "unknown")
    parts = [
        f'<h1 class="{kind}">{escape(_named(said["answer"]))}</h1>',
        f"<p>{escape(_about(said, summary))}</p>",
        _list("What makes this doubtful", [f"{line[0].upper()}{line[1:]}." for line in said["warnings"]]),
        _section("The most exposed records", _worst(records, summary, said["counted_by"])),
        _section("By class and group", _groups(groups)),
        _section("The words used here", _words(summary)),
        _list("What was assumed", ASSUMED),
        _list("What was not looked at", NOT_LOOKED_AT),
        _section("Every attack", _rates(summary) + _areas(summary)),
        _roc(records, said["attacks"]),
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


def _named(answer: str) -> str:
    """Names the attack of an answer as the tables do."""
    return re.sub(r"the attack (\w+)", lambda found: f"the attack {show(found[1])}", answer)


def _about(said: dict[str, Any], summary: pd.DataFrame) -> str:
    """Says what was attacked by what, and whether the run's shadow models leak as much."""
    run, attacks = said["run"], len(said["attacks"])
    of = "/".join(map(str, [*run.values()][:3])) + f", seed {run['seed']}"
    known = "which of them are members is not known" if said["members"] is None else f"{said['members']:,} members"
    text = f"{said['predictions']}: {said['records']:,} records, {known}. Attacked by {said['shadow_models']} shadow "
    text += f"models of {of}, {'with one attack' if attacks == 1 else f'with {attacks} attacks'}."
    row = _telling(summary)
    if pd.isna(row["among_shadows"]):
        return text
    metric = {"tpr": "TPR", "flagged": "share of flagged records"}[row["metric"]]
    usual = "Yes" if (1 - LEVEL) / 2 <= row["among_shadows"] <= (1 + LEVEL) / 2 else "No"
    return (
        f"{text} Is it an ordinary model of this kind? {usual}: the {metric} of {show(str(row['attack']))} at the "
        f"threshold for {percent(row['fpr'])} FPR is above {percent(round(row['among_shadows'], 2))} of the shadow "
        "models'."
    )


def _telling(summary: pd.DataFrame) -> pd.Series:
    """Returns the threshold that tells members apart best, or else that flags most at the largest FPR."""
    rates = summary[summary["metric"] == "tpr"]
    if rates["p_value"].notna().any():
        return rates.sort_values("p_value", kind="stable").iloc[0]
    flags = summary[summary["metric"] == "flagged"]
    return flags[flags["fpr"] == flags["fpr"].max()].sort_values("value", kind="stable").iloc[-1]


def _words(summary: pd.DataFrame) -> str:
    known = WORDS if summary["p_value"].notna().any() else {name: WORDS[name] for name in WORDS if name != "p"}
    return f"<dl>{''.join(f'<dt>{name}</dt><dd>{escape(said)}</dd>' for name, said in known.items())}</dl>"


def _rates(summary: pd.DataFrame) -> str:
    """Shows what each attack finds at each FPR, beside chance and the shadow models."""
    prior = summary["prior"].min()
    lead = ["Flagged (%)"] if pd.isna(prior) else ["TPR (%)", "FPR (%)", f"PPV (%) at {percent(prior)} members", "p"]
    rows = []
    for (attack, fpr), part in summary[summary["fpr"].notna()].groupby(["attack", "fpr"], sort=False):
        at = part.set_index("metric")
        cells = [show(str(attack)), percent(float(fpr))]
        if pd.isna(prior):
            cells += [_ends(at.loc["flagged"])]
        else:
            worth = part[(part["metric"] == "ppv") & (part["prior"] == prior)].iloc[0]
            cells += [_ends(at.loc["tpr"]), _ends(at.loc["fpr_achieved"]), _ends(worth), _p(at.loc["tpr", "p_holm"])]
        shown = at.loc["flagged" if pd.isna(prior) else "tpr"]
        rows.append([*cells, significant(100 * shown["chance"]), _ends(shown, *SHADOWS)])
    compared = lead[0].removesuffix(" (%)")
    head = ["Attack", "FPR asked", *lead, f"{compared} by chance (%)", f"{compared} of the shadow models (%)"]
    note = (
        "<p>FPR asked: what the threshold allows on the shadow models. By chance: if as many flags fell at random. Of "
        "the shadow models: mean and the span of 95 % of them. p: corrected for all tests on this page together.</p>"
    )
    return _table(head, rows, 1) + note


def _areas(summary: pd.DataFrame) -> str:
    """Shows the AUCs."""
    areas = summary[summary["metric"] == "auc"].set_index("attack", drop=False)
    rows = [
        [show(str(row["attack"])), _ends(row), _p(row["p_holm"]), _ends(row, *SHADOWS)] for _, row in areas.iterrows()
    ]
    said = "AUC: how often a member scores above another record, at no threshold; 50 % by chance."
    head = ["Attack", "AUC (%)", "p", "AUC of the shadow models (%)"]
    return _table(head, rows, 1) + f"<p>{said}</p>" if rows else ""


def _worst(records: pd.DataFrame, summary: pd.DataFrame, counted_by: str) -> str:
    """Shows the records that score highest under the attack that tells most at a threshold, or flags most."""
    best, of = _telling(summary)["attack"], "scores"
    if "member" in records and (records["member"] == 1).any():
        records, of = records[records["member"] == 1], "scores of members"
    ranked = records.sort_values(f"{best}_score", ascending=False, kind="stable").head(WORST)
    names = [name for name in ("id" if "id" in records else "sample", "class", "group") if name in records]
    fprs = sorted(summary["fpr"].dropna().unique())
    worths = [name for name in records if name.startswith("ppv_")]
    rows = []
    for _, row in ranked.iterrows():
        cells = [_plain(row[name]) for name in names]
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
    head = [*(name.capitalize() for name in names), "Score", "p of the record", "Flagged from which FPR on"]
    head += [f"PPV (%) at {_of(name)}" for name in worths[:1] + worths[-1:]]
    head += ["Found in shadow models", "False alarms in shadow models"] if worths else []
    note = (
        f"The {len(rows)} highest {of} under {show(str(best))}; all are in records.csv. p of the record: its rank "
        "among the shadow models that were not trained on it, no smaller than their number allows."
    )
    worth = (
        f" The columns to the right say how a record fares in the run's shadow models under {show(counted_by)}: in how "
        "many of those that were trained on it it is flagged, in how many of the others, and how often a flag of it is "
        "right (≥: at least, the lower 95 % bound, which does not allow for the records being picked as the most "
        "extreme)."
    )
    return _table(head, rows, len(names)) + f"<p>{escape(note + (worth if worths else ''))}</p>"


def _of(name: str) -> str:
    prior, fpr = name.removeprefix("ppv_").split("_at_")
    return f"{percent(float(prior))} members and {percent(float(fpr))} FPR"


def _worth(row: pd.Series, name: str) -> str:
    return ppv(row[name], row[name.replace("ppv_", "least_", 1)])


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
    head = ["By", "Group", "Records", "TPR (%)", "p of a difference", "FPR (%)"]
    note = (
        f"{show(str(at['attack'].iloc[0]))} at the threshold for {percent(at['fpr'].iloc[0])} FPR. p of a difference: "
        "that its TPR is another than that of all by chance alone; for all, that any group's is."
    )
    return _table(head, rows, 2) + f"<p>{escape(note)}</p>"


def _roc(records: pd.DataFrame, attacks: Sequence[str]) -> str:
    if "member" not in records or records["member"].nunique() < 2:
        return ""
    from matplotlib import rc_context

    with rc_context(STYLE):
        drawn = canvas(1.9 * SINGLE, 1.1 * SINGLE)
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
    title = "Members found at every rate of false alarms (ROC)"
    return f'<h2>{title}</h2><p>{said}</p><img alt="{alt}" src="data:image/png;base64,{picture}">'


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


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], keys: int) -> str:
    """Writes a table, in a box that scrolls by itself, without columns in which nothing is known.

    The first ``keys`` columns are words.
    """
    known = [place for place in range(len(head)) if any(cells[place] != MISSING for cells in rows)]

    def line(tag: str, cells: Sequence[str]) -> str:
        kinds = ((' class="words"' if place < keys else "", cells[place]) for place in known)
        return "".join(f"<{tag}{kind}>{escape(str(cell))}</{tag}>" for kind, cell in kinds)

    body = "".join(f"<tr>{line('td', cells)}</tr>\n" for cells in rows)
    return f"<div><table><thead><tr>{line('th', head)}</tr></thead><tbody>\n{body}</tbody></table></div>"

"""Cards of single records: the record, φ under models trained with it and without it, and the PPV of a flag."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from lira.evaluation.records import attacks_of, logits_of
from lira.report.catalogue import Entry
from lira.report.figures._pictures import Pictures
from lira.report.figures._style import DOUBLE, MEMBERSHIP, Style, canvas, legend_below, plain
from lira.report.labels import percent, show
from lira.report.numbers import numbers, ppv
from lira.report.records import COUNT, cards_of, of_all, priors_of
from lira.report.runs import in_order
from lira.storage.run import Run

ENTRY = Entry(
    title="The most exposed records",
    category="Answer",
    drawn_from="network seeds",
    files=("samples.csv", "metrics.csv", "privacy.csv"),
    samples="any",
    caption=(
        "The records that most runs find highly vulnerable (fp = 0, tp ≥ 1) at the smallest FPR that their pools "
        "resolve, with a line per run and attack: φ of every model trained with the record and of every model trained "
        "without it, how many of each flag it, the PPV of its own rates at each prior with its lower bound at 95 % "
        "confidence, and the largest ε that its counts refute, for all records and attacks of a run together. The "
        "records are picked as the most exposed of the whole pool, and the bounds of the PPV do not allow for that "
        "choice: each holds for a record named beforehand; for the most extreme of many, the confidence is below 95 %. "
        "A PPV of 100 % in one run rests on few models. ``lira record`` shows any other record."
    ),
)

COLOURS = {
    "IN: models trained with the record; bar: median": MEMBERSHIP["IN"],
    "OUT: models trained without the record; bar: median": MEMBERSHIP["OUT"],
}

PAGE, LINE, HEAD = 9, 0.19, 0.75
"""Heights of a page, of a run's line, and of a card without its lines, in inches."""

NARROW, WIDE = 40, 58
"""Widths of a column of counts and of one of PPVs, in points."""


def figure(
    runs: Sequence[Run],
    data: Path | None = None,
    sample: int | None = None,
    fpr: float | None = None,
    count: int = COUNT,
) -> Figure:
    """Draws a card per record with a line per run: φ averaged over views, counts over targets, PPV and lower bound.

    Args:
        runs: The runs of one pool.
        data: The dataset's file, to show the record.
        sample: Index in the pool; the most exposed records if not given.
        fpr: Target FPR; the smallest that the pools resolve if not given.
        count: Number of records to show if none is named, as far as they fit a page.
    """
    runs = in_order(runs)
    attacks = attacks_of(runs)
    height = HEAD + LINE * len(runs) * len(attacks)
    rows = cards_of(runs, sample, fpr, max(1, min(count, int(PAGE / height))))
    pictures = Pictures(data, runs, tabular=True) if data is not None else None
    records = [of_record for _, of_record in rows.groupby("record", sort=False)]
    drawn = canvas(DOUBLE, 0.5 + len(records) * height)
    first = rows.iloc[0]
    names = " and ".join(map(show, attacks))
    title = f"{show(first['dataset'])}, {names} at shadow thresholds for {percent(first['fpr'])} FPR"
    drawn.suptitle(title, fontsize=8)
    for part, of_record in zip(drawn.subfigures(len(records), 1, squeeze=False)[:, 0], records, strict=True):
        draw_card(part, of_record, runs, pictures)
    legend_below(drawn, 2)
    return drawn


def draw_card(part: SubFigure, rows: pd.DataFrame, runs: Sequence[Run], pictures: Pictures | None) -> None:
    """Draws the card of one record."""
    record, label = rows["record"].iloc[0], rows["class"].iloc[0]
    label = rows["class_name"].iloc[0] if "class_name" in rows else f"class {label:.0f}" if pd.notna(label) else ""
    title = plain("\n".join(filter(None, [f"#{record}", rows["id"].iloc[0] if "id" in rows else "", label])))
    if pictures is None:
        panel = part.subplots()
        panel.set_title(title.replace("\n", ", "), loc="left", pad=24)
    else:
        [[aside, body]] = part.subfigures(1, 2, squeeze=False, width_ratios=[1, 10])
        place, panel = aside.subplots(), body.subplots()
        place.axis("off")
        place.set_title(title, loc="left")
        pictures.draw(place, record)
    draw_models(panel, runs, record, rows)
    columns = {"detected": of_all(rows["tp"], rows["fn"]), "false\nalarms": of_all(rows["fp"], rows["tn"])}
    for prior in priors_of(rows):
        pairs = zip(rows[f"ppv_{prior:g}"], rows[f"least_{prior:g}"], strict=True)
        columns[f"PPV (%)\nat {percent(prior)}"] = [ppv(*pair) for pair in pairs]
    write_columns(panel, columns | {"ε ≥": numbers(rows["epsilon"], 2)})


def draw_models(axes: Axes, runs: Sequence[Run], record: int, rows: pd.DataFrame) -> None:
    """Draws φ of each run's models in the line of its first attack: a tick per model, IN above OUT, bars at medians."""
    several = len(rows) // len(runs)
    first = np.arange(len(rows)) % several == 0
    lines, attacks = np.char.add("line ", np.arange(len(rows)).astype(str)), rows["attack"].map(show)
    labels = np.where(first, rows["run"] + ", " + attacks, attacks) if several > 1 else rows["run"]
    found = [pd.DataFrame({"phi": phi, "member": member}) for phi, member in (logits_of(run, record) for run in runs)]
    models = pd.concat(found, keys=lines[first], names=["run"]).reset_index("run")
    models["member"] = models["member"].map(dict(zip((True, False), COLOURS, strict=True)))
    style = {"x": "phi", "y": "run", "orient": "h", "order": lines, "marker": "|", "ax": axes}
    style |= {"hue": "member", "hue_order": COLOURS, "palette": COLOURS}
    sns.stripplot(models, jitter=False, dodge=True, size=4, linewidth=0.5, legend=False, **style)
    median = {"estimator": "median", "errorbar": None, "dodge": 0.4, "linestyle": "none"}
    sns.pointplot(models, markersize=7, markeredgewidth=2, **median, **style)
    if legend := axes.get_legend():
        legend.remove()
    axes.set_yticks(range(len(rows)), labels)
    axes.set(ylim=(len(rows) - 0.5, -0.5), xlabel="φ, mean over views", ylabel="")
    axes.tick_params(axis="y", length=0)


def write_columns(axes: Axes, columns: dict[str, list[str]]) -> None:
    """Writes columns of text to the right of the lines."""
    right = 0
    for heading, cells in columns.items():
        width = WIDE if heading.startswith("PPV") else NARROW
        style: Style = {"textcoords": "offset points", "ha": "center", "fontsize": 7, "annotation_clip": False}
        at = right + width / 2
        axes.annotate(heading, (1, 1), (at, 4), xycoords="axes fraction", va="bottom", **style)
        for y, cell in enumerate(cells):
            axes.annotate(cell, (1, y), (at, 0), xycoords=axes.get_yaxis_transform(), va="center", **style)
        right += width

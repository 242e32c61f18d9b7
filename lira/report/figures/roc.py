"""ROC of all attacks on logarithmic axes: mean over targets with a band, chance, and FPRs that are not resolved."""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Annotated, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lira.core.errors import ConfigError, DataError
from lira.core.validation import ArrayLike, check_scores, check_scores_by_attack, quoted
from lira.evaluation.roc import curve_over_targets, tpr_by_chance
from lira.report.catalogue import Entry
from lira.report.figures import _style
from lira.report.figures._style import DOUBLE, SINGLE, attack_colours, canvas, fewest_gaps, legend_below
from lira.report.labels import show
from lira.report.runs import SERIES, in_order
from lira.storage.run import Run

ENTRY = Entry(
    title="ROC of all attacks",
    category="Answer",
    drawn_from="benchmarks",
    files=("scores.h5",),
    reads_scores=True,
    caption=(
        "ROC of all attacks on logarithmic axes: mean and middle half of the targets. Hatched: FPRs below one false "
        "positive, which the pool cannot resolve. Dotted: chance, the curve of scores that say nothing."
    ),
)

POINTS = 400
TITLES = 108
"""Characters of titles that fit side by side; in longer titles the dataset has a line of its own."""


def figure(runs: Sequence[Run]) -> Figure:
    """Draws a panel per run: TPR against FPR, mean and middle half of the targets."""
    runs = in_order(runs)
    columns = fewest_gaps(len(runs), 3, 4)
    rows = ceil(len(runs) / columns)
    names = [[show(run.key[name]) for name in SERIES] for run in runs]
    titles = [" ".join(parts) for parts in names]
    if max(map(len, titles)) > TITLES // max(columns, 3):
        titles = ["\n".join((dataset, " ".join(rest))) for dataset, *rest in names]
    heading = 0.14 * titles[0].count("\n")
    drawn = canvas(
        SINGLE if columns == 1 else DOUBLE, 1.0 + rows * (heading + (2.4 if columns == 1 else 5.6 / columns))
    )
    body = drawn.subfigures(squeeze=False)[0, 0]
    panels = body.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes, run, title in zip(panels.flat, runs, titles, strict=False):
        draw_run(axes, run)
        axes.set_title(title)
    for axes in panels.flat[len(runs) :]:
        axes.remove()
    for axes in panels.flat[max(0, len(runs) - columns) : len(runs)]:
        axes.tick_params(labelbottom=True)
    body.supxlabel("FPR (%)", fontsize=8)
    body.supylabel("TPR (%)", fontsize=8)
    legend_below(drawn, 3 if columns > 1 else 2)
    return drawn


def draw_run(axes: Axes, run: Run) -> None:
    """Draws the ROC of one run."""
    with run.scores() as file:
        known = _style.ATTACKS
        names = [*(name for name in known if name in file), *sorted(set(file) - {*known, "member"})]
        draw_roc(axes, {name: file[name] for name in names}, file["member"][:])  # reads one attack at a time


def plot_roc(
    scores: Mapping[str, Annotated[ArrayLike, "target sample"]],
    member: Annotated[ArrayLike, "target sample"],
    axes: Axes | None = None,
) -> Axes:
    """Draws the ROC of one attack or more in the style of the suite's figures, both axes logarithmic.

    A line is the mean over targets, its band their middle half; the dotted line is the curve of scores that say
    nothing. In the hatched region, below one false positive among a target's non-members, FPRs are not resolved.

    Args:
        scores: Scores of each attack, a row per target, as :func:`lira.leave_one_out` returns them.
        member: True where the sample trained the target.
        axes: Where to draw; the axes of a new figure of pyplot if not given.

    Returns:
        The axes, whose ``figure`` can be saved.

    Raises:
        DataError: There are no scores, shapes do not match, a score is NaN, or a target lacks members or non-members.
        ConfigError: ``axes`` are no axes of matplotlib.
    """
    from matplotlib import pyplot, rc_context

    if not isinstance(axes, Axes | None):
        raise ConfigError(f"axes is {quoted(axes)}: allowed is one Axes of matplotlib")
    with rc_context(_style.STYLE):
        axes = pyplot.figure(figsize=(SINGLE, 1.3 * SINGLE)).subplots() if axes is None else axes
        draw_roc(axes, scores, member)
        axes.set(xlabel="FPR (%)", ylabel="TPR (%)")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15))
    return axes


def draw_roc(axes: Axes, scores: Mapping[str, Any], member: Any) -> None:
    """Draws the curves of :func:`plot_roc` with chance and the hatched region; reads one attack's scores at a time."""
    member = check_scores_by_attack(scores, member)
    if not scores or not member.size:
        raise DataError(f"scores of {len(scores)} attacks and member {member.shape}: one or more of each are needed")
    colours = attack_colours([*scores])
    outside = max(1, (~member).sum(axis=1).mean())
    floor = 1 / outside
    grid = np.geomspace(floor / 4, 1, POINTS)
    for attack, stored in scores.items():
        values, _ = check_scores(stored, member, of=f" of {attack}")
        mean, low, high = curve_over_targets(grid, values, member)
        axes.plot(grid, mean, _style.dashes(attack), color=colours[attack], label=show(attack), zorder=3)
        axes.fill_between(grid, low, high, where=grid >= floor, color=colours[attack], alpha=0.2, linewidth=0)
    axes.plot(grid, tpr_by_chance(grid, outside), label="Chance", zorder=4, **_style.CHANCE)
    shade: _style.Style = {"facecolor": "none", "edgecolor": _style.GREY, "linewidth": 0}
    shade |= {"hatch": "/////", "hatch_linewidth": 0.4}
    axes.axvspan(grid[0], floor, label="Not resolved: FPR below 1 / non-members", **shade)
    axes.set(xscale="log", yscale="log", xlim=(grid[0], 1), ylim=(grid[0], 1.05))
    _style.plain_log(axes.xaxis, percent=True)
    _style.plain_log(axes.yaxis, percent=True)

"""The style that all figures share."""

from collections.abc import Sequence
from textwrap import fill
from typing import Any

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from lira.evaluation.best import BEST

Style = dict[str, Any]
"""Keyword arguments of what draws."""

SINGLE, DOUBLE = 3.4, 7.0
"""Widths of one and of two columns, in inches."""

DPI = 250
BLACK, GREY = "#000000", "#7f7f7f"
BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
ATTACKS = {"online": BLUE, "online_fixed": SKY, "offline": VERMILION, "offline_fixed": ORANGE, "global": GREY}
ATTACKS |= {"rmia": GREEN, "rmia_offline": GREEN, "base": PURPLE, "base_offline": PURPLE}
ATTACKS |= {"moderated": BLACK, "offline_moderated": BLACK, "reference": "#999933"}
OWN = ("#882255", "#661100", "#332288")
"""Colours of the user's own attacks."""

DASHED = ("rmia_offline", "base_offline", "offline_moderated")
REGIMES = {"baseline": VERMILION, "weak": ORANGE, "aof": BLUE, "tl": GREEN}
MEMBERSHIP = {"IN": ORANGE, "OUT": BLUE}
VARIANTS, MIXED = (VERMILION, ORANGE, GREEN, PURPLE, SKY, BLUE), ("#4d4d4d", GREY, "#b3b3b3")
"""Colours of scenarios with one variant among the runs, and with several."""

CHANCE: Style = {"color": BLACK, "linestyle": ":", "linewidth": 0.9}
"""Style of every line that shows what chance alone gives."""

LINE: Style = {"errorbar": None, "legend": False, "markeredgecolor": "auto", "markeredgewidth": 1}
"""Makes a line of seaborn look like matplotlib's own: markers without white edges, and no legend of its own."""

WIDE = 20
"""An axis whose values span more than this factor is logarithmic."""

MARKERS = "osD^vPX<>*"

STYLE: dict[Any, Any] = {
    "figure.constrained_layout.use": True,
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
}


def canvas(width: float, height: float) -> Figure:
    """Returns an empty figure of this size in inches, unknown to pyplot."""
    return Figure(figsize=(width, height))


def regime_colours(regimes: Sequence[str]) -> dict[str, str]:
    """Returns a colour per regime: fixed for those of the paper, the remaining colours for the others."""
    left = (PURPLE, SKY, BLACK, GREY)
    others = [regime for regime in dict.fromkeys(regimes) if regime not in REGIMES]
    return REGIMES | {regime: left[i % len(left)] for i, regime in enumerate(others)}


def attack_colours(attacks: Sequence[str]) -> dict[str, str]:
    """Returns a colour per attack: fixed for the suite's, and others for the user's own, by name.

    Args:
        attacks: All attacks of the study, also those that are not shown, so that colours are the same in every figure.
    """
    others = sorted({*attacks} - {*ATTACKS, BEST})
    return ATTACKS | {attack: OWN[i % len(OWN)] for i, attack in enumerate(others)}


def dashes(attack: str) -> str:
    """Returns the style of an attack's line: solid and dashed for the suite's, dots between dashes for the user's."""
    return "--" if attack in DASHED else "-" if attack in ATTACKS else "-."


def plain(name: object) -> str:
    """Returns a name as text in which no part is set as mathematics."""
    return str(name).replace("$", r"\$")


def plain_log(axis: Axis, percent: bool = False, subs: Sequence[float] = (1,)) -> None:
    """Labels a logarithmic axis with plain numbers, at ``subs`` times powers of ten; with ``percent``, in percent."""
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value if percent else value:g}"))
    axis.set_minor_formatter(NullFormatter())


def spread_scale(axes: Axes, values: Sequence[float]) -> None:
    """Makes the y axis logarithmic if the values span a wide range; symmetrically so if they change sign."""
    low, high = min(values), max(values)
    if low > 0 and high / low > WIDE:
        axes.set_yscale("log")
        plain_log(axes.yaxis, subs=(1, 2, 5))
    elif low <= 0 and high > WIDE:
        axes.set_yscale("symlog", linthresh=1)
        axes.yaxis.set_major_formatter("{x:g}")


def fewest_gaps(panels: int, *columns: int) -> int:
    """Returns which of the numbers of columns leaves the fewest places empty; at most the number of panels."""
    return min(panels, min(columns, key=lambda across: -panels % across))


def in_lines(name: str, width: int) -> str:
    """Breaks a run's name into lines of at most ``width`` characters, between words but not inside ``seed 1``."""
    kept = name.replace("seed ", "seed\u00a0")
    return fill(kept, width, break_long_words=False, break_on_hyphens=False).replace("\u00a0", " ")


def legend_below(figure: Figure, columns: int, **kwargs: Any) -> None:
    """Draws one legend under all panels of a figure, with every label once."""
    panels = [zip(*axes.get_legend_handles_labels(), strict=True) for axes in figure.get_axes()]
    once = {label: handle for panel in panels for handle, label in panel}
    figure.legend(once.values(), once.keys(), loc="outside lower center", ncols=columns, **kwargs)

"""The catalogue of tables and figures: what each one shows, which results it needs, and where the report has it.

Each module of ``lira/report/tables`` and ``lira/report/figures`` describes itself in its ``ENTRY``. The rules of the
workflow and the pages of the report are made from these entries, so adding a table or figure takes one file. A module
without an entry is in no study; ``lira tabulate`` or ``lira plot`` makes it.

An entry is written in literals and read without running its module: the drawing libraries take seconds to import, and
Snakemake reads the whole catalogue at every start.
"""

import ast
import re
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from lira.core.errors import ConfigError
from lira.core.validation import check_choice

CATEGORIES = {
    "Audits": "whether a given model leaks, and which of its records",
    "Answer": "what leaks in each run, how sure that is, and the most exposed records",
    "Claims": "what the paper says, tested on this study",
    "Study": "what was trained",
    "Utility": "how well the models do, and what their overfitting says of the leak",
    "Attacks": "how many members each attack finds",
    "Calibration": "what an attacker finds with thresholds from shadow models alone, and what a flag is worth",
    "Agreement": "whether the same records are found again with another seed, recipe or attack",
    "Records": "single records, classes and groups",
    "Provenance": "how each run was made",
}
"""Sections of the report, in its order, and what they answer."""

Kind = Literal["tables", "figures"]
FUNCTIONS: dict[Kind, str] = {"tables": "table", "figures": "figure"}
"""Name of the function that makes the table or figure, by the folder of its module."""

SUFFIXES: dict[Kind, tuple[str, ...]] = {"tables": (".csv", ".tex", ".md", ".html"), "figures": (".pdf", ".png")}
"""The files of a table or figure, by its folder; the report shows the last of them."""

Source = Literal[
    "runs",
    "benchmarks",
    "seeds",
    "ablation",
    "transfer",
    "network",
    "network seeds",
    "comparison",
    "reference",
]
"""The results that a table or figure is made from.

=============  ====================================================================================================
runs           the first seed of every run
benchmarks     the first seed of every run, without the runs that only the ablation has
seeds          every seed of every run
ablation       the first seed of each run that the study file lists under ``ablation``
transfer       the first seed of each run that the study file lists under ``transfer``
network        one per dataset and architecture: the first seed of each of its benchmarks
network seeds  one per dataset and architecture: every seed of each of its benchmarks
comparison     one per comparison of runs: its folder ``agreement/<run>``
reference      one per comparison of runs: every seed of its reference run
=============  ====================================================================================================
"""

Samples = Literal["", "pictures", "pictures alone", "any"]
"""Whether samples of the dataset are drawn too.

``pictures``: if they are images. ``pictures alone``: if they are images; without images the figure is not made at all.
``any``: always, tabular samples as a grid of their features.
"""


@dataclass(frozen=True)
class Entry:
    """What the workflow and the report must know of a table or figure.

    Attributes:
        title: Its title in the report and on its page.
        category: Its section of the report, one of :data:`CATEGORIES`.
        caption: The text beside it in the report, in reStructuredText.
        drawn_from: The results that it is made from, see :data:`Source`.
        files: Files that it reads of each run, or of the comparison. ``shadows.h5`` of every run is always read.
        paper: Its number in the paper, if it has one, e.g. ``Table 7–10, 12``.
        at_fprs: Whether one is made for each FPR of the study.
        by_attack: Whether one is made for each attack by which the study counts records; only of what is drawn from a
            comparison.
        reference_files: Files that it also reads of every seed of a comparison's reference run.
        compared_files: Files that it also reads of all runs of a comparison.
        samples: Whether it needs the prepared dataset, see :data:`Samples`.
        sample: Whether it shows the study's ``sample``.
        setting: Setting of the study without which it is not made.
        reads_scores: Whether it reads the scores of many runs, which takes so long that on a cluster it is a job of
            its own.
        kind: The folder of its module; the catalogue adds it.
        name: The name of its module; the catalogue adds it.
    """

    title: str
    category: str
    caption: str
    drawn_from: Source
    files: tuple[str, ...]
    paper: str = ""
    at_fprs: bool = False
    by_attack: bool = False
    reference_files: tuple[str, ...] = ()
    compared_files: tuple[str, ...] = ()
    samples: Samples = ""
    sample: bool = False
    setting: str = ""
    reads_scores: bool = False
    kind: Kind = "tables"
    name: str = ""

    @property
    def heading(self) -> str:
        """The title, after the number in the paper if there is one."""
        return f"{self.paper}: {self.title}" if self.paper else self.title

    @property
    def place(self) -> tuple[int, bool, str, int, str]:
        """Sort key: category, then the entries with a number in the paper by this number, then the others by title."""
        numbered = re.match(r"(\w+) (\d+)", self.paper)
        word, number = (numbered[1], int(numbered[2])) if numbered else ("", 0)
        return [*CATEGORIES].index(self.category), not numbered, word, number, self.title


def list_modules(kind: Kind) -> list[str]:
    """Lists the names of all tables, or of all figures."""
    return sorted(path.stem for path in _folder(kind).glob("*.py") if not path.stem.startswith("_"))


@cache
def entries() -> tuple[Entry, ...]:
    """Returns all entries, in the order of the report.

    Raises:
        ConfigError: An entry is not written in literals, or lacks something.
    """
    found = [entry for kind in FUNCTIONS for name in list_modules(kind) if (entry := entry_of(kind, name))]
    return tuple(sorted(found, key=lambda entry: entry.place))


@cache
def entry_of(kind: Kind, name: str) -> Entry | None:
    """Returns the entry of one table or figure; ``None`` if its module has none.

    Raises:
        ConfigError: as :func:`entries`.
    """
    path = _folder(kind) / f"{name}.py"
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["ENTRY"]:
            return replace(_read(node.value, path), kind=kind, name=name)
    return None


def _read(call: ast.expr, path: Path) -> Entry:
    try:
        if not isinstance(call, ast.Call) or call.args:
            raise ValueError("it is not a call of Entry with named arguments")
        entry = Entry(**{str(argument.arg): ast.literal_eval(argument.value) for argument in call.keywords})
        check_choice(entry.category, "category", CATEGORIES)
        check_choice(entry.drawn_from, "drawn_from", get_args(Source))
        check_choice(entry.samples, "samples", get_args(Samples))
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{path}: ENTRY cannot be read without running the module: {error}") from None
    return entry


def _folder(kind: Kind) -> Path:
    return Path(__file__).parent / kind

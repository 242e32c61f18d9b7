"""The catalogue of tables and figures: what each shows, what it is drawn from, and where it stands in the report.

Each module of ``lira/report/tables`` and ``lira/report/figures`` says all about itself in its ``ENTRY``; the rules of
the workflow and the pages of the report are made from these, so that a table or figure of one's own is one file. A
module without an entry is made by hand alone (``lira tabulate``, ``lira plot``).

An entry is written in literals and read without running its module, because the libraries that draw take seconds to
import and every start of Snakemake reads the whole catalogue.
"""

import ast
import re
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from lira.core.errors import ConfigError
from lira.core.validation import check_choice

CATEGORIES = ("Verdict", "Study", "Utility", "Attacks", "Calibration", "Agreement", "Records", "Provenance")
"""Parts of the report, in the paper's order."""

Kind = Literal["tables", "figures"]
FUNCTIONS: dict[Kind, str] = {"tables": "table", "figures": "figure"}
"""The function that makes the table or figure, by the folder of its module."""

Source = Literal[
    "runs", "benchmarks", "seeds", "ablation", "transfer", "network", "comparison", "reference", "compared"
]
"""What a table or figure is drawn from.

==========  ====================================================================================================
runs        the first seed of every run
benchmarks  the first seed of every run but those of the ablation alone
seeds       every seed of every run
ablation    the first seed of the runs of the study's ``ablation``
transfer    the first seed of the runs of the study's ``transfer``
network     one is drawn per dataset and architecture: the first seed of its runs among the benchmarks
comparison  one is drawn per comparison of runs: what was measured on them, ``agreement/<run>``
reference   one is drawn per comparison: its reference run, every seed
compared    one is drawn per comparison: its reference run, every seed, and its variants, the first
==========  ====================================================================================================
"""

Samples = Literal["", "pictures", "pictures alone", "any"]
"""Samples that are drawn too: where they are pictures; where they are, and else nothing is drawn; whatever they are."""


@dataclass(frozen=True)
class Entry:
    """What the workflow and the report know of a table or figure.

    Attributes:
        title: What it is called in the report and on its page.
        category: Its part of the report, one of :data:`CATEGORIES`.
        caption: What the report says beside it, in reStructuredText.
        drawn_from: See :data:`Source`.
        files: The files of each run, or of the comparison, that it reads, besides ``shadows.h5`` of all runs.
        paper: Its number in the paper, as ``Table 7–10, 12``, if it has one.
        at_fprs: Whether one is made at each of the study's FPRs.
        reference_files: Of a comparison: files of its reference run that are read as well, every seed.
        compared_files: Of a comparison: files of all its runs that are read as well.
        samples: Whether it needs the prepared dataset, see :data:`Samples`.
        sample: Whether it shows the study's ``sample``.
        reads_scores: Whether it reads the scores of many runs: then it is a job on a cluster instead of seconds where
            Snakemake runs.
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
    reference_files: tuple[str, ...] = ()
    compared_files: tuple[str, ...] = ()
    samples: Samples = ""
    sample: bool = False
    reads_scores: bool = False
    kind: Kind = "tables"
    name: str = ""

    @property
    def heading(self) -> str:
        """The title after its number in the paper."""
        return f"{self.paper}: {self.title}" if self.paper else self.title

    @property
    def place(self) -> tuple[int, bool, str, int, str]:
        """What entries are sorted by: category, then the paper's figures and tables by number, then the others."""
        numbered = re.match(r"(\w+) (\d+)", self.paper)
        word, number = (numbered[1], int(numbered[2])) if numbered else ("", 0)
        return CATEGORIES.index(self.category), not numbered, word, number, self.title


def list_modules(kind: Kind) -> list[str]:
    """Names of the tables, or of the figures, there are."""
    return sorted(path.stem for path in _folder(kind).glob("*.py") if not path.stem.startswith("_"))


@cache
def entries() -> tuple[Entry, ...]:
    """All entries, as the report has them.

    Raises:
        ConfigError: an entry that is not written in literals, or lacks something.
    """
    found = [entry for kind in FUNCTIONS for name in list_modules(kind) if (entry := entry_of(kind, name))]
    return tuple(sorted(found, key=lambda entry: entry.place))


@cache
def entry_of(kind: Kind, name: str) -> Entry | None:
    """The entry of one table or figure, if its module has one.

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

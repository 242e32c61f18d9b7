"""Tells the rules which tables and figures a study has, their inputs and their captions in the report.

The rules made from the catalogue ask here; all other rules ask :class:`lira.workflow.Plan`.
"""

import csv
import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cached_property
from itertools import product
from pathlib import Path
from string import ascii_lowercase
from typing import Any

from lira.paper.benchmarks import comparable_tables
from lira.report.catalogue import CATEGORIES, SUFFIXES, Entry, Kind, entries
from lira.report.labels import percent, show
from lira.report.verdict_entries import VERDICT
from lira.workflow import Comparisons, Files, Plan, option, run_key

COMMANDS: dict[Kind, str] = {"tables": "tabulate", "figures": "plot"}
"""The command that makes a table or figure."""

OF_COMPARISONS = ("comparison", "reference")
"""What is drawn once per comparison of runs."""


OF_NETWORKS = ("network", "network seeds")
"""What is drawn once per dataset and architecture."""


class Pages:
    """The tables and figures of a study.

    Args:
        plan: The study as its rules see it.
    """

    def __init__(self, plan: Plan):
        self.plan, self.study, self.results = plan, plan.study, plan.results
        self.compared = Comparisons(plan)

    def pages(self, kind: Kind, scope: str = "") -> list[str]:
        """Returns all files of all tables, or of all figures, so that one that is deleted is made again."""
        names = [name for entry in entries() if entry.kind == kind for name in self._names(entry, scope)]
        if kind == "tables" and self.plan.chosen(self.plan.benchmarks, scope=scope):
            names += [entry.name for entry in self.judged_entries]
        files = product(names, SUFFIXES[kind])
        return [f"{self.results}/{scope}paper/{kind}/{name}{suffix}" for name, suffix in files]

    def _names(self, entry: Entry, scope: str) -> list[str]:
        plan, compared, stem = self.plan, self.compared, self.study.stem
        if entry.setting and not getattr(self.study, entry.setting):
            return []
        if entry.drawn_from in OF_COMPARISONS:
            alone = entry.samples == "pictures alone"
            references = compared.references(scope)
            keys = [key for key in references if not alone or self._has_pictures(key.split("/")[0])]
            attacks = ["", *plan.further_attacks] if entry.by_attack else [""]
            names = [f"{entry.name}-{stem(key)}{attack}" for key in keys for attack in attacks]
        elif entry.drawn_from in OF_NETWORKS:
            there = plan.chosen(plan.benchmarks, scope=scope)
            names = [f"{entry.name}-{network}" for network in dict.fromkeys(stem(key, parts=2) for key, _ in there)]
        else:
            runs, every_seed = self._runs(entry)
            names = [entry.name] if plan.chosen(runs, every_seed=every_seed, scope=scope) else []
        return [f"{name}-fpr{fpr}" for name in names for fpr in plan.fprs] if entry.at_fprs else names

    def _runs(self, entry: Entry) -> tuple[Iterable[str], bool]:
        """Runs that a table or figure of the whole study is drawn from, and whether every seed counts."""
        of = {"ablation": self.study.ablation, "transfer": self.study.transfer, "benchmarks": self.plan.benchmarks}
        return of.get(entry.drawn_from, self.study.shown_runs), entry.drawn_from == "seeds"

    def pattern(self, entry: Entry) -> str:
        """Name of a table's or figure's files without what follows the last dot, with wildcards."""
        parts = [entry.name]
        if entry.drawn_from in (*OF_COMPARISONS, *OF_NETWORKS):
            parts += ["{dataset}", "{architecture}"]
        if entry.drawn_from in OF_COMPARISONS:
            parts.append("{regime}{attack}" if entry.by_attack else "{regime}")
        return "-".join([*parts, "fpr{fpr}"] if entry.at_fprs else parts)

    # ---- What a job is given ----------------------------------------------------------------------------------------

    def inputs(self, entry: Entry) -> dict[str, Any]:
        """Inputs of the job: ``shown``, which its command names; ``besides``, which it reads too; ``samples``; spec."""
        first, *others = entry.files
        shown = self._source(entry, first)
        compared = entry.drawn_from in OF_COMPARISONS
        besides = [self._source(entry, name) for name in others]
        besides.append(self.compared.files("shadows.h5") if compared else self._source(entry, "shadows.h5"))
        besides += [self.compared.reference_files(name) for name in entry.reference_files]
        besides += [self.compared.files(name) for name in entry.compared_files]
        if entry.drawn_from == "comparison":
            besides.append(self._source(entry, "runs.json"))
        found = {"shown": shown, "besides": joined(besides)}
        found |= {"samples": self.samples(entry)} if entry.samples else {}
        place = f"{{w.scope}}paper/{entry.kind}/{self.pattern(entry).replace('{', '{w.')}"
        return found | {"spec": self.plan.listing(place, **found, options=self.options(entry))}

    def _source(self, entry: Entry, name: str) -> Files:
        """One of the files that an entry is drawn from."""
        plan = self.plan
        if entry.drawn_from == "comparison":
            return lambda wildcards: [f"{self.results}/{wildcards.scope}agreement/{run_key(wildcards)}/{name}"]
        if entry.drawn_from == "reference":
            return self.compared.reference_files(name)
        if entry.drawn_from in OF_NETWORKS:
            every = entry.drawn_from == "network seeds"
            return lambda wildcards: plan.files_of(
                name, self._of_network(wildcards), every_seed=every and self._one_pool(wildcards), scope=wildcards.scope
            )
        keys, every_seed = self._runs(entry)
        return lambda wildcards: plan.files_of(name, keys, every_seed=every_seed, scope=wildcards.scope)

    def _one_pool(self, wildcards: Any) -> bool:
        """Whether a dataset's runs of all seeds have the same pool, so that their records can be compared."""
        dataset = self.study.datasets.get(wildcards.dataset)
        return dataset is None or not dataset.draws_pool

    def _of_network(self, wildcards: Any) -> list[str]:
        prefix = f"{wildcards.dataset}/{wildcards.architecture}/"
        return [key for key in self.plan.benchmarks if key.startswith(prefix)]

    def samples(self, entry: Entry) -> Files:
        """Returns the data file whose samples are shown, that of the first run; none for imported scores."""

        def files(wildcards: Any) -> list[str]:
            if entry.samples != "any" and not self._has_pictures(wildcards.dataset):
                return []
            key = self._of_network(wildcards)[0] if entry.drawn_from in OF_NETWORKS else run_key(wildcards)
            return self.plan.data_of(key, self.study.seeds_of(key)[0])

        return files

    def _has_pictures(self, dataset: str) -> bool:
        return dataset in self.study.datasets and self.study.datasets[dataset].holds == "image"

    def options(self, entry: Entry) -> Files:
        """Returns the options of the command."""

        def words(wildcards: Any) -> list[str]:
            return [
                *option("fpr", [wildcards.fpr] if entry.at_fprs else []),
                *option("attack", [wildcards.attack[1:]] if entry.by_attack and wildcards.attack else []),
                *option("sample", (self.study.sample or []) if entry.sample else []),
                *option("attack", self.study.sample_attacks if entry.sample else []),
                *option("data", self.samples(entry)(wildcards) if entry.samples else []),
                *option("note", self._lacking(entry, wildcards) if entry.kind == "tables" and wildcards.scope else []),
            ]

        return words

    def _lacking(self, entry: Entry, wildcards: Any) -> list[str]:
        if entry.drawn_from == "comparison":
            return self.plan.unfinished([run_key(wildcards)])
        keys, every_seed = self._runs(entry)
        return self.plan.unfinished(keys, every_seed=every_seed)

    # ---- The verdict ------------------------------------------------------------------------------------------------

    @cached_property
    def published(self) -> list[str]:
        """The paper's tables that have numbers comparable with the study's."""
        return comparable_tables(self.study, self.compared.references())

    @property
    def judged_entries(self) -> list[Entry]:
        """The claims; and the verdict with the paper's tables, if any is comparable."""
        shown = {f"published-{name}" for name in self.published} | ({"verdict"} if self.published else set())
        return [entry for entry in VERDICT if entry.name in shown | {"claims"}]

    def judged(self) -> dict[str, Files]:
        """Inputs of the job that judges: ``runs``, ``agreement``, which its command names, and ``besides``."""
        of_runs = [self._source(VERDICT[0], name) for name in (*VERDICT[0].files, "shadows.h5")]
        of_compared = [self._of_every_comparison(name) for name in ("samples.csv", "metrics.csv", "shadows.h5")]
        found = {
            "runs": of_runs[0],
            "agreement": self._of_comparisons("agreement.csv"),
            "besides": joined([of_runs[1], self._of_comparisons("runs.json"), *of_compared]),
        }
        return found | {"spec": self.plan.listing("{w.scope}paper/verdict", **found, options=self.judged_options)}

    def judged_options(self, wildcards: Any) -> list[str]:
        """Options of the job that judges: margins, comparisons, what is not finished."""
        return [
            *option("margins", [self.study.margins.model_dump_json()]),
            *option("agreement", self._of_comparisons("agreement.csv")(wildcards)),
            *option("table", self.published),
            *option("note", self.plan.unfinished() if wildcards.scope else []),
        ]

    def _of_comparisons(self, name: str) -> Files:
        """One file of each comparison of runs."""

        def files(wildcards: Any) -> list[str]:
            folder = f"{self.results}/{wildcards.scope}agreement"
            return [f"{folder}/{key}/{name}" for key in self.compared.references(wildcards.scope)]

        return files

    def _of_every_comparison(self, name: str) -> Files:
        """One file of every run of every comparison, each once."""

        def files(wildcards: Any) -> list[str]:
            scope, compared = wildcards.scope, self.compared
            found = (file for key in compared.references(scope) for file in compared.files_of(name, key, scope))
            return list(dict.fromkeys(found))

        return files

    # ---- The report -------------------------------------------------------------------------------------------------

    def study_json(self, _: Any) -> str:
        """The study as JSON, without what it does not state: a default that is written down would count as stated.

        It may have braces, which Snakemake would expand in a parameter that is no function.
        """
        return self.study.model_dump_json(exclude_unset=True)

    @property
    def study_spec(self) -> Files:
        """The study that the report is of: a table or an audit that it no longer has leaves no file newer."""
        return self.plan.listing("report", study=lambda wildcards: [self.study_json(wildcards)])

    @cached_property
    def shown_entries(self) -> list[Entry]:
        """The entries that the study has files of, in the order of the report."""
        return [*self.judged_entries, *(entry for entry in entries() if self._names(entry, ""))]

    @cached_property
    def categories(self) -> dict[str, str]:
        """The sections that the report has, with a number each that keeps their order, and what they answer."""
        made = {entry.category for entry in self.shown_entries} | ({"Audits"} if self.study.targets else set())
        there = [name for name in CATEGORIES if name in made]
        return {f"{i} {name}": CATEGORIES[name] for i, name in enumerate(there, start=1)}

    def category(self, name: str) -> str:
        """Returns a section of the report with its number; without one if the report does not have it."""
        return next((numbered for numbered in self.categories if numbered.endswith(f" {name}")), name)

    def labels(self, entry: Entry) -> Callable[[Any], dict[str, str]]:
        """Returns the label of a file in the report, which sorts rows by it: a letter keeps the catalogue's order.

        It is one alone: a second one of two values, each that of half a category's files, would become a switch.
        """
        alike = [other for other in self.shown_entries if other.category == entry.category]
        letter = dict(zip(alike, ascii_lowercase, strict=False)).get(entry, "")

        def of_file(wildcards: Any) -> dict[str, str]:
            parts = [part for part in ("dataset", "architecture", "regime") if hasattr(wildcards, part)]
            of = " ".join(show(getattr(wildcards, part)) for part in parts)
            if "regime" in parts:
                of += f", seeds {', '.join(map(str, self.study.seeds_of(run_key(wildcards))))}"
            if getattr(wildcards, "attack", ""):
                of += f", by {show(wildcards.attack[1:])}"
            rate = f"{percent(float(wildcards.fpr))} FPR" if hasattr(wildcards, "fpr") else ""
            return {"result": "; ".join(filter(None, [f"{letter} · {entry.heading}", of, rate]))}

        return of_file

    @property
    def captions(self) -> dict[str, str]:
        """What the report says beside each table and figure, by its rule; of the verdict's, by their own name."""
        own = {entry.name.split("-")[0]: entry.caption for entry in VERDICT}
        return own | {rule_name(entry): entry.caption for entry in entries()}

    def description(self) -> dict[str, Any]:
        """The numbers and names that open the report, the verdict on the paper's claims, and changes since then."""
        study, imported = self.study, self.plan.imported
        datasets, architectures, regimes = zip(*(key.split("/") for key in study.runs), strict=True)
        trained = [run for run in self.plan.chosen(study.runs, every_seed=True) if run[0] not in imported]
        return {
            "runs": len(self.plan.chosen(study.runs, every_seed=True)),
            "recipes": len(study.runs),
            "imported": len(imported),
            "models": study.shadow_models,
            "trained": study.shadow_models * len(trained),
            "datasets": listed(datasets),
            "architectures": listed(architectures),
            "regimes": listed(regimes),
            "fprs": listed(map(percent, study.fprs)),
            "priors": listed(map(percent, study.priors)),
            "attacks": listed([*study.suite_attacks, *study.own_attacks]),
            "protocol": study.protocol,
            "audits": self._audits(),
            "answers": self._answers(),
            "claims": self._claims(),
            "comparable": bool(self.published),
            "sections": self.categories,
            "changes": self.plan.specs.changes,
        }

    # These texts decorate the report alone: what cannot be read counts as not there, as a run has to make it again.

    def _audits(self) -> dict[str, str]:
        """The answer of each audit of a given model, by its name, once there is one."""
        found = {name: _answer(Path(f"{self.results}/targets/{name}/audit.json")) for name in self.study.targets}
        return {name: answer for name, answer in found.items() if answer is not None}

    def _answers(self) -> list[str]:
        """A sentence for each run, once there are some."""
        return [row["sentence"] for row in self._rows("answer", "sentence")]

    def _claims(self) -> dict[str, dict[str, str]]:
        """Each of the paper's claims with the verdict on each of its parts, once there are some."""
        found: dict[str, dict[str, str]] = {}
        for row in self._rows("claims", "claim", "part", "verdict"):
            if self.published or not row["part"].startswith("size"):  # a size needs a number that is comparable
                found.setdefault(row["claim"], {})[row["part"]] = row["verdict"]
        return found

    def _rows(self, table: str, *columns: str) -> list[dict[str, str]]:
        """Rows of one of the study's tables; none before it is made, or if one of them lacks one of the columns."""
        file, rows = Path(f"{self.results}/paper/tables/{table}.csv"), []
        with suppress(OSError, ValueError, csv.Error), file.open(encoding="utf-8", newline="") as opened:
            rows = list(csv.DictReader(opened))
        return rows if all(row.get(column) is not None for row in rows for column in columns) else []


def _answer(file: Path) -> str | None:
    with suppress(OSError, ValueError, RecursionError, TypeError, KeyError):
        return str(json.loads(file.read_text(encoding="utf-8"))["answer"])
    return None


def rule_name(entry: Entry) -> str:
    """Returns the name of the rule that makes a table or figure."""
    return f"{COMMANDS[entry.kind]}_{entry.name}"


def joined(parts: Iterable[Files]) -> Files:
    """Joins the files of several functions in one list, each once."""
    parts = list(parts)
    return lambda wildcards: list(dict.fromkeys(file for part in parts for file in part(wildcards)))


def listed(names: Iterable[str]) -> str:
    """Lists names in a sentence, as readers see them."""
    *first, last = map(show, dict.fromkeys(names))
    return f"{', '.join(first)} and {last}" if first else last

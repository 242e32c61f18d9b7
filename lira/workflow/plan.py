"""What the rules ask of a study: its runs and their files, what each job depends on, and what is finished.

A :class:`Plan` answers with plain values and with functions of a job's wildcards, and knows nothing of Snakemake: the
wildcards are any object with the attributes ``dataset architecture regime seed fpr scope``, as far as a rule has them.

``scope`` is the empty text for the whole study. In the scope ``so_far/`` only finished runs count: tables, figures and
comparisons of these lie in a folder of their own, and lack what is not finished.
"""

import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from lira.config import RAW, StudySettings, load_study, read_params, read_yaml
from lira.config.catalogue import main_attack
from lira.core.errors import StoreError
from lira.datasets import FOLDER, purchase100
from lira.report.labels import REGIMES
from lira.shadows.formats.folders import score_files
from lira.storage.hdf5 import atomic
from lira.storage.specs import Specs, asked, states
from lira.work import check_sizes, shards

Files = Callable[[Any], list[str]]
"""Files that a job depends on, from its wildcards."""

SO_FAR = "so_far/"
DEFAULT = "workflow_config.yaml"

MORE_MODELS = "training.shadow_models was"
ALL_ANEW = (
    "All shadow models are to be trained anew: the members of each depend on shadow_models. With membership_draws: "
    "nested, from the start, those that are there would stay."
)


def read_plan(files: Sequence[Path | str], settings: dict[str, Any], source: Path | str = "", **options: Any) -> "Plan":
    """Reads the plan of a study.

    Args:
        files: The study files named on the command line, which are read again to refuse what Snakemake does not.
        settings: What Snakemake read from them and from its command line.
        source: Folder of the Snakefile, which the environment variable ``LIRA_SOURCE`` is to name for
            ``envs/*.post-deploy.sh``.
        options: Of :class:`Plan`.

    Raises:
        ConfigError: the study has a wrong setting; the message is one line.
    """
    for file in files or [DEFAULT]:
        read_yaml(file)
    study = load_study(read_params(settings, options.get("typed") or {}))
    check_sizes(study)
    if source:
        os.environ["LIRA_SOURCE"] = os.path.abspath(source)
    return Plan(study, [os.path.relpath(file) for file in files], **options)


class Plan:
    """A study as its rules see it.

    Args:
        study: The study.
        files: Its files, as they are named in commands that are advised; none for the default study.
        typed: What replaced single settings on the command line, for the same commands.
        results: Folder of all studies' results.
        told: Whether to read what is finished and what is asked as it was when a job was planned, on a cluster's node.
        writes: Whether to write what is asked, as one does who plans jobs.

    Attributes:
        python: The interpreter that runs Snakemake, which an environment of a rule does not have.
    """

    python = sys.executable

    def __init__(
        self,
        study: StudySettings,
        files: Sequence[str] = (),
        *,
        typed: Mapping[str, Any] | None = None,
        results: Path | str = "results",
        told: bool = False,
        writes: bool = False,
    ):
        self.study, self.files, self.typed, self.told = study, files, typed or {}, told
        self.results = f"{results}/{study.study}"
        self.specs = Specs(f"{self.results}/specs", writes=writes, told=told)
        self.imported = [key for key, run in study.runs.items() if run.scores]
        compared = {*study.agreement, *study.transfer}.union(*study.agreement.values())
        self.benchmarks = [
            key
            for key in study.shown_runs
            if key not in study.ablation or key in compared or key.split("/")[2] in REGIMES
        ]

    # ---- Names ------------------------------------------------------------------------------------------------------

    @property
    def wildcards(self) -> dict[str, str]:
        """What each wildcard may be, as regular expressions."""
        study = self.study
        declared: tuple[Iterable[str], ...] = (study.datasets, study.architectures, study.regimes)
        names = [{*own, *(key.split("/")[part] for key in study.runs)} for part, own in enumerate(declared)]
        dataset, architecture, regime = map(any_of, names)
        return {
            "dataset": dataset,
            "architecture": architecture,
            "regime": regime,
            "view": any_of(view for _, view in study.views()),
            "seed": r"\d+",
            "first": r"\d+",
            "last": r"\d+",
            "fpr": any_of(self.fprs),
            "attack": f"({any_of(self.further_attacks)})?",
            "scope": f"({SO_FAR})?",
            "target": any_of(study.targets),
        }

    def runs_are(self, imported: bool) -> str:
        """Datasets as :attr:`wildcards` has them, where the run that follows in a path is imported, or is trained."""
        ahead = "=" if imported else "!"
        return f"(?{ahead}(?:{any_of(self.imported)})/seed)(?:{self.wildcards['dataset']})"

    @property
    def further_attacks(self) -> list[str]:
        """The attacks besides the main one that records are counted by, as files are named: no name has an @."""
        asked = self.study.vulnerability or []
        return [f"@{name}" for name in asked if name != main_attack(asked)]

    @property
    def fprs(self) -> list[str]:
        """FPRs as files are named by them."""
        return [f"{fpr:g}" for fpr in self.study.fprs]

    # ---- Runs and what is finished ----------------------------------------------------------------------------------

    def is_trained(self, key: str, seed: int) -> bool:
        """Whether a run's shadow models are there as they are asked for, gathered or in all their shards."""
        folder = Path(self.results, "runs", key, f"seed{seed}")
        made = [folder / "shards" / f"{a}-{b}.json" for a, b in shards(self.study, key)]
        weights = self.weights_file(SimpleNamespace(architecture=key.split("/")[1]))
        of_data = [*self._specs_of_data(key, seed), *self.data_of(key, seed)]
        ahead = [*map(Path, [self.spec(f"runs/{key}"), *of_data, *weights])]
        return key in self.imported or is_newer([folder / "shadows.h5"], ahead) or is_newer(made, ahead)

    @cached_property
    def finished(self) -> set[tuple[str, int]]:
        """The runs that are finished, each with a seed.

        Raises:
            StoreError: the manifest is to be read, and is missing.
        """
        if not self.told:
            everything = self.chosen(self.study.runs, every_seed=True)
            return {(key, seed) for key, seed in everything if self.is_trained(key, seed)}
        if not self.manifest.is_file():
            raise StoreError(f"{self.manifest} does not exist: it says which runs are shown, and Snakemake writes it")
        return {(key, seed) for key, seed in json.loads(self.manifest.read_text(encoding="utf-8"))}

    @property
    def manifest(self) -> Path:
        """File from which the nodes of a cluster read which runs are finished."""
        return Path(self.results, SO_FAR, "runs.json")

    @property
    def asked_what_is_finished(self) -> bool:
        """Whether it was asked which runs are finished so far."""
        return "finished" in vars(self)

    def write_manifest(self) -> None:
        """Writes which runs are finished, if that was asked, so that jobs on other nodes need not look."""
        if self.asked_what_is_finished and not self.told:
            with atomic(self.manifest) as beside:
                beside.write_text(json.dumps(sorted(self.finished)) + "\n", encoding="utf-8")

    def chosen(self, keys: Iterable[str], *, every_seed: bool = False, scope: str = "") -> list[tuple[str, int]]:
        """Returns runs with the first seed each, or with every seed; in a scope, only the finished ones."""
        seeds = self.study.seeds_of
        runs = [(key, seed) for key in keys for seed in (seeds(key) if every_seed else seeds(key)[:1])]
        return [run for run in runs if run in self.finished] if scope else runs

    def files_of(self, name: str, keys: Iterable[str], *, every_seed: bool = False, scope: str = "") -> list[str]:
        """A file of each of these runs."""
        runs = self.chosen(keys, every_seed=every_seed, scope=scope)
        return [f"{self.results}/runs/{key}/seed{seed}/{name}" for key, seed in runs]

    def unfinished(self, keys: Iterable[str] | None = None, *, every_seed: bool = True) -> list[str]:
        """Returns a line per run that is not finished, with the command that adds it."""
        runs = self.chosen(self.study.shown_runs if keys is None else keys, every_seed=every_seed)
        said, summary = "{}, seed {}, is not finished: {} adds it.", f"{self.results}/runs/{{}}/seed{{}}/summary.csv"
        return [said.format(*run, self.command(summary.format(*run))) for run in runs if run not in self.finished]

    def command(self, target: str) -> str:
        """Returns the command that makes a target, which comes first: options take all words that follow."""
        files = ["--configfile", *self.files] if self.files else []
        typed = [f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in self.typed.items()]
        return shlex.join(["snakemake", target, *files, *(["--config", *typed] if typed else [])])

    def closing_words(self) -> list[str]:
        """Returns the lines that are printed when a study succeeds."""
        scope, left = (SO_FAR, self.unfinished()) if self.asked_what_is_finished else ("", [])
        at, report = f"{self.results}/{scope}paper", self.command("report")
        return [*left, f"Done. Tables: {at}/tables, figures: {at}/figures, one page of all: {report}"]

    # ---- Data and shadow models -------------------------------------------------------------------------------------

    def raw_files(self, wildcards: Any) -> list[str]:
        """Returns the file a dataset is prepared from: the record of its raw files, or the user's own file."""
        if self.study.datasets[wildcards.dataset].source in RAW:
            return [f"{self.results}/data/{wildcards.dataset}.json"]
        return self._own_file(wildcards)

    def _own_file(self, wildcards: Any) -> list[str]:
        dataset = self.study.datasets[wildcards.dataset]
        return [dataset.path] if dataset.source == "file" and dataset.path else []

    def data_of(self, key: str, seed: int) -> list[str]:
        """The run's preparation of its dataset; none for imported scores of a dataset that is not in the study."""
        dataset = key.split("/")[0]
        known = dataset in self.study.datasets
        return [f"{self.results}/data/{dataset}-{self.study.view_of(key, seed)}.h5"] if known else []

    def _specs_of_data(self, key: str, seed: int) -> list[str]:
        dataset, architecture, _ = key.split("/")
        prepared = [self.spec(f"data/{dataset}-{self.study.view_of(key, seed)}")] if self.data_of(key, seed) else []
        start = self.study.recipe_of(key).start == "public"
        return [*prepared, *([self.spec(f"pretrained/{dataset}/{architecture}")] if start else [])]

    def data_file(self, wildcards: Any) -> list[str]:
        """Returns :meth:`data_of` the run of a job."""
        return self.data_of(run_key(wildcards), int(wildcards.seed))

    def public_file(self, wildcards: Any) -> str:
        """Pretraining's preparation of a dataset."""
        return f"{self.results}/data/{wildcards.dataset}-{self.study.pretraining_view(wildcards.dataset)}.h5"

    def pretrained_file(self, wildcards: Any) -> list[str]:
        """The model that a run is fine-tuned from, if it is."""
        if self.study.recipe_of(run_key(wildcards)).start != "public":
            return []
        return [f"{self.results}/pretrained/{wildcards.dataset}/{wildcards.architecture}.pt"]

    def weights_file(self, wildcards: Any) -> list[str]:
        """The user's file of published weights that a run's network starts from, if it is there, and its state."""
        architecture = self.study.architectures.get(wildcards.architecture)
        weights = architecture.weights if architecture else None
        if not weights or not Path(weights).is_file():
            return []
        state = self.listing("weights/{w.architecture}", files=lambda _: states([str(weights)]))
        return [str(weights), *state(wildcards)]

    def pretrained_option(self, wildcards: Any) -> list[str]:
        """Returns :meth:`pretrained_file` as an option."""
        return option("pretrained", self.pretrained_file(wildcards))

    def runtime_file(self, rule: str) -> Files:
        """Where a training job says what it took, in all its attempts."""
        place = "{w.dataset}/{w.architecture}"
        if rule == "train_shadows":
            place += "/{w.regime}/seed{w.seed}/{w.first}-{w.last}"
        return lambda wildcards: [f"{self.results}/runtime/{rule}/{place.format(w=wildcards)}.tsv"]

    def data_option(self, wildcards: Any) -> list[str]:
        """The run's preparation of its dataset as an option."""
        return option("data", self.data_file(wildcards))

    def receipts(self, wildcards: Any) -> list[str]:
        """Receipts of all training jobs of a run."""
        key = run_key(wildcards)
        folder = f"{self.results}/runs/{key}/seed{wildcards.seed}/shards"
        return [f"{folder}/{a}-{b}.json" for a, b in shards(self.study, key)]

    def scores_source(self, wildcards: Any) -> str:
        """Returns the file or folder that scores are imported from."""
        return str(self.study.runs[run_key(wildcards)].scores).replace("{seed}", wildcards.seed)

    def scores_files(self, wildcards: Any) -> list[str]:
        """Returns the files that are read of :meth:`scores_source`."""
        run = self.study.runs[run_key(wildcards)]
        return [str(file) for file in score_files(Path(self.scores_source(wildcards)), run.models)]

    def raw_settings(self, wildcards: Any) -> str:
        """Source and path of a dataset, as JSON."""
        return json.dumps(self.study.datasets[wildcards.dataset].model_dump(include={"source", "path"}))

    # ---- What is asked of a step ------------------------------------------------------------------------------------

    def spec(self, place: str) -> str:
        """Returns the spec of a place under ``specs/``: a file named after its content, so that a change is missed."""
        return self.specs.file(place, lambda: asked(self.study, place))

    def data_spec(self, wildcards: Any) -> str:
        """The spec of a preparation."""
        return self.spec(f"data/{wildcards.dataset}-{wildcards.view}")

    def pretrained_spec(self, wildcards: Any) -> str:
        """The spec of a model that is fine-tuned."""
        return self.spec(f"pretrained/{wildcards.dataset}/{wildcards.architecture}")

    def run_spec(self, wildcards: Any) -> str:
        """The spec of a run."""
        return self.spec(f"runs/{run_key(wildcards)}")

    def attacks_spec(self, _: Any) -> str:
        """The spec of the attacks."""
        return self.spec("attacks")

    def rates_spec(self, _: Any) -> str:
        """The spec of the calibration."""
        return self.spec("rates")

    def budgets_spec(self, _: Any) -> str:
        """The spec of the numbers of shadow models besides all."""
        return self.spec("budgets")

    def privacy_spec(self, _: Any) -> str:
        """The spec of the bounds on ε."""
        return self.spec("privacy")

    @property
    def _places(self) -> list[str]:
        """Places of all specs of the study."""
        study = self.study
        starts = [key.split("/")[:2] for key in study.runs if study.recipe_of(key).start == "public"]
        places = [f"data/{'-'.join(view)}" for view in study.views()]
        places += dict.fromkeys(f"pretrained/{'/'.join(start)}" for start in starts)
        places += [*(f"runs/{key}" for key in study.runs), "attacks", "rates", "privacy"]
        return [*places, *["budgets"][: len(study.budgets)]]

    def ask(self) -> list[str]:
        """Asks for the specs of data, models and attacks; returns a line for each change since files were made."""
        for place in self._places:
            self.spec(place)
        changes = self.specs.changes
        if self.study.protocol_value("membership_draws") != "nested" and any(MORE_MODELS in line for line in changes):
            changes.insert(0, ALL_ANEW)
        return changes

    @property
    def raw_source(self) -> Files:
        """Which raw files a dataset has and where, and the state of Purchase-100's, which no checksum tells apart."""

        def files(wildcards: Any) -> list[str]:
            dataset = self.study.datasets[wildcards.dataset]
            there = purchase100.files_there(Path(dataset.path or FOLDER)) if dataset.source == "purchase100" else []
            return states(map(str, there[:1]))

        return self.listing("raw/{w.dataset}", settings=lambda wildcards: [self.raw_settings(wildcards)], files=files)

    def raw_spec(self, wildcards: Any) -> list[str]:
        """The state of the user's own file that a dataset is prepared from, if it is."""
        state = self.listing("raw/{w.dataset}-{w.view}", files=lambda wildcards: states(self._own_file(wildcards)))
        return state(wildcards) if self._own_file(wildcards) else []

    @property
    def scores_spec(self) -> Files:
        """The state of the files that scores are imported from."""
        place = "imports/{w.dataset}/{w.architecture}/{w.regime}-seed{w.seed}"
        return self.listing(place, files=lambda wildcards: states(self.scores_files(wildcards)))

    def listing(self, place: str, **parts: Files) -> Files:
        """Returns the spec of a job's lists of files and options, which can change while no file becomes newer."""

        def file(wildcards: Any) -> list[str]:
            named = place.format(w=wildcards)
            return [self.specs.file(named, lambda: {name: list(part(wildcards)) for name, part in parts.items()})]

        return file


def run_key(wildcards: Any) -> str:
    """``dataset/architecture/regime`` of a job."""
    return f"{wildcards.dataset}/{wildcards.architecture}/{wildcards.regime}"


def is_newer(files: Iterable[Path], ahead: Iterable[Path]) -> bool:
    """Whether all files are there, and none is older than one of those that it follows from."""
    times = [[file.stat().st_mtime if file.is_file() else None for file in each] for each in (files, ahead)]
    made, before = ([time for time in each if time is not None] for each in times)
    return len(made) == len(times[0]) and len(before) == len(times[1]) and min(made) >= max(before, default=0.0)


def option(name: str, values: Iterable[Any]) -> list[str]:
    """Returns a command-line option, repeated for each value."""
    return [word for value in values for word in (f"--{name}", str(value))]


def any_of(names: Iterable[str]) -> str:
    """Returns a regular expression that matches any of the names, or nothing if there are none."""
    return "|".join(re.escape(name) for name in sorted(names)) or "(?!)"

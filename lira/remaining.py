"""Works out what is left of a study: the jobs that Snakemake would start for its runs, why, and the models they train.

Nothing is run or written. A job is left where Snakemake says so by the times of files: an input is newer than what was
made of it, an input is made anew, or an output is missing that another job or a table needs. What depends on the
content of a training's files is read from their receipts, as Snakemake's own records are not.
"""

import json
import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from types import SimpleNamespace

from lira.config import RAW, RunSpec, TrainingSettings, check_section
from lira.pages import Pages
from lira.storage.identity import models_identity
from lira.storage.models import Models, finished_models, missing_models
from lira.storage.specs import asked
from lira.work import shards
from lira.workflow import Plan


@dataclass(frozen=True, eq=False)
class Job:
    """A job of the study: its rule, the files that it makes and reads, and its run and shadow models if it has any."""

    rule: str
    outputs: list[str]
    inputs: list[str]
    run: tuple[str, int] | None = None
    models: tuple[int, int] | None = None


class Remaining:
    """What is left of a study, without its tables and figures.

    Args:
        plan: The study as its rules see it.

    Attributes:
        jobs: All jobs that make data, models and runs; each comes after those that it needs.
        left: Those that are left, each with its reasons; missing files and jobs that it needs are no reasons here.

    Raises:
        StoreError: A prepared dataset is damaged.
    """

    def __init__(self, plan: Plan):
        self.plan, self.left = plan, dict[Job, list[str]]()
        self.jobs = [*_shared_jobs(plan)]
        for key in plan.study.runs:
            for seed in plan.study.seeds_of(key):
                self.jobs += _jobs_of_run(plan, key, seed)
        self._times = {file: self._time(file) for job in self.jobs for file in (*job.inputs, *job.outputs)}
        self._settings = cache(self._settings_of)
        self._identity = cache(self._identity_of)
        self._finished = cache(self._models)
        self._find()

    def left_of(self, key: str, seed: int) -> list[Job]:
        """Returns the jobs of a run that are left."""
        return [job for job in self.left if job.run == (key, seed)]

    def to_train(self, job: Job) -> int:
        """Returns how many models a job would train; it takes the others over."""
        if not job.run or not job.models:
            return 0
        kept = self._settings(job.run[0]).kept
        return len(missing_models(*job.models, self._finished(*job.run, *kept)))

    def finished(self, key: str, seed: int) -> list[Models]:
        """Returns the files of a run's finished models, of those that the study now asks for."""
        return self._finished(key, seed)

    def prepared(self, key: str, seed: int) -> Path | None:
        """Returns the run's prepared dataset, if it is there and is not to be made anew."""
        files = self.plan.data_of(key, seed)
        return Path(files[0]) if files and self._is_ready(files[0]) else None

    def reasons(self, key: str) -> list[str]:
        """Returns why jobs of a run are left besides missing files, those included that make what it needs."""
        jobs = [job for job in self.left if job.run and job.run[0] == key]
        return list(dict.fromkeys(line for job in [*self._above(jobs), *jobs] for line in self.left[job]))

    def _above(self, jobs: list[Job]) -> list[Job]:
        """Jobs without a run that are left and that some of these jobs need."""
        found: list[Job] = []
        for job in reversed([job for job in self.left if not job.run]):
            if any(set(job.outputs) & set(other.inputs) for other in [*jobs, *found]):
                found.append(job)
        return found

    # ---- What Snakemake would say -----------------------------------------------------------------------------------

    def _find(self) -> None:
        """Finds the jobs that are left, as Snakemake does: downwards from each reason, upwards to what is missing."""
        for job in self.jobs:
            reasons = self._reasons(job)
            if reasons or self._needs[job] & self.left.keys() or (self._are_asked(job) and not self._are_there(job)):
                self.left[job] = reasons
        while more := [job for job in self.jobs if job not in self.left and self._is_missed(job)]:
            for job in self.jobs:
                if job in more or self._needs[job] & self.left.keys():
                    self.left.setdefault(job, [])
        self.left = {job: self.left[job] for job in self.jobs if job in self.left}

    @cached_property
    def _needs(self) -> dict[Job, set[Job]]:
        makers = {file: job for job in self.jobs for file in job.outputs}
        return {job: {makers[file] for file in job.inputs if file in makers} for job in self.jobs}

    @cached_property
    def _made(self) -> dict[Job, float | None]:
        """When a job's oldest file was made, or else that of a job that needs it."""
        made: dict[Job, float | None] = {}
        for job in reversed(self.jobs):
            needing = (made[other] for other in self._needed_by[job])
            own = [time for file in job.outputs if (time := self._times[file]) is not None]
            made[job] = min(own, default=next((time for time in needing if time is not None), None))
        return made

    @cached_property
    def _needed_by(self) -> dict[Job, list[Job]]:
        return {job: [other for other in self.jobs if job in self._needs[other]] for job in self.jobs}

    def _reasons(self, job: Job) -> list[str]:
        made = self._made[job]
        if made is None:
            return []
        newer = [file for file in job.inputs if (self._times[file] or 0) > made]
        return [line for file in newer for line in self._said(file, job)] or self._other_content(job)

    def _said(self, file: str, job: Job) -> list[str]:
        if Path(file).is_relative_to(self.plan.specs.folder):
            return self.plan.specs.fresh.get(Path(file)) or ["its settings or code have changed"]
        return [f"{file} is newer than {job.outputs[0]}"]

    def _other_content(self, job: Job) -> list[str]:
        """Tells where receipts are of other models, or of a run that was divided differently."""
        if job.rule == "train_shadows" and job.run and Path(job.outputs[0]).is_file():
            wanted, found = self._identity(*job.run), None
            with suppress(ValueError, LookupError, TypeError):  # damaged: whoever reads it says so
                found = json.loads(Path(job.outputs[0]).read_text(encoding="utf-8"))["identity"]
            return ["its models are of other data, settings or code"] if wanted and found and found != wanted else []
        if job.rule == "gather_shadows":
            planned = [Path(file) for file in job.inputs if "/shards/" in file]
            there = planned[0].parent.glob("[!.]*.json")
            latest = max(there, key=lambda file: file.stat().st_mtime, default=planned[0])
            return ["its shards are divided differently"] if latest not in planned else []
        return []

    def _are_asked(self, job: Job) -> bool:
        """Whether a job's files are asked for by themselves: those of runs, unless every table and figure is there."""
        return job.run is not None and job.rule != "train_shadows" and self._pages_are_missing

    @cached_property
    def _pages_are_missing(self) -> bool:
        pages = Pages(self.plan)
        return not all(Path(page).is_file() for page in [*pages.pages("tables"), *pages.pages("figures")])

    def _are_there(self, job: Job) -> bool:
        return all(self._times[file] is not None for file in job.outputs)

    def _is_missed(self, job: Job) -> bool:
        """Whether a file of a job is missing that a job that is left needs."""
        missing = {file for file in job.outputs if self._times[file] is None}
        return bool(missing) and any(
            missing & set(other.inputs) for other in self._needed_by[job] if other in self.left
        )

    def _time(self, file: str) -> float | None:
        """When a file was made, of a spec that is to be written infinity; None if it is missing."""
        path = Path(file)
        if path in self.plan.specs.fresh:
            return math.inf
        with suppress(OSError):
            return path.stat().st_mtime
        return None

    # ---- Shadow models ----------------------------------------------------------------------------------------------

    def _is_ready(self, file: str) -> bool:
        return self._times[file] is not None and not any(file in job.outputs for job in self.left)

    def _identity_of(self, key: str, seed: int) -> str | None:
        """Identity of a run's models, unless what they are made from is missing or is made anew."""
        data = self.plan.data_of(key, seed)
        start = self.plan.pretrained_file(_wildcards(key, seed))
        if key in self.plan.imported or not all(map(self._is_ready, [*data, *start])):
            return None
        return models_identity(self._settings(key), seed, Path(data[0]), Path(start[0]) if start else None)

    def _settings_of(self, key: str) -> TrainingSettings:
        return check_section(f"runs.{key}", RunSpec, asked(self.plan.study, f"runs/{key}")).trained

    def _models(self, key: str, seed: int, *needed: str) -> list[Models]:
        folder = Path(self.plan.results, "runs", key, f"seed{seed}", "shards")
        identity = self._identity(key, seed)
        return finished_models(folder, identity, needed) if identity else []


def _wildcards(key: str, seed: int = 0, view: str = "") -> SimpleNamespace:
    dataset, architecture, regime = key.split("/")
    return SimpleNamespace(
        dataset=dataset, architecture=architecture, regime=regime, seed=str(seed), view=view, scope=""
    )


def _shared_jobs(plan: Plan) -> Iterator[Job]:
    """Jobs that serve several runs: they make data and the models that are fine-tuned."""
    study, data = plan.study, f"{plan.results}/data"
    views = [(_wildcards(f"{dataset}//", view=view)) for dataset, view in study.views()]
    for dataset in dict.fromkeys(view.dataset for view in views):
        if study.datasets[dataset].source in RAW:
            raw = plan.raw_source(SimpleNamespace(dataset=dataset))
            yield Job("download_data", [f"{data}/{dataset}.json"], raw)
    for view in views:
        inputs = [plan.data_spec(view), *plan.raw_files(view), *plan.raw_spec(view)]
        yield Job("prepare_data", [f"{data}/{view.dataset}-{view.view}.h5"], inputs)
    starts = [_wildcards(key) for key in study.runs if plan.pretrained_file(_wildcards(key))]
    for start in {(start.dataset, start.architecture): start for start in starts}.values():
        made_from = [plan.pretrained_spec(start), plan.public_file(start), *plan.weights_file(start)]
        yield Job("pretrain_model", plan.pretrained_file(start), made_from)


def _jobs_of_run(plan: Plan, key: str, seed: int) -> Iterator[Job]:
    run, wildcards = (key, seed), _wildcards(key, seed)
    folder = f"{plan.results}/runs/{key}/seed{seed}"
    data, spec = plan.data_file(wildcards), plan.run_spec(wildcards)
    attacks, rates = plan.attacks_spec(wildcards), plan.rates_spec(wildcards)
    shadows, scores, metrics, controls = (
        f"{folder}/{name}" for name in ("shadows.h5", "scores.h5", "metrics.csv", "controls.csv")
    )
    if key in plan.imported:
        yield Job(
            "import_scores", [shadows], [*plan.scores_files(wildcards), *plan.scores_spec(wildcards), spec, *data], run
        )
    else:
        made_from = [spec, *data, *plan.pretrained_file(wildcards), *plan.weights_file(wildcards)]
        receipts = plan.receipts(wildcards)
        for receipt, models in zip(receipts, shards(plan.study, key), strict=True):
            yield Job("train_shadows", [receipt], made_from, run, models)
        yield Job("gather_shadows", [shadows], [*receipts, *made_from], run)
    yield Job("score_attacks", [scores], [shadows, attacks], run)
    yield Job("calibrate_thresholds", [metrics, f"{folder}/samples.csv"], [scores, rates], run)
    null = [f"{folder}/{name}.csv" for name in ("null_samples", "null_gaps", "null_attack_overlap")]
    yield Job("run_controls", [controls, *null], [shadows, attacks, rates], run)
    yield Job("summarise_rates", [f"{folder}/summary.csv"], [scores, metrics, controls], run)
    if seed == plan.study.seeds_of(key)[0]:
        yield Job("measure_groups", [f"{folder}/groups.csv"], [scores, shadows, metrics, f"{folder}/samples.csv"], run)
        if plan.study.budgets and key in plan.benchmarks:
            made_from = [shadows, metrics, attacks, rates, plan.budgets_spec(wildcards)]
            yield Job("measure_budgets", [f"{folder}/budgets.csv"], made_from, run)
        yield Job("measure_overlap", [f"{folder}/attack_overlap.csv"], [scores, metrics, null[-1], rates], run)
        yield Job("calibrate_records", [f"{folder}/record_calibration.csv"], [scores, metrics, rates], run)
    if seed == plan.study.seeds_of(key)[0] or key in plan.study.agreement:
        counted = [f"{folder}/samples.csv", metrics, controls, null[0], plan.privacy_spec(wildcards)]
        yield Job("bound_privacy", [f"{folder}/privacy.csv"], counted, run)

"""Estimates what a study still costs: models, jobs, disk space and hours of training, without what is finished.

Seconds per model come from the study's own finished models if there are any. Otherwise they are stated: the model's
multiply-adds divided by the rate of a published run (:mod:`lira.work`). Each job takes some seconds more to start.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from shutil import disk_usage
from statistics import median
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import h5py

from lira.config import StudySettings
from lira.core.errors import ConfigError, LiraError
from lira.core.pace import duration
from lira.remaining import Remaining
from lira.storage import hdf5
from lira.storage.rehearsals import Rehearsal, read_rehearsal, stored_bytes
from lira.work import Seconds, Size, advised_shard, shape_of, shards, size_of, stated_seconds, work
from lira.workflow import Plan

if TYPE_CHECKING:
    import pandas as pd

START_SECONDS = 5  # a job needs this to import torch and load data
JOB_WINDOW = 20 * 60, 4 * 3600  # shortest and longest job advised, in seconds, if its run has as much work
ASSUMED_VALUES = 11_000_000  # parameters of a network that cannot be built: those of ResNet-18
STORED = ("logits", "phi", "scores", "weights")  # takes the disk space; phi is stored with the models and gathered


class Measures(NamedTuple):
    """What is known of a run's data and network.

    Attributes:
        size: Size of the data, from the prepared dataset if there is one.
        multiply_adds: Of one sample's forward pass, if they were counted on the network.
        values: Parameters and buffers of a model, likewise.
        unknown: Why the network was not counted although it had to be; empty if it was.
    """

    size: Size
    multiply_adds: float | None = None
    values: int = ASSUMED_VALUES
    unknown: str = ""


def measure(remaining: Remaining, key: str, *, builds: bool = True) -> Measures:
    """Measures a run's data on the prepared dataset, and its network by building it, where no formula knows its size.

    Args:
        remaining: What is left of the study.
        key: Run, as ``dataset/architecture/regime``.
        builds: Whether networks may be built, which imports torch and the user's code.
    """
    study = remaining.plan.study
    data = remaining.prepared(key, study.seeds_of(key)[0])
    size, network = _prepared_size(data) if data else size_of(study, key), study.architectures.get(key.split("/")[1])
    if not builds or not network or network.estimator:
        return Measures(size)
    if work(study, key, size._replace(known=True)).known and not study.store_weights:
        return Measures(size)
    from lira.shadows.models.counting import count

    try:
        return Measures(size, *count(network, shape_of(size, study.recipe_of(key).image_size), size.classes))
    except LiraError as error:
        return Measures(size, unknown=str(error))


def _prepared_size(data: Path) -> Size:
    with hdf5.read(data, "data") as file:
        test = len(file["test/y"]) if "test" in file else 0
        x = file["pool/x"].shape
        return Size(x[0], test, x[1:], int(file.attrs["classes"]), known=True)


def seconds_per_model(remaining: Remaining, key: str, measures: Mapping[str, Measures]) -> Seconds:
    """Estimates the seconds to train and query one shadow model.

    Args:
        remaining: What is left of the study.
        key: Run, as ``dataset/architecture/regime``.
        measures: :func:`measure` of every run.
    """
    if own := _measured(remaining, key):
        return Seconds(median(own), "measured")
    if rehearsed := Rehearsals(remaining.plan).found(key):
        return Seconds(rehearsed.seconds, "rehearsed")
    study = remaining.plan.study
    rates = [
        work(study, run, *measures[run][:2]).operations / seconds
        for run in study.runs
        if run.split("/")[1] == key.split("/")[1]
        for seconds in _measured(remaining, run)
    ]
    if rates:
        return Seconds(work(study, key, *measures[key][:2]).operations / median(rates), "architecture")
    return stated_seconds(study, key, *measures[key][:2])


@cache
def _measured(remaining: Remaining, key: str) -> list[float]:
    """Returns the seconds per model of each file of finished models, over all attempts that were stored."""
    found = []
    for models in (file for seed in remaining.plan.study.seeds_of(key) for file in remaining.finished(key, seed)):
        with h5py.File(models.path, "r", locking=False) as file:
            found.append(float(file.attrs.get("seconds", 0)) / models.number)
    return [seconds for seconds in found if seconds]


class Rehearsals:
    """Rehearsals of a study: of the runs that are trained, and of the models that others are fine-tuned from.

    Args:
        plan: The study as its rules see it.

    Attributes:
        names: What is rehearsed: each run, as ``dataset/architecture/regime``, after its ``dataset/architecture`` if it
            is fine-tuned.
        asked: Whether any of them is among what is to be made.
    """

    def __init__(self, plan: Plan):
        self.plan, self.folder, self.asked = plan, f"{plan.results}/rehearsals", False
        runs = [key for key in plan.study.runs if key not in plan.imported]
        starts = {key: key.rpartition("/")[:1] for key in runs if plan.study.recipe_of(key).start == "public"}
        self.names = list(dict.fromkeys(name for key in runs for name in (*starts.get(key, ()), key)))

    def files(self, _: Any) -> list[str]:
        """Files of all rehearsals.

        Raises:
            ConfigError: There are none, and a Snakemake that is asked for nothing would make the whole study.
        """
        if not self.names:
            raise ConfigError("runs: all import scores, no run of this study is trained here: nothing to rehearse")
        return [f"{self.folder}/{name}.json" for name in self.names]

    @property
    def models(self) -> list[int]:
        """Number of models of each, of all seeds."""
        study = self.plan.study
        return [len(study.seeds_of(name)) * study.shadow_models if _is_run(name) else 1 for name in self.names]

    def spec(self, wildcards: Any) -> str:
        """The spec of what is rehearsed."""
        return self.plan.spec(f"{'runs' if _is_run(wildcards.name) else 'pretrained'}/{wildcards.name}")

    def data(self, wildcards: Any) -> list[str]:
        """The prepared dataset of what is rehearsed: of a run, of its first seed."""
        self.asked = True
        if _is_run(wildcards.name):
            return self.plan.data_of(wildcards.name, self.plan.study.seeds_of(wildcards.name)[0])
        return [self.plan.public_file(SimpleNamespace(dataset=wildcards.name.split("/")[0]))]

    def weights(self, wildcards: Any) -> list[str]:
        """The user's file of published weights that the network starts from, if it is there."""
        return self.plan.weights_file(SimpleNamespace(architecture=wildcards.name.split("/")[1]))

    def current(self, name: str) -> Rehearsal | None:
        """Returns what was found, even a failure, if it is of these settings, this code and this kind of device."""
        found, wanted = read_rehearsal(Path(self.folder, f"{name}.json")), self.spec(SimpleNamespace(name=name))
        device = self.plan.study.device_of(name)
        return found if found and (found.spec, found.device) == (Path(wanted).name, device) else None

    def found(self, name: str) -> Rehearsal | None:
        """Returns what was found, as :meth:`current`, if nothing failed."""
        found = self.current(name)
        return found if found and not found.failed else None

    # Snakemake looks for these names of arguments.

    def device(self, wildcards: Any) -> str:
        """The device of a training job."""
        return self.plan.study.device_of(_trained(wildcards))

    def gpus(self, wildcards: Any) -> int:
        """Number of GPUs to ask for, for a training job."""
        return int(self.device(wildcards) == "cuda")

    def memory(self, wildcards: Any, input: Any, attempt: int) -> int:
        """Memory to ask for, in MB, for a training job: as rehearsed, or for its libraries and twice its data."""
        found = self.found(_trained(wildcards))
        return (found.job_memory() if found else int(4000 + 2 * input.size_mb)) * attempt

    def minutes(self, otherwise: int) -> Callable[..., int]:
        """Time to ask for, in minutes, for a training job: as rehearsed, or as given."""

        def growing(wildcards: Any, attempt: int) -> int:
            found, first, last = self.found(_trained(wildcards)), *(getattr(wildcards, end, 0) for end in ENDS)
            return (found.job_minutes(int(last) - int(first) + 1) if found else otherwise) * attempt

        return growing


def _is_run(name: str) -> bool:
    return name.count("/") == 2


def _trained(wildcards: Any) -> str:
    """What a job's models are rehearsed as."""
    parts = ("name", "dataset", "architecture", "regime")
    return "/".join(getattr(wildcards, part) for part in parts if hasattr(wildcards, part))


def not_rehearsed(name: str) -> Rehearsal:
    """Returns what stands for a rehearsal that there is none of."""
    failed = "not rehearsed, as what it needs was not made: the errors above say why"
    return Rehearsal(name, "", "", failed=failed)


def describe_rehearsals(rehearsals: Sequence[Rehearsal], models: Sequence[int]) -> str:
    """Formats what rehearsals found as a table.

    Args:
        rehearsals: What they found.
        models: Number of models that are to be trained of each.
    """
    lines: list[tuple[str, ...]] = [("Run", "Seconds a model", "Memory", "GPU memory", "Hours", "Disk", "")]
    counted = list(zip(rehearsals, models, strict=True))
    for found, number in counted:
        sizes = [_gb(found.memory * 1e6), _gb(found.gpu_memory * 1e6)]
        taken = [short(found.seconds), *sizes, short(found.seconds * number / 3600), _gb(found.disk * number)]
        lines.append((found.name, *(["–"] * 5 if found.failed else taken), found.failed or "ok"))
    hours, disk = (sum(getattr(found, of) * number for found, number in counted) for of in ("seconds", "disk"))
    lines.append(("total", "", "", "", short(hours / 3600), _gb(disk), ""))
    free = disk_usage(".").free
    full = [f"The disk has only {_gb(free)} free."] if free < disk else []
    return "\n".join([*aligned(lines, [str.ljust, *[str.rjust] * 5, str.ljust]), *full])


def costs(plan: Plan) -> "pd.DataFrame":
    """Estimates what each run of a study costs, a row per ``dataset/architecture/regime``.

    What is finished no longer counts, as far as the study still asks for it.

    Returns:
        ``run seeds models``; ``models_left jobs_left hours_left`` (of one GPU, or one core); ``seconds source`` per
        model, as :func:`seconds_per_model`, and ``unknown``, why the network could not be counted; ``per_job``, the
        models that one job trains (0 for imported scores); and ``logits phi scores weights``, the bytes of the
        finished run, of which ``disk_left`` are not yet written. ``attrs["jobs"]`` counts all jobs left by rule,
        without tables and figures.
    """
    import pandas as pd

    remaining = Remaining(plan)
    measures = {key: measure(remaining, key) for key in plan.study.runs}
    rows = pd.DataFrame([_cost(remaining, key, measures) for key in plan.study.runs])
    rows.attrs["jobs"] = dict(Counter(job.rule for job in remaining.left))
    return rows


def _cost(remaining: Remaining, key: str, measures: Mapping[str, Measures]) -> dict[str, Any]:
    study, imported = remaining.plan.study, key in remaining.plan.imported
    seeds, models, time = study.seeds_of(key), study.shadow_models, seconds_per_model(remaining, key, measures)
    size, views = measures[key].size, study.recipe_of(key).query_views
    keeps = ["imported"] if imported else study.training_settings(key).kept
    each = stored_bytes(size.pool, views, size.classes, measures[key].values, keeps)
    stored = {name: number * len(seeds) * models for name, number in each.items()}
    phi = stored["phi"] if imported else stored["phi"] / 2
    jobs = [job for seed in seeds for job in remaining.left_of(key, seed)]
    rules, to_train = Counter(job.rule for job in jobs), sum(map(remaining.to_train, jobs))
    with_models = (stored["logits"] + stored["weights"] + phi) / len(seeds) * to_train / models
    gathered = phi * (rules["gather_shadows"] + rules["import_scores"]) + stored["scores"] * rules["score_attacks"]
    first, last = (0, -1) if imported else shards(study, key)[0]
    row = {"run": key, "seeds": len(seeds), "models": 0 if imported else len(seeds) * models}
    row |= {"models_left": to_train, "jobs_left": len(jobs), "disk_left": with_models + gathered / len(seeds)}
    row |= {"hours_left": hours_left(to_train, rules["train_shadows"], time.seconds), "unknown": measures[key].unknown}
    return row | {"per_job": last - first + 1} | time._asdict() | stored


def hours_left(models: float, jobs: int, seconds: float) -> float:
    """Returns the hours that jobs take to train models, of so many seconds each."""
    return (models * seconds + jobs * START_SECONDS) / 3600


def describe_costs(study: StudySettings, rows: "pd.DataFrame") -> str:
    """Formats the rows of :func:`costs` and their total as text."""
    rows = rows.assign(job_seconds=rows["per_job"] * rows["seconds"] + START_SECONDS)
    shown = rows[["run", "seeds", "models", "models_left", "jobs_left", "hours_left", "source", *PER_JOB, *STORED]]
    total = shown.drop(columns=["run", "source", *PER_JOB]).sum().to_dict() | {"run": "total", "source": ""}
    shown = [*shown.to_dict("records"), total]
    heads = ("Run", "Seeds", "Models", "To train", "Jobs", f"{unit(study)}-hours", "From", "Models a job", "Lasts")
    lines = [(*heads, "Logits", "φ", "Scores", "Weights")]
    for row in shown:
        counts = [f"{row[name]:.0f}" for name in ("seeds", "models", "models_left", "jobs_left")]
        job = (f"{row['per_job']:.0f}", duration(row["job_seconds"])) if row.get("per_job") else ("", "")
        sizes = [_gb(row[name]) for name in STORED]
        lines.append((row["run"], *counts, short(row["hours_left"]), row["source"], *job, *sizes))
    whole = f"Disk when finished: {_gb(sum(total[name] for name in STORED))}, without prepared data and figures"
    whole = f"{whole}; still to be written: {_gb(rows['disk_left'].sum())}."
    by_rule = ", ".join(f"{number} {rule}" for rule, number in rows.attrs["jobs"].items())
    jobs = [f"Jobs left: {by_rule}; tables and figures come on top."] if by_rule else []
    sources = [SOURCES[name] for name in SOURCES if name in set(rows["source"])]
    why = [f"{row['run']}: {row['unknown']}" for row in rows[rows["source"] == "assumed"].to_dict("records")]
    unknown = [line for line in why if not line.endswith(": ")]
    table = aligned(lines, [str.ljust, *[str.rjust] * 5, str.ljust, *[str.rjust] * 6])
    return "\n".join([*table, "", whole, *jobs, *sources, *unknown, *_advice(study, rows)])


def _advice(study: StudySettings, rows: "pd.DataFrame") -> list[str]:
    """Advises on each run whose jobs are too long, or too short though it has work for longer ones."""
    lines, (shortest, longest) = [], JOB_WINDOW
    for row in rows[rows["per_job"] > 0].to_dict("records") if study.shard_size else []:
        enough = row["per_job"] < study.shadow_models and study.shadow_models * row["seconds"] >= shortest
        brief = row["job_seconds"] < shortest and enough
        if brief or row["job_seconds"] > longest:
            made = f"{row['run']}: jobs of {duration(row['job_seconds'])} by shard_size: {study.shard_size}"
            advice = advised_shard(study, row["run"])
            lines.append(f"{made}; 20 minutes to 4 hours are advised, {advice} models a job if it is not given.")
    return lines


ENDS = "first", "last"  # model of a job

PER_JOB = ("per_job", "job_seconds")  # number of models, and time

SOURCES = {
    "measured": "measured: median over the run's own finished models.",
    "rehearsed": "rehearsed: from a step and a batch of each kind (lira rehearse).",
    "architecture": "architecture: from finished models of runs of the same architecture, by work.",
    "stated": "stated: from published times, as nothing is measured; within a factor of about three, rather too low.",
    "assumed": "assumed: size of network or dataset unknown, taken for ResNet-18 or CIFAR-10; of estimators, a guess.",
}


def unit(study: StudySettings) -> str:
    """Returns what hours of training are of."""
    devices = {study.device_of(key) for key in study.runs}
    return "/".join(name for device, name in (("cuda", "GPU"), ("cpu", "Core")) if device in devices)


def aligned(lines: Sequence[Sequence[str]], sides: Sequence[Callable[[str, int], str]]) -> list[str]:
    """Returns the lines of a table whose columns are as wide as their cells."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rows = ([side(cell, width) for side, cell, width in zip(sides, line, widths, strict=True)] for line in lines)
    return ["  ".join(row).rstrip() for row in rows]


def short(amount: float) -> str:
    """Returns an amount as text of two digits or more, without an exponent if it is large."""
    return f"{amount:.0f}" if amount >= 10 else f"{amount:.2g}"


def _gb(size: float) -> str:
    if not size:
        return "–"
    return f"{short(size / 1e9)} GB" if size >= 1e8 else f"{short(size / 1e6)} MB"

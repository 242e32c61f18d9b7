"""Estimates what a study still costs: models, jobs, disk space and hours of training, without what is finished.

Seconds per model come from the study's own measured jobs if there are any. Otherwise they are stated: the model's
multiply-adds divided by the rate of a published run (:mod:`lira.work`), plus the start of a job.
"""

from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from lira.config import StudySettings
from lira.work import Seconds, advised_shard, shards, size_of, stated_seconds, values_of, work

if TYPE_CHECKING:
    import pandas as pd

ATTACK_ARRAYS = 5  # float64 arrays in a run's scores
START_SECONDS = 5  # a job needs this to import torch and load data; measured times include it
JOB_WINDOW = 20 * 60, 4 * 3600  # shortest and longest job advised, in seconds, if its run has as much work


def seconds_per_model(study: StudySettings, key: str, runtime: Path | str | None = None) -> Seconds:
    """Estimates the seconds to train and query one shadow model.

    Args:
        study: The study.
        key: Run, as ``dataset/architecture/regime``.
        runtime: Folder of the study's measured times, ``results/<study>/runtime``, if they are to be used.
    """
    folder = Path(runtime) if runtime else None
    own = _measured(folder, key) if folder else []
    if own:
        return Seconds(median(own), "measured")
    alike = [other for other in study.runs if other.split("/")[1] == key.split("/")[1]]
    times = [(other, seconds) for other in alike for seconds in _measured(folder, other)] if folder else []
    rates = [work(study, other).operations / seconds for other, seconds in times]
    if rates:
        return Seconds(work(study, key).operations / median(rates), "architecture")
    return stated_seconds(study, key)


def _measured(runtime: Path, key: str) -> list[float]:
    """Returns the seconds per model of each finished shard; of a job that was restarted, only the last attempt."""
    found = []
    for file in sorted((runtime / "train_shadows" / key).glob("seed*/*-*.tsv")):
        first, last = map(int, file.stem.split("-"))
        if len(lines := file.read_text().splitlines()[:2]) < 2:  # Snakemake was killed while it wrote
            continue
        names, values = (line.split("\t") for line in lines)
        found.append(float(dict(zip(names, values, strict=True))["s"]) / (last - first + 1))
    return found


STEPS = ("shadows.h5", "scores.h5", "metrics.csv", "controls.csv")  # jobs after training; the first seed has one more
STORED = ("logits", "phi", "scores", "weights")  # takes the disk space; phi is stored in the shards and gathered


def costs(study: StudySettings, results: Path | str) -> "pd.DataFrame":
    """Estimates what each run of a study costs, a row per ``dataset/architecture/regime``.

    Args:
        study: The study.
        results: ``results/<study>``; what is finished there no longer counts.

    Returns:
        ``run seeds models``; ``models_left jobs_left hours_left`` (of one GPU, or one core); ``seconds source`` per
        model, as :func:`seconds_per_model`; ``per_job``, the models that one job trains (0 for imported scores), and
        ``start``, the seconds before a job trains; and ``logits phi scores weights``, the bytes of the finished run,
        of which ``disk_left`` are not yet written.
    """
    import pandas as pd

    results = Path(results)
    return pd.DataFrame([_cost(study, key, results) for key in study.runs])


def _cost(study: StudySettings, key: str, results: Path) -> dict:
    seeds, models = study.seeds_of(key), study.shadow_models
    time = seconds_per_model(study, key, results / "runtime")
    start = START_SECONDS if time.source in ("stated", "assumed") else 0
    size, views = size_of(study, key), study.recipe_of(key).query_views
    values = len(seeds) * models * size.pool
    imported = study.runs[key].scores is not None
    phi = (4 * views + 1) * values
    weights = values_of(study, key) if study.store_weights and not imported else 0
    stored = {
        "logits": 4 * values * views * size.classes * (study.store_logits and not imported),
        "phi": phi if imported else 2 * phi,
        "scores": (8 * ATTACK_ARRAYS + 1) * values,
        "weights": 4 * len(seeds) * models * weights,
    }
    row: dict[str, Any] = {"run": key, "seeds": len(seeds), "models": 0 if imported else len(seeds) * models}
    row |= {"models_left": 0, "jobs_left": 0, "hours_left": 0.0, "disk_left": 0.0}
    for seed in seeds:
        folder = results / "runs" / key / f"seed{seed}"
        unfinished = [] if imported else _shards_left(study, key, folder)
        steps = [*STEPS, "summary.csv"] if seed == seeds[0] else STEPS
        missing = [step for step in steps if not (folder / step).is_file()]
        row["models_left"] += sum(unfinished)
        row["jobs_left"] += len(unfinished) + len(missing)
        row["hours_left"] += (sum(unfinished) * time.seconds + len(unfinished) * start) / 3600
        in_shards = (stored["logits"] + stored["weights"] + phi) * sum(unfinished) / models
        gathered = phi * (STEPS[0] in missing) + stored["scores"] * (STEPS[1] in missing)
        row["disk_left"] += (in_shards + gathered) / len(seeds)
    first, last = (0, -1) if imported else shards(study, key)[0]
    return row | {"per_job": last - first + 1, "start": start} | time._asdict() | stored


def _shards_left(study: StudySettings, key: str, folder: Path) -> list[int]:
    """Counts the models still to train in each unfinished shard; stored cohorts count as trained."""
    if (folder / STEPS[0]).is_file():
        return []
    left, cohort = [], study.recipe_of(key).cohort
    for first, last in shards(study, key):
        shard = folder / "shards" / f"{first}-{last}.h5"
        if not shard.is_file():
            kept = cohort * len(list(shard.with_name(f"{shard.name}.parts").glob("*.h5")))
            left.append(max(0, last - first + 1 - kept))
    return left


def describe_costs(study: StudySettings, rows: "pd.DataFrame") -> str:
    """Formats the rows of :func:`costs` and their total as text."""
    rows = rows.assign(job_seconds=rows["per_job"] * rows["seconds"] + rows["start"])
    shown = rows[["run", "seeds", "models", "models_left", "jobs_left", "hours_left", "source", *PER_JOB, *STORED]]
    total = shown.drop(columns=["run", "source", *PER_JOB]).sum().to_dict() | {"run": "total", "source": ""}
    shown = [*shown.to_dict("records"), total]
    unit = "GPU" if study.device == "cuda" else "Core"
    heads = ("Run", "Seeds", "Models", "To train", "Jobs", f"{unit}-hours", "From", "Models a job", "Lasts")
    lines = [(*heads, "Logits", "φ", "Scores", "Weights")]
    for row in shown:
        counts = [f"{row[name]:.0f}" for name in ("seeds", "models", "models_left", "jobs_left")]
        job = (f"{row['per_job']:.0f}", _time(row["job_seconds"])) if row.get("per_job") else ("", "")
        sizes = [_gb(row[name]) for name in STORED]
        lines.append((row["run"], *counts, _short(row["hours_left"]), row["source"], *job, *sizes))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    sides = [str.ljust, *[str.rjust] * 5, str.ljust, *[str.rjust] * 6]
    text = ["  ".join(side(cell, w) for side, cell, w in zip(sides, line, widths, strict=True)) for line in lines]
    whole = f"Disk when finished: {_gb(sum(total[name] for name in STORED))}, without prepared data and figures"
    whole = f"{whole}; still to be written: {_gb(rows['disk_left'].sum())}."
    sources = [SOURCES[name] for name in SOURCES if name in set(rows["source"])]
    return "\n".join([*text, "", whole, *sources, *_advice(study, rows)])


def _advice(study: StudySettings, rows: "pd.DataFrame") -> list[str]:
    """Advises on each run whose jobs are too long, or too short though it has work for longer ones."""
    lines, (shortest, longest) = [], JOB_WINDOW
    for row in rows[rows["per_job"] > 0].to_dict("records") if study.shard_size else []:
        enough = row["per_job"] < study.shadow_models and study.shadow_models * row["seconds"] >= shortest
        short = row["job_seconds"] < shortest and enough
        if short or row["job_seconds"] > longest:
            made = f"{row['run']}: jobs of {_time(row['job_seconds'])} by shard_size: {study.shard_size}"
            advice = advised_shard(study, row["run"])
            lines.append(f"{made}; 20 minutes to 4 hours are advised, {advice} models a job if it is not given.")
    return lines


PER_JOB = ("per_job", "job_seconds")  # number of models, and time

SOURCES = {
    "measured": "measured: median over the run's own finished jobs.",
    "architecture": "architecture: from finished jobs of runs of the same architecture, by work.",
    "stated": "stated: from published times, as nothing is measured; within a factor of about three, rather too low.",
    "assumed": "assumed: size of network or dataset unknown, taken for ResNet-18 or CIFAR-10.",
}


def _time(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def _short(hours: float) -> str:
    return f"{hours:.0f}" if hours >= 10 else f"{hours:.2g}"


def _gb(size: float) -> str:
    if not size:
        return "–"
    return f"{size / 1e9:.0f} GB" if size >= 1e10 else f"{size / 1e9:.2g} GB" if size >= 1e8 else f"{size / 1e6:.2g} MB"

"""Says how far a study is, run by run: a dry run for people. Nothing is written, and torch is not imported."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lira.cost import Measures, aligned, hours_left, measure, seconds_per_model, short, unit
from lira.remaining import Remaining
from lira.storage.models import running_jobs
from lira.work import Seconds
from lira.workflow import Plan

QUIET_MINUTES = 15  # three times as long as a job trains between two checkpoints

HEADS = ("Run", "Trained", "Jobs left", "Running")
RUNNING = (
    "Running: training jobs whose process lives on this node, or that wrote something on another node in the last "
    f"{QUIET_MINUTES} minutes."
)
UNKNOWN = "?: nothing is trained yet, and the size of network or dataset is unknown; lira cost counts the network."


def describe_status(plan: Plan) -> str:
    """Returns a table of a study's runs: models trained, jobs and hours left, and what is running, stale or done.

    Raises:
        StoreError: A prepared dataset is damaged.
    """
    remaining = Remaining(plan)
    measures = {key: measure(remaining, key, builds=False) for key in plan.study.runs}
    rows = [_status(remaining, key, measures) for key in plan.study.runs]
    total = {name: sum(row[name] for row in rows) for name in ("trained", "models", "jobs", "running", "hours")}
    others = len([job for job in remaining.left if not job.run])
    lines = [(*HEADS, f"{unit(plan.study)}-hours left", "State")]
    for row in [*rows, {"run": "total", "state": "", "known": all(row["known"] for row in rows)} | total]:
        hours = short(row["hours"]) if row["known"] else "?"
        trained = f"{row['trained']} of {row['models']}"
        lines.append((row["run"], trained, str(row["jobs"]), str(row["running"] or ""), hours, row["state"]))
    notes = [f"{others} more jobs prepare data or models to start from."] if others else []
    notes += [RUNNING] if total["running"] else []
    notes += [UNKNOWN] if lines[-1][4] == "?" else []
    return "\n".join([*aligned(lines, [str.ljust, *[str.rjust] * 4, str.ljust]), *(["", *notes] if notes else [])])


def _status(remaining: Remaining, key: str, measures: Mapping[str, Measures]) -> dict[str, Any]:
    plan, study = remaining.plan, remaining.plan.study
    jobs = [job for seed in study.seeds_of(key) for job in remaining.left_of(key, seed)]
    to_train = sum(map(remaining.to_train, jobs))
    time = seconds_per_model(remaining, key, measures) if to_train else Seconds(0, "measured")
    models = 0 if key in plan.imported else len(study.seeds_of(key)) * study.shadow_models
    folders = [Path(plan.results, "runs", key, f"seed{seed}", "shards") for seed in study.seeds_of(key)]
    running = sum(running_jobs(folder, 60 * QUIET_MINUTES) for folder in folders)
    return {
        "run": key,
        "trained": models - to_train,
        "models": models,
        "jobs": len(jobs),
        "running": running,
        "hours": hours_left(to_train, len([job for job in jobs if job.models]), time.seconds),
        "known": time.source != "assumed",
        "state": _state(len(jobs), running, to_train == models > 0, remaining.reasons(key)),
    }


def _state(jobs: int, running: int, new: bool, reasons: list[str]) -> str:
    if reasons:
        return f"stale: {', '.join(reasons)}"
    return "running" if running else "not started" if new else "unfinished" if jobs else "done"

"""Says how far a study is, run by run: a dry run for people. Nothing is written, and torch is not imported."""

import shlex
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

from lira.core.errors import LiraError
from lira.core.pace import read_told
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
ESTIMATED = ("stated", "assumed")
"""Sources of times that were not measured in this study."""

UNKNOWN = "?: nothing of it is measured yet; lira cost counts the network, and estimates by published times."


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


def describe_stop(plan: Plan, interrupted: bool) -> str:
    """Returns what is said of a run that did not come to its end: where it is said why, or what was kept at Ctrl-C."""
    again = "to go on from here"
    if not interrupted:
        return f"Stopped. What failed is said above and in {plan.results}/logs; run the same command again {again}."
    kept = ""
    with suppress(LiraError):  # a damaged file, of which the next run says more
        remaining = Remaining(Plan(plan.study))  # for the plan of before, all was new that it asked for
        jobs = [job for job in remaining.jobs if job.models]
        models = sum(job.models[1] - job.models[0] + 1 for job in jobs if job.models)
        begun = len([*Path(plan.results, "runs").glob("*/*/*/*/shards/[!.]*.pt")])
        finished = models - sum(map(remaining.to_train, jobs))
        kept = f"{finished} of {models} models, {begun} checkpoints of unfinished ones and "
    command = shlex.join(["snakemake", *sys.argv[1:]])
    return f"Stopped. {plan.results} keeps {kept}every finished step; {again}, type: {command}"


def _status(remaining: Remaining, key: str, measures: Mapping[str, Measures]) -> dict[str, Any]:
    plan, study = remaining.plan, remaining.plan.study
    jobs = [job for seed in study.seeds_of(key) for job in remaining.left_of(key, seed)]
    to_train = sum(map(remaining.to_train, jobs))
    time = seconds_per_model(remaining, key, measures) if to_train else Seconds(0, "measured")
    running = [file for seed in study.seeds_of(key) for file in _running(plan, key, seed)]
    told = [said for file in running if (said := read_told(file)) and said.model]
    if told and time.source in ESTIMATED:
        time = Seconds(median(said.model for said in told if said.model), "measured")
    models = 0 if key in plan.imported else len(study.seeds_of(key)) * study.shadow_models
    return {
        "run": key,
        "trained": models - to_train,
        "models": models,
        "jobs": len(jobs),
        "running": len(running),
        "hours": hours_left(
            max(0, to_train - sum(said.begun for said in told)), len([job for job in jobs if job.models]), time.seconds
        ),
        "known": time.source not in ESTIMATED,
        "state": _state(len(jobs), len(running), to_train == models > 0, remaining.reasons(key)),
    }


def _running(plan: Plan, key: str, seed: int) -> list[Path]:
    return running_jobs(Path(plan.results, "runs", key, f"seed{seed}", "shards"), 60 * QUIET_MINUTES)


def _state(jobs: int, running: int, new: bool, reasons: list[str]) -> str:
    if reasons:
        return f"stale: {', '.join(reasons)}"
    return "running" if running else "not started" if new else "unfinished" if jobs else "done"

"""What tables and figures there are, of the whole study or, of a study half done, of the runs that are finished."""

import os
import sys
from functools import cache

from snakemake.cli import get_argument_parser

COMPARED = {*study.agreement, *study.transfer}.union(*study.agreement.values())
BENCHMARKS = [
    key
    for key in study.runs
    if key not in study.ablation or key in COMPARED or key.split("/")[2] in REGIMES
]
"""The runs that tables and figures of all runs show: rows of the ablation have a table of their own."""

VERDICT = [
    "verdict",
    "claims",
    *(name for name in SHOWN if name.startswith("published-")),
]


def finished_only():
    """Whether to train nothing and show what is finished: ``snakemake tables figures --keep-going``."""
    execution, targets = workflow.execution_settings, workflow.dag_settings.targets
    keep_going = execution is not None and execution.keep_going
    shown = bool(targets) and set(targets) <= {"tables", "figures"}
    return keep_going and shown and keep_going_is_typed()


@cache
def keep_going_is_typed():
    """Whether ``--keep-going`` is on the command line, and not a profile's alone, as it is the cluster's."""
    return get_argument_parser().parse_known_args(sys.argv[1:])[0].keep_going


@cache
def is_trained(key, seed):
    """Whether a run's shadow models are there, gathered or in all their shards."""
    folder = Path(RESULTS, "runs", key, f"seed{seed}")
    made = [folder / "shards" / f"{a}-{b}.h5" for a, b in shards(study, key)]
    gathered = (folder / "shadows.h5").is_file()
    return key in IMPORTED or gathered or all(file.is_file() for file in made)


def files_of(name, keys=None, every_seed=False):
    """One file of each run: of its first seed, or of every seed.

    Of a study half done those of trained runs. A job that runs by itself, on a cluster, has the files that it was
    started with: Snakemake has waited for them.
    """
    found = []
    for key in study.runs if keys is None else keys:
        for seed in study.seeds_of(key) if every_seed else study.seeds_of(key)[:1]:
            file = f"{RESULTS}/runs/{key}/seed{seed}/{name}"
            if workflow.remote_exec and not Path(file).is_file():
                continue
            if not finished_only() or is_trained(key, seed):
                found.append(file)
    return found


def references():
    """The comparisons of runs there are: those with two seeds or more."""
    return [
        key
        for key in study.agreement
        if len(files_of("samples.csv", [key], every_seed=True)) > 1
        and files_of("samples.csv", [key])
    ]


def agreement_files(name):
    """One file of each comparison of runs."""
    return lambda wildcards: [
        f"{RESULTS}/agreement/{key}/{name}" for key in references()
    ]


def agreement_run_files(name):
    """One file of every run of every comparison, each once."""

    def files(wildcards):
        found = [files_of(name, [key], every_seed=True) for key in references()]
        found += [files_of(name, study.agreement[key]) for key in references()]
        return list(dict.fromkeys(file for part in found for file in part))

    return files


def unfinished_runs(keys=None, every_seed=True):
    """A line per run that is left out because it is not finished, with the command that adds it."""
    left, half_done = [], finished_only() or workflow.remote_exec
    for key in (study.runs if keys is None else keys) if half_done else []:
        for seed in study.seeds_of(key) if every_seed else study.seeds_of(key)[:1]:
            if not is_trained(key, seed):
                command = " ".join(
                    [COMMAND, f"{RESULTS}/runs/{key}/seed{seed}/summary.csv"]
                )
                left.append(f"{key}, seed {seed}, is not finished: {command} adds it.")
    return left


COMMAND = " ".join(
    ["snakemake"]
    + [
        f"--configfile {os.path.relpath(file)}"
        for file in workflow.overwrite_configfiles
    ]
)


def note_of(keys=None, every_seed=False):
    """What a table says of the runs that it lacks, as options of its command."""
    return lambda wildcards: option("note", unfinished_runs(keys, every_seed))


def fpr_and_note(wildcards):
    """Options of a table of all runs at one FPR."""
    return [*option("fpr", wildcards.fpr), *note_of(BENCHMARKS)(wildcards)]


def table_pages(wildcards):
    """The pages of all tables."""
    names = []
    if files_of("summary.csv", BENCHMARKS):
        names += [*VERDICT, "benchmarks", "utility", "optimistic"]
        names += [
            f"{name}-fpr{fpr}" for name in ("calibrated", "robustness") for fpr in FPRS
        ]
    for name in ("ablation", "transfer"):
        names += [name] if files_of("summary.csv", getattr(study, name)) else []
    names += [f"rank_agreement-{study.stem(key)}" for key in references()]
    names += ["provenance"] if files_of("shadows.h5", every_seed=True) else []
    return [f"{RESULTS}/paper/tables/{name}.html" for name in names]


def figure_pages(wildcards):
    """The pages of all figures."""
    there = [key for key in BENCHMARKS if files_of("scores.h5", [key])]
    networks = dict.fromkeys(study.stem(key, parts=2) for key in there)
    names = ["loss_ratio", "roc"] if there else []
    names += [f"in_out-{network}" for network in networks]
    for key in references():
        pictures = ["top_vulnerable"] if has_pictures(key.split("/")[0]) else []
        names += [f"{name}-{study.stem(key)}" for name in OF_COMPARISONS]
        names += [
            f"{name}-{study.stem(key)}-fpr{fpr}"
            for name in ("support", *pictures)
            for fpr in FPRS
        ]
    return [f"{RESULTS}/paper/figures/{name}.pdf" for name in names]


OF_COMPARISONS = [
    "outliers",
    "thresholds",
    "agreement",
    "displacement",
    "rank_bins",
    "top1",
    "records",
]

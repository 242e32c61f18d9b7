"""What the rules know of the study: its runs, their files and what each step depends on."""

import json
import re

from snakemake.exceptions import WorkflowError

from lira.config import load_study, read_yaml
from lira.errors import LiraError

try:
    for file in workflow.overwrite_configfiles or ["workflow_config.yaml"]:
        read_yaml(file)  # Snakemake's own reading lets the last of two equal keys win
    study = load_study(config)
except LiraError as error:
    raise WorkflowError(str(error)) from None

RESULTS = f"results/{study.study}"
DEVICE = ["--device", study.device, "--jobs-per-gpu", str(study.jobs_per_gpu)]
GPUS = 1 if study.device == "cuda" else 0
FPRS = [f"{fpr:g}" for fpr in study.fprs]


def any_of(names):
    return "|".join(re.escape(name) for name in sorted(names))


WILDCARDS = dict(
    dataset=any_of(study.datasets),
    architecture=any_of(study.architectures),
    regime=any_of(study.regimes),
    view="[A-Za-z0-9-]+",
    seed=r"\d+",
    first=r"\d+",
    last=r"\d+",
    fpr=any_of(FPRS),
)


def run_key(wildcards):
    return f"{wildcards.dataset}/{wildcards.architecture}/{wildcards.regime}"


def run_files(name, keys=None, every_seed=False):
    """One file of each run: of its first seed, or of every seed."""
    return [
        f"{RESULTS}/runs/{key}/seed{seed}/{name}"
        for key in (study.runs if keys is None else keys)
        for seed in (study.seeds_of(key) if every_seed else study.seeds_of(key)[:1])
    ]


def data_file(wildcards):
    view = study.datasets[wildcards.dataset].view
    return f"{RESULTS}/data/{wildcards.dataset}-{view}.h5"


def shard_files(wildcards):
    return [
        f"{RESULTS}/runs/{run_key(wildcards)}/seed{wildcards.seed}/shards/{a}-{b}.h5"
        for a, b in study.shards()
    ]


def pretrained_file(wildcards):
    if study.recipe_of(run_key(wildcards)).start == "scratch":
        return []
    return f"{RESULTS}/pretrained/{wildcards.dataset}/{wildcards.architecture}.pt"


def reference_files(name):
    return lambda wildcards: run_files(name, [run_key(wildcards)], every_seed=True)


def variant_files(name):
    return lambda wildcards: run_files(name, study.agreement[run_key(wildcards)])


def variant_labels(wildcards):
    return [study.label(key) for key in study.agreement[run_key(wildcards)]]


def dataset_settings(wildcards):
    return json.dumps(study.datasets[wildcards.dataset].model_dump())


def training_settings(wildcards):
    return json.dumps(study.training_settings(run_key(wildcards)))


def pretraining_settings(wildcards):
    return json.dumps(study.pretraining_settings(wildcards.architecture))


def run_description(wildcards):
    names = ("dataset", "architecture", "regime")
    run = {name: wildcards[name] for name in names}
    return json.dumps({"study": study.study, **run, "seed": int(wildcards.seed)})


def option(name, values):
    """A command-line option, repeated for each of the values."""
    values = [values] if isinstance(values, str) else values
    return [word for value in values for word in (f"--{name}", str(value))]


def regime_files(name):
    """One file of each benchmark regime of a dataset and architecture."""

    def files(wildcards):
        prefix = f"{wildcards.dataset}/{wildcards.architecture}/"
        return run_files(name, [key for key in study.runs if key.startswith(prefix)])

    return files


def table_files(name, category):
    """The three files of a table; the report shows the first."""
    stem = f"{RESULTS}/paper/tables/{name}"
    return {
        "csv": report(f"{stem}.csv", category=category, caption=caption(name)),
        "tex": f"{stem}.tex",
        "md": f"{stem}.md",
    }


def figure_files(name, category):
    """The two files of a figure; the report shows the second."""
    stem = f"{RESULTS}/paper/figures/{name}"
    return {
        "pdf": f"{stem}.pdf",
        "png": report(f"{stem}.png", category=category, caption=caption(name)),
    }


def caption(name):
    return f"captions/{name.split('-')[0]}.rst"


REFERENCES = [study.stem(key) for key in study.agreement]
NETWORKS = dict.fromkeys(study.stem(key, parts=2) for key in study.runs)

TABLES = [
    "benchmarks",
    "utility",
    "optimistic",
    *(f"calibrated-fpr{fpr}" for fpr in FPRS),
    *(name for name in ("ablation", "transfer") if getattr(study, name)),
    *(f"rank_agreement-{reference}" for reference in REFERENCES),
]

FIGURES = [
    "loss_ratio",
    "roc",
    *(f"in_out-{network}" for network in NETWORKS),
    *(
        f"{name}-{ref}"
        for ref in REFERENCES
        for name in ("thresholds", "agreement", "displacement", "rank_bins", "top1")
    ),
    *(
        f"{name}-{ref}-fpr{fpr}"
        for ref in REFERENCES
        for name in ("support", "top_vulnerable")
        for fpr in FPRS
    ),
]

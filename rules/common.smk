"""What the rules know of the study: its runs, their files and what each step depends on."""

import json
import re

from snakemake.exceptions import WorkflowError

from lira.config import RAW, load_study, read_yaml
from lira.cost import shards
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
    return "|".join(re.escape(name) for name in sorted(names)) or "(?!)"


VIEWS = study.views()
IMPORTED = [key for key, run in study.runs.items() if run.scores]


def names_of(part, declared):
    return any_of({*declared, *(key.split("/")[part] for key in study.runs)})


WILDCARDS = dict(
    dataset=names_of(0, study.datasets),
    architecture=names_of(1, study.architectures),
    regime=names_of(2, study.regimes),
    view=any_of(view for _, view in VIEWS),
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
    """The run's preparation of its dataset; none for imported scores of a dataset that is not in the study."""
    if wildcards.dataset not in study.datasets:
        return []
    view = study.view_of(run_key(wildcards), int(wildcards.seed))
    return f"{RESULTS}/data/{wildcards.dataset}-{view}.h5"


def public_file(wildcards):
    """Pretraining's preparation of a dataset."""
    view = study.pretraining_view(wildcards.dataset)
    return f"{RESULTS}/data/{wildcards.dataset}-{view}.h5"


def has_pictures(dataset):
    return dataset in study.datasets and study.datasets[dataset].holds == "image"


def pictures_file(wildcards):
    """What figures show samples from: the first of their runs' preparations, if it holds images."""
    dataset, regime = wildcards.dataset, wildcards.get("regime", "")
    if not has_pictures(dataset):
        return []
    prefix = f"{dataset}/{wildcards.architecture}/{regime}"
    key = next(
        key
        for key in study.runs
        if key == prefix or key.startswith(prefix) and not regime
    )
    view = study.view_of(key, study.seeds_of(key)[0])
    return f"{RESULTS}/data/{dataset}-{view}.h5"


def raw_files(wildcards):
    """What a dataset is prepared from: the record of its raw files, or the user's own file."""
    dataset = study.datasets[wildcards.dataset]
    if dataset.source in RAW:
        return f"{RESULTS}/data/{wildcards.dataset}.json"
    return dataset.path if dataset.source == "file" else []


def shard_files(wildcards):
    key = run_key(wildcards)
    return [
        f"{RESULTS}/runs/{key}/seed{wildcards.seed}/shards/{a}-{b}.h5"
        for a, b in shards(study, key)
    ]


def pretrained_file(wildcards):
    if study.recipe_of(run_key(wildcards)).start != "public":
        return []
    return f"{RESULTS}/pretrained/{wildcards.dataset}/{wildcards.architecture}.pt"


def reference_files(name):
    return lambda wildcards: run_files(name, [run_key(wildcards)], every_seed=True)


def variant_files(name):
    return lambda wildcards: run_files(name, study.agreement[run_key(wildcards)])


def variant_labels(wildcards):
    return [study.label(key) for key in study.agreement[run_key(wildcards)]]


def dataset_settings(wildcards):
    return json.dumps(study.dataset_of(wildcards.dataset).model_dump())


def raw_settings(wildcards):
    dataset = study.datasets[wildcards.dataset]
    return json.dumps({"source": dataset.source, "path": dataset.path})


def view_options(wildcards):
    size, seed = VIEWS[wildcards.dataset, wildcards.view]
    return [*option("size", [size] if size else []), *option("seed", [seed])]


def scores_source(wildcards):
    return study.runs[run_key(wildcards)].scores.replace("{seed}", wildcards.seed)


def imported_recipe(wildcards):
    return json.dumps(study.imported_recipe(run_key(wildcards)))


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
ILLUSTRATED = [
    study.stem(key) for key in study.agreement if has_pictures(key.split("/")[0])
]
NETWORKS = dict.fromkeys(study.stem(key, parts=2) for key in study.runs)

TABLES = [
    "benchmarks",
    "utility",
    "optimistic",
    *(f"{name}-fpr{fpr}" for name in ("calibrated", "robustness") for fpr in FPRS),
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
        for name in ("support", *(["top_vulnerable"] if ref in ILLUSTRATED else []))
        for fpr in FPRS
    ),
]

"""What the rules know of the study: its runs, their files and what each step depends on."""

import csv
import json
import re
from pathlib import Path

from snakemake.exceptions import WorkflowError

from lira.config import RAW, load_study, read_yaml
from lira.cost import check_sizes, shards
from lira.core.errors import LiraError
from lira.report.labels import REGIMES, percent, show

try:
    for file in workflow.overwrite_configfiles or ["workflow_config.yaml"]:
        read_yaml(file)  # Snakemake's own reading lets the last of two equal keys win
    study = load_study(config)
    check_sizes(study)
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
    return lambda wildcards: files_of(name, keys, every_seed)


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


def samples_file(wildcards):
    """What figures show samples from: the first of their runs' preparations; none for imported scores."""
    dataset, regime = wildcards.dataset, wildcards.get("regime", "")
    if dataset not in study.datasets:
        return []
    prefix = f"{dataset}/{wildcards.architecture}/{regime}"
    key = next(
        key
        for key in study.runs
        if key == prefix or key.startswith(prefix) and not regime
    )
    view = study.view_of(key, study.seeds_of(key)[0])
    return f"{RESULTS}/data/{dataset}-{view}.h5"


def pictures_file(wildcards):
    """The same, if it holds images."""
    return samples_file(wildcards) if has_pictures(wildcards.dataset) else []


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
    return lambda wildcards: files_of(name, [run_key(wildcards)], every_seed=True)


def variant_files(name):
    return lambda wildcards: files_of(name, study.agreement[run_key(wildcards)])


def compared_files(name):
    """One file of every run of a comparison."""
    return lambda wildcards: [
        *reference_files(name)(wildcards),
        *variant_files(name)(wildcards),
    ]


def variant_labels(wildcards):
    variants = study.agreement[run_key(wildcards)]
    return [study.label(key) for key in variants if files_of("samples.csv", [key])]


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


def training_memory(wildcards, input, attempt):
    """Megabytes of a job that trains: its libraries, and its data twice."""
    return int((4000 + 2 * input.size_mb) * attempt)


def training_settings(wildcards):
    return json.dumps(study.training_settings(run_key(wildcards)))


def pretraining_settings(wildcards):
    return json.dumps(study.pretraining_settings(wildcards.architecture))


def run_description(wildcards):
    names = ("dataset", "architecture", "regime")
    run = {name: wildcards[name] for name in names}
    made = {"study": study.study, "protocol": study.protocol}
    return json.dumps({**made, **run, "seed": int(wildcards.seed)})


def option(name, values):
    """A command-line option, repeated for each of the values."""
    values = [values] if isinstance(values, str) else values
    return [word for value in values for word in (f"--{name}", str(value))]


ATTACKS = option("attack", [f"{name}={at}" for name, at in study.attacks.items()])
"""Attacks that are not the suite's own, for the steps that score."""


def regime_files(name):
    """One file of each benchmark regime of a dataset and architecture."""

    def files(wildcards):
        prefix = f"{wildcards.dataset}/{wildcards.architecture}/"
        return files_of(name, [key for key in BENCHMARKS if key.startswith(prefix)])

    return files


CATEGORIES = [
    "Verdict",
    "Study",
    "Utility",
    "Attacks",
    "Calibration",
    "Agreement",
    "Records",
    "Provenance",
]
"""Of the report, in the paper's order; a number before each keeps it."""

SHOWN = {
    "benchmarks": ("Table 1", "The study's grid"),
    "utility": ("Table 2", "Losses and accuracies"),
    "optimistic": ("Table 3–6", "Rates at the targets' own thresholds"),
    "calibrated": ("Table 7–10, 12", "Rates at both thresholds"),
    "robustness": ("", "What the means can carry"),
    "rank_agreement": ("Table 11, 13", "Agreement of top q %"),
    "ablation": ("Table 14", "Ablation"),
    "transfer": ("Table 15", "Scratch against transfer"),
    "thresholds": ("Figure 1", "Spread of thresholds"),
    "agreement": ("Figure 2, 6", "Agreement of flagged sets"),
    "support": ("Figure 3, 9, 10, 12", "Agreement by support"),
    "top_vulnerable": ("Figure 4, 11", "Most vulnerable samples"),
    "displacement": ("Figure 5", "Displacement"),
    "loss_ratio": ("Figure 7", "Loss ratio against TPR"),
    "in_out": ("Figure 8", "One sample, IN and OUT"),
    "rank_bins": ("Figure 13, 14", "Vulnerability by rank"),
    "top1": ("Figure 15", "Each run's top sample"),
    "roc": ("", "ROC of all attacks"),
    "records": ("", "Cards of the most exposed records"),
    "provenance": ("", "How each run was made"),
    "verdict": ("", "Agreement with the paper, by table"),
    "claims": ("", "Claims of the paper"),
    "outliers": ("", "Without single runs and targets"),
    "published-utility": ("Table 2", "Published against ours"),
    "published-optimistic": ("Table 3–6", "Published against ours"),
    "published-calibrated": ("Table 7–10, 12", "Published against ours"),
    "published-ablation": ("Table 14", "Published against ours"),
    "published-transfer": ("Table 15", "Published against ours"),
    "published-agreement": ("Figure 2", "Published against ours"),
    "published-support": ("Figure 3", "Published against ours"),
    "published-loss_ratio": ("Figure 7", "Published against ours"),
}
"""What each table and figure is in the paper, and what the report calls it."""


def table_files(name, category):
    """The four files of a table; the report shows the page."""
    stem = f"{RESULTS}/paper/tables/{name}"
    return {
        "csv": f"{stem}.csv",
        "tex": f"{stem}.tex",
        "md": f"{stem}.md",
        "html": in_report(f"{stem}.html", category),
    }


def verdict_files(category):
    """The files of all tables of the verdict, which one job writes."""
    tables = [table_files(name, category) for name in VERDICT]
    return [file for files in tables for file in files.values()]


def figure_files(name, category):
    """The two files of a figure; the report shows the second."""
    stem = f"{RESULTS}/paper/figures/{name}"
    return {"pdf": f"{stem}.pdf", "png": in_report(f"{stem}.png", category)}


def in_report(file, category):
    """A file that the report shows, with its place, caption and labels."""
    stem = Path(file).stem
    name = stem.split("-")[0]
    place = f"{CATEGORIES.index(category) + 1} {category}"
    return report(
        file,
        category=place,
        caption=f"captions/{name}.rst",
        labels=labels(stem if stem in SHOWN else name),
    )


def labels(name):
    """What the report says of a file: Snakemake sorts by it, and leaves out what the file lacks.

    A second label of two values, each that of half a category's files, would become a switch between pairs of files.
    """
    paper, shows = SHOWN[name]

    def of_file(wildcards):
        found = {"result": f"{in_order(paper)}: {shows}" if paper else shows}
        for part in ("dataset", "architecture", "regime"):
            if part in wildcards.keys():
                found[part] = show(wildcards[part])
        if "regime" in found:
            seeds = study.seeds_of(run_key(wildcards))
            found["seeds"] = (",\u00a0" if len(seeds) < 6 else ", ").join(
                map(str, seeds)
            )
        if "fpr" in wildcards.keys():
            found["FPR"] = percent(float(wildcards.fpr)).replace(" ", "\u00a0")
        return found

    return of_file


def in_order(paper):
    """A number of one digit is led by a hair space, so that its text sorts before that of two."""
    return re.sub(r"^(\w+ )(?=\d(?!\d))", "\\1\u200a", paper)


def listed(names):
    """Names in a sentence, as readers see them."""
    *first, last = map(show, dict.fromkeys(names))
    return f"{', '.join(first)} and {last}" if first else last


def description():
    """The numbers and names of the paragraph that opens the report."""
    datasets, architectures, regimes = zip(*(key.split("/") for key in study.runs))
    runs = sum(len(study.seeds_of(key)) for key in study.runs)
    return {
        "runs": runs,
        "recipes": len(study.runs),
        "imported": len(IMPORTED),
        "models": study.shadow_models,
        "trained": study.shadow_models
        * sum(len(study.seeds_of(key)) for key in study.runs if key not in IMPORTED),
        "datasets": listed(datasets),
        "architectures": listed(architectures),
        "regimes": listed(regimes),
        "fprs": listed(map(percent, study.fprs)),
        "priors": listed(map(percent, study.priors)),
        "protocol": study.protocol,
        "claims": claims(),
    }


def claims():
    """Each of the paper's claims with the verdict on each of its parts, once there are some."""
    file = Path(f"{RESULTS}/paper/tables/claims.csv")
    if not file.is_file():
        return {}
    found = {}
    with file.open(encoding="utf-8", newline="") as opened:
        for row in csv.DictReader(opened):
            found.setdefault(row["claim"], {})[row["part"]] = row["verdict"]
    return found


config["description"] = description()

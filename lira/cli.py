"""The command line: one command per step of the pipeline; each imports only what it needs, when it is called."""

import json
import logging
import re
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from lira.core import preemption
from lira.core.errors import ConfigError, LiraError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Settings = Annotated[str, typer.Option(help="Settings as JSON, as the study file resolves them.")]
Run = Annotated[str, typer.Option(help="Study, dataset, architecture, regime and seed as JSON.")]
Output = Annotated[Path, typer.Option(help="File to write.")]
Data = Annotated[Path, typer.Option(help="Prepared dataset.")]
Offline = Annotated[Literal["two-sided", "one-sided"], typer.Option(help="Which distances from OUT count, offline.")]
Attack = Annotated[list[str] | None, typer.Option(help="Own attack, NAME=package.module:function; may be repeated.")]
Scores = Annotated[Path, typer.Argument(help="scores.h5 of a run.")]
Counts = Annotated[Path, typer.Option(help="Counts per sample to write.")]
Fprs = Annotated[list[float], typer.Option(help="Target false positive rate; may be repeated.")]
Priors = Annotated[list[float], typer.Option(help="Membership prior; may be repeated.")]
Notes = Annotated[list[str] | None, typer.Option(help="Text to add below the table; may be repeated.")]
Device = Annotated[Literal["cpu", "cuda"], typer.Option(help="Where to train.")]
JobsPerGpu = Annotated[int, typer.Option(min=1, help="Training jobs that may share one GPU.")]


@app.callback()
def lira() -> None:
    """Honest evaluation of the LiRA membership inference attack, step by step; Snakemake runs the steps."""


@app.command()
def download_data(settings: Settings, output: Output) -> None:
    """Check a dataset's raw files; download missing ones where possible."""
    from lira import config, datasets

    datasets.download_data(config.parse_section("datasets", config.Dataset, settings), output)


@app.command()
def prepare_data(
    settings: Settings,
    output: Output,
    size: Annotated[int | None, typer.Option(min=1, help="Height and width to resize images to.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of the split, where the settings say run.")] = 0,
) -> None:
    """Load a dataset, split it and write it as one file."""
    from lira import config, datasets

    datasets.prepare_data(config.parse_section("datasets", config.Dataset, settings), size, seed, output)


@app.command()
def pretrain_model(
    settings: Settings, data: Data, output: Output, device: Device = "cpu", jobs_per_gpu: JobsPerGpu = 1
) -> None:
    """Train the model from which fine-tuning starts."""
    from lira import config
    from lira.shadows import jobs

    parsed = config.parse_section("settings", config.PretrainingSettings, settings)
    jobs.pretrain_model(parsed, data, output, device, jobs_per_gpu)


@app.command()
def train_shadows(
    settings: Settings,
    run: Run,
    data: Data,
    first: Annotated[int, typer.Option(help="First model, a multiple of the cohort.")],
    last: Annotated[int, typer.Option(help="Last model: of its cohort or of the run.")],
    output: Output,
    pretrained: Annotated[Path | None, typer.Option(help="Model to fine-tune.")] = None,
    device: Device = "cpu",
    jobs_per_gpu: JobsPerGpu = 1,
) -> None:
    """Train and query a shard of shadow models; continue where an interrupted job stopped."""
    from lira import config
    from lira.shadows import jobs

    parsed = config.parse_section("settings", config.TrainingSettings, settings)
    of = config.parse_section("run", config.RunDescription, run)
    jobs.train_shadows(parsed, of, data, first, last, output, pretrained, device, jobs_per_gpu)


@app.command()
def gather_shadows(
    shards: Annotated[list[Path], typer.Argument(help="All shards of a run.")],
    settings: Settings,
    run: Run,
    data: Data,
    output: Output,
) -> None:
    """Gather the shards of a run into one file."""
    from lira import config
    from lira.shadows import gather

    _check_outputs([output], [*shards, data])
    parsed = config.parse_section("settings", config.TrainingSettings, settings)
    gather.gather_shadows(parsed, config.parse_section("run", config.RunDescription, run), shards, data, output)


@app.command()
def import_scores(
    scores: Annotated[Path, typer.Argument(help=".npz or HDF5 file, or folder with a folder per model.")],
    run: Run,
    output: Output,
    recipe: Annotated[str, typer.Option(help="What is known of the training, as JSON.")] = "{}",
    data: Annotated[Path | None, typer.Option(help="Prepared dataset, for the labels.")] = None,
) -> None:
    """Import scores that were made elsewhere as the shadow models of a run."""
    from lira import config
    from lira.shadows import imported

    _check_outputs([output], [scores, data])
    known = config.parse_section("recipe", config.ImportedRecipe, recipe)
    imported.import_scores(scores, config.parse_section("run", config.RunDescription, run), known, data, output)


@app.command()
def score_attacks(
    shadows: Annotated[Path, typer.Argument(help="shadows.h5 of a run.")],
    output: Output,
    offline: Offline = "two-sided",
    attack: Attack = None,
) -> None:
    """Score every sample with all attacks; each model is the target once."""
    from lira.attacks.lira import Definition, score_file

    _check_outputs([output], [shadows])
    score_file(shadows, output, definition=Definition(offline=offline), own=_named(attack))


@app.command()
def calibrate_thresholds(
    scores: Scores,
    fpr: Fprs,
    prior: Priors,
    metrics: Annotated[Path, typer.Option(help="Rates per target to write.")],
    samples: Counts,
) -> None:
    """Choose thresholds and measure the rates they give."""
    from lira.evaluation import calibration

    _check_outputs([metrics, samples], [scores])
    calibration.calibrate_file(scores, fpr, prior, metrics, samples)


@app.command()
def run_controls(
    shadows: Annotated[Path, typer.Argument(help="shadows.h5 of a run.")],
    fpr: Fprs,
    prior: Priors,
    controls: Annotated[Path, typer.Option(help="Rates per target to write.")],
    samples: Counts,
    gaps: Annotated[Path, typer.Option(help="Vulnerability per sample to write.")],
    offline: Offline = "two-sided",
    attack: Attack = None,
) -> None:
    """Attack and calibrate with permuted membership, to measure what chance alone gives."""
    from lira.attacks.lira import Definition
    from lira.evaluation.controls import control_file

    _check_outputs([controls, samples, gaps], [shadows])
    chosen = Definition(offline=offline)
    control_file(shadows, fpr, prior, controls, samples, gaps, definition=chosen, own=_named(attack))


@app.command()
def summarise_rates(
    scores: Scores,
    metrics: Annotated[Path, typer.Option(help="Rates per target of the run.")],
    output: Output,
    controls: Annotated[Path | None, typer.Option(help="Rates by chance alone.")] = None,
) -> None:
    """Summarise the rates over targets: intervals, robust centres, influence of single targets."""
    from lira.evaluation import summary

    _check_outputs([output], [scores, metrics, controls])
    summary.summarise_file(scores, metrics, output, controls)


@app.command()
def measure_agreement(
    samples: Annotated[list[Path], typer.Argument(help="samples.csv, or null_samples.csv, of the reference's runs.")],
    fpr: Fprs,
    output: Output,
    variant: Annotated[list[Path] | None, typer.Option(help="The same of a variant; may be repeated.")] = None,
    label: Annotated[list[str] | None, typer.Option(help="Name of each variant.")] = None,
) -> None:
    """Compare the samples that runs flag."""
    from lira.evaluation import agreement

    _check_outputs([output], [*samples, *(variant or [])])
    names = {file.name for file in [*samples, *(variant or [])]}
    if len(names) > 1:
        raise ConfigError(f"samples: files of one name are compared, given are {', '.join(sorted(names))}")
    reference, variants = [file.parent for file in samples], [file.parent for file in variant or []]
    agreement.measure_agreement(reference, variants, label or [], fpr, output, names.pop())


@app.command()
def measure_ranks(
    scores: Annotated[list[Path], typer.Argument(help="scores.h5 of runs that differ by seed only.")],
    output: Annotated[Path, typer.Option(help="Folder to write to.")],
) -> None:
    """Compare how runs rank the samples."""
    from lira.evaluation import ranks

    ranks.measure_ranks(_folders(scores), output)


@app.command()
def judge_study(
    runs: Annotated[list[Path], typer.Argument(help="Files of the runs, each of a run's first seed.")],
    margins: Annotated[str, typer.Option(help="Margins as JSON, as the study file has them.")],
    output: Annotated[Path, typer.Option(help="Folder to write to.")],
    agreement: Annotated[
        list[Path] | None, typer.Option(help="agreement.csv of a comparison; may be repeated.")
    ] = None,
    note: Notes = None,
) -> None:
    """Compare with the published numbers and test the paper's claims."""
    from lira import config
    from lira.paper import claims

    allowed = config.parse_section("margins", config.Margins, margins)
    claims.judge_study(_folders(runs), _folders(agreement or []), allowed, output, note or [])


FILES = typer.Argument(help="Files of the runs, or of the comparison, to show: their folders count.")
FPR = typer.Option(min=0, max=1, help="Target false positive rate to show.")


@app.command()
def tabulate(
    name: Annotated[str, typer.Argument(help="Table.")],
    files: Annotated[list[Path], FILES],
    output: Output,
    fpr: Annotated[float | None, FPR] = None,
    note: Notes = None,
) -> None:
    """Write a table of the paper as .csv, .tex, .md and .html."""
    from lira.report.tabulate import tabulate

    _check_outputs([output], [*files])
    tabulate(name, _folders(files), output, note or [], **_given(fpr=fpr))


@app.command()
def plot(
    name: Annotated[str, typer.Argument(help="Figure.")],
    files: Annotated[list[Path], FILES],
    output: Output,
    fpr: Annotated[float | None, FPR] = None,
    sample: Annotated[int | None, typer.Option(min=0, help="Pool sample to show.")] = None,
    data: Annotated[Path | None, typer.Option(help="Prepared dataset, for pictures.")] = None,
) -> None:
    """Draw a figure of the paper as .pdf and .png."""
    from lira.report.plot import plot

    plot(name, _folders(files), output, **_given(fpr=fpr, sample=sample, data=data))


@app.command()
def cost(
    study: Annotated[Path, typer.Argument(help="Study file.")],
    results: Annotated[Path, typer.Option(help="Folder of all studies' results.")] = Path("results"),
) -> None:
    """Print what a study still costs: models, jobs, hours and disk, per run and in total."""
    from lira import config, cost, work

    checked = config.load_study(study)
    work.check_sizes(checked)
    typer.echo(cost.describe_costs(checked, cost.costs(checked, results / checked.study)))


@app.command()
def record(
    study: Annotated[Path, typer.Argument(help="Folder of a study's results, results/<study>.")],
    sample: Annotated[int, typer.Argument(min=0, help="Index of the record in the pool.")],
    dataset: Annotated[str | None, typer.Option(help="Its dataset, if the study has several.")] = None,
    fpr: Annotated[float | None, FPR] = None,
    output: Annotated[Path | None, typer.Option(help="Figure to write; default: records/ in the study.")] = None,
) -> None:
    """Print what every compared run says about one record, and draw its card."""
    from lira.report.plot import plot
    from lira.report.tabulate import preview
    from lira.storage.study import Study

    results = Study(study)
    runs = results.runs_to_follow(dataset)
    folders, data = [run.folder for run in runs], results.data_of(runs[0])
    typer.echo(preview("records", folders, **_given(sample=sample, fpr=fpr)))
    output = output or study / "records" / f"{runs[0].key['dataset']}-{sample}.pdf"
    written = plot("records", folders, output, **_given(sample=sample, fpr=fpr, data=data))
    typer.echo(f"Card: {' and '.join(map(str, written))}")


@app.command()
def provenance(
    file: Annotated[Path, typer.Argument(help="A table, a figure or an HDF5 file, or a copy of one.")],
    results: Annotated[Path, typer.Option(help="Where the original of a copy is looked for.")] = Path("results"),
) -> None:
    """Print where a result comes from: runs, recipe, versions, device, seeds, git revision."""
    from lira.storage.provenance import trace

    typer.echo(json.dumps(trace(file, results), indent=1))


@app.command()
def schema() -> None:
    """Print the JSON schema of a study file."""
    from lira.config import schema

    typer.echo(schema())


@app.command()
def defaults() -> None:
    """Print every setting of a study file with its default and meaning."""
    from lira.config import commented_defaults

    typer.echo("\n".join(commented_defaults()))


def _named(attacks: list[str] | None) -> dict[str, str]:
    from lira.config.catalogue import FORM, FUNCTION, NAME
    from lira.config.checks import TAKEN
    from lira.core.validation import check_new, quoted

    named: dict[str, str] = {}
    for text in attacks or []:
        name, _, function = text.partition("=")
        if not re.fullmatch(NAME, name) or not re.fullmatch(FUNCTION, function):
            raise ConfigError(f"attack is {quoted(text)}: allowed is the form NAME={FORM}")
        check_new(name, "attack", (*TAKEN, *named))
        named[name] = function
    return named


def _check_outputs(outputs: list[Path], inputs: list[Path | None]) -> None:
    """Checks that no output is also an input or another output."""
    taken = {path.resolve() for path in inputs if path is not None}
    for output in outputs:
        if output.resolve() in taken:
            raise ConfigError(f"output: {output} is read, or another output already: give it a path of its own")
        taken.add(output.resolve())


def _folders(files: list[Path]) -> list[Path]:
    return list(dict.fromkeys(file if file.is_dir() else file.parent for file in files))


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def main() -> None:
    """Runs a command.

    A :class:`~lira.core.errors.LiraError` ends it with one line instead of a traceback. SIGTERM ends it with the exit
    code :data:`lira.core.preemption.AGAIN` and a line that says how to continue.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        with preemption.listening():
            app()
    except LiraError as error:
        sys.exit(f"error: {error}")
    except MemoryError as error:
        sys.exit(f"error: {LiraError(f'out of memory ({error}): docs/limits.md says what each step takes')}")
    except preemption.Preempted:
        logging.warning("told to stop: finished work is stored, the same command continues from here")
        raise

"""The command line: one command per step of the pipeline; each imports only what it needs, when it is called."""

import json
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lira.core import preemption
from lira.core.attempts import attempt
from lira.core.errors import ConfigError, LiraError
from lira.core.plugins import check_code

if TYPE_CHECKING:
    from lira.config.messages import Section

log = logging.getLogger("lira")
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Settings = Annotated[str, typer.Option(help="Settings as JSON, as the study file resolves them.")]
Spec = Annotated[Path, typer.Argument(help="What is asked, as a rule of the study writes it down.")]
SpecOption = Annotated[Path, typer.Option("--spec", help="What is asked, as a rule of the study writes it down.")]
Rates = Annotated[Path, typer.Option(help="FPRs and priors, as a rule of the study writes them down.")]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of the run.")]
Pretrained = Annotated[Path | None, typer.Option(help="Model to fine-tune.")]
Output = Annotated[Path, typer.Option(help="File to write.")]
Data = Annotated[Path, typer.Option(help="Prepared dataset.")]
Scores = Annotated[Path, typer.Argument(help="scores.h5 of a run.")]
Counts = Annotated[Path, typer.Option(help="Counts per sample to write.")]
Fprs = Annotated[list[float], typer.Option(help="Target false positive rate; may be repeated.")]
Notes = Annotated[list[str] | None, typer.Option(help="Text to add below the table; may be repeated.")]
StudyFile = Annotated[Path, typer.Argument(help="Study file.")]
Results = Annotated[Path, typer.Option(help="Folder of all studies' results.")]
Device = Annotated[Literal["cpu", "cuda"], typer.Option(help="Where to train.")]
Log = Annotated[Path | None, typer.Option(help="Log to go on with, which is kept beside the output.")]
Runtime = Annotated[Path | None, typer.Option(help="Table to write: seconds of all attempts, peak memory.")]
Debug = Annotated[bool, typer.Option(envvar="LIRA_DEBUG", help="Print the traceback of an error, too.")]
FILES = typer.Argument(help="Files of the runs, or of the comparison, to show: their folders count.")
FPR = typer.Option(min=0, max=1, help="Target false positive rate to show.")
JobsPerGpu = Annotated[int, typer.Option(min=1, help="Training jobs that may share one GPU.")]


@app.callback()
def lira(debug: Debug = False) -> None:
    """Honest evaluation of the LiRA membership inference attack, step by step; Snakemake runs the steps."""
    log.setLevel(logging.DEBUG if debug else logging.NOTSET)


@app.command()
def download_data(settings: Settings, output: Output) -> None:
    """Check a dataset's raw files; download missing ones where possible."""
    from lira import config, datasets

    datasets.download_data(config.parse_section("datasets", config.Dataset, settings), output)


@app.command()
def prepare_data(spec: Spec, output: Output) -> None:
    """Load a dataset, split it and write it as one file."""
    from lira import config, datasets

    asked = _asked(config.DataSpec, spec)
    check_code(asked.code)
    datasets.prepare_data(asked.settings, asked.size, asked.seed, output)


@app.command()
def pretrain_model(
    spec: Spec,
    data: Data,
    output: Output,
    device: Device = "cpu",
    jobs_per_gpu: JobsPerGpu = 1,
    log: Log = None,
    runtime: Runtime = None,
) -> None:
    """Train the model from which fine-tuning starts."""
    from lira import config

    with attempt(output, log, runtime) as took:
        from lira.shadows import jobs

        took(jobs.pretrain_model(_asked(config.PretrainingSettings, spec), data, output, device, jobs_per_gpu))


@app.command()
def train_shadows(
    spec: Spec,
    seed: Seed,
    data: Data,
    first: Annotated[int, typer.Option(help="First model, a multiple of the cohort.")],
    last: Annotated[int, typer.Option(help="Last model: of its cohort or of the run.")],
    output: Annotated[Path, typer.Option(help="Receipt to write: where the models lie.")],
    pretrained: Pretrained = None,
    device: Device = "cpu",
    jobs_per_gpu: JobsPerGpu = 1,
    log: Log = None,
    runtime: Runtime = None,
) -> None:
    """Train and query shadow models, except finished ones; continue where an interrupted job stopped."""
    with attempt(output, log, runtime) as took:
        from lira import config
        from lira.shadows import jobs

        asked = _asked(config.RunSpec, spec)
        of_run = asked.trained, asked.run(seed)
        took(jobs.train_shadows(*of_run, data, first, last, output, pretrained, device, jobs_per_gpu))


@app.command()
def gather_shadows(
    receipts: Annotated[list[Path], typer.Argument(help="Receipts of all training jobs of a run.")],
    spec: SpecOption,
    seed: Seed,
    data: Data,
    output: Output,
    pretrained: Pretrained = None,
) -> None:
    """Gather the shadow models of a run into one file."""
    from lira import config
    from lira.shadows import gather

    _check_outputs([output], [*receipts, data])
    asked = _asked(config.RunSpec, spec)
    gather.gather_shadows(asked.trained, asked.run(seed), receipts, data, output, pretrained)


@app.command()
def import_scores(
    scores: Annotated[Path, typer.Argument(help=".npz, HDF5 or CSV file, or folder with a folder per model.")],
    spec: SpecOption,
    seed: Seed,
    output: Output,
    data: Annotated[Path | None, typer.Option(help="Prepared dataset, for the labels.")] = None,
) -> None:
    """Import scores that were made elsewhere as the shadow models of a run."""
    from lira import config
    from lira.shadows import imported

    _check_outputs([output], [scores, data])
    asked = _asked(config.RunSpec, spec)
    imported.import_scores(scores, asked.run(seed), asked.imported, data, output, asked.models, asked.shadow_models)


@app.command()
def score_attacks(
    shadows: Annotated[Path, typer.Argument(help="shadows.h5 of a run.")], spec: SpecOption, output: Output
) -> None:
    """Score every sample with all attacks; each model is the target once."""
    from lira import config
    from lira.attacks.lira import Definition, score_file

    _check_outputs([output], [shadows])
    asked = _asked(config.AttacksSpec, spec)
    check_code(asked.code)
    score_file(shadows, output, definition=Definition(offline=asked.offline), own=asked.own)


@app.command()
def calibrate_thresholds(
    scores: Scores,
    rates: Rates,
    metrics: Annotated[Path, typer.Option(help="Rates per target to write.")],
    samples: Counts,
) -> None:
    """Choose thresholds and measure the rates they give."""
    from lira import config
    from lira.evaluation import calibration

    _check_outputs([metrics, samples], [scores])
    asked = _asked(config.RatesSpec, rates)
    calibration.calibrate_file(scores, asked.fprs, asked.priors, metrics, samples)


@app.command()
def run_controls(
    shadows: Annotated[Path, typer.Argument(help="shadows.h5 of a run.")],
    spec: SpecOption,
    rates: Rates,
    controls: Annotated[Path, typer.Option(help="Rates per target to write.")],
    samples: Counts,
    gaps: Annotated[Path, typer.Option(help="Vulnerability per sample to write.")],
) -> None:
    """Attack and calibrate with permuted membership, to measure what chance alone gives."""
    from lira import config
    from lira.attacks.lira import Definition
    from lira.evaluation.controls import control_file

    _check_outputs([controls, samples, gaps], [shadows])
    asked, at = _asked(config.AttacksSpec, spec), _asked(config.RatesSpec, rates)
    check_code(asked.code)
    chosen = Definition(offline=asked.offline)
    control_file(shadows, at.fprs, at.priors, controls, samples, gaps, definition=chosen, own=asked.own)


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
    agreement: Annotated[list[Path] | None, typer.Option(help="agreement.csv; may be repeated.")] = None,
    note: Notes = None,
) -> None:
    """Compare with the published numbers and test the paper's claims."""
    from lira import config
    from lira.paper import claims

    allowed = config.parse_section("margins", config.Margins, margins)
    claims.judge_study(_folders(runs), _folders(agreement or []), allowed, output, note or [])


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
def cost(study: StudyFile, results: Results = Path("results")) -> None:
    """Print what a study still costs: models, jobs, hours and disk, per run and in total."""
    from lira import cost

    plan = _plan(study, results)
    typer.echo(cost.describe_costs(plan.study, cost.costs(plan)))


@app.command()
def status(study: StudyFile, results: Results = Path("results")) -> None:
    """Print how far each run is: models trained, jobs and hours left, what is running, what is stale and why."""
    from lira import status

    typer.echo(status.describe_status(_plan(study, results)))


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


def _plan(study: Path, results: Path) -> Any:
    from lira import config, workflow

    return workflow.read_plan([study], config.read_yaml(study), results=results)


def _asked(model: "type[Section]", spec: Path) -> "Section":
    from lira.config import check_section
    from lira.storage.identity import read_spec

    return check_section("spec", model, read_spec(spec))


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
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%Y-%m-%d %H:%M:%S")
    try:
        with preemption.listening():
            app()
    except (LiraError, MemoryError) as error:
        log.debug("traceback", exc_info=True)
        full = f"out of memory ({error}): docs/limits.md says what each step takes"
        sys.exit(f"error: {LiraError(full) if isinstance(error, MemoryError) else error}")
    except preemption.Preempted:
        logging.warning("told to stop: finished work is stored, the same command continues from here")
        raise

"""One command per step of the pipeline; each imports only what it needs, when it is called."""

from pathlib import Path
from typing import Annotated

import typer

from lira.cli.options import (
    Counts,
    Data,
    Device,
    Fprs,
    JobsPerGpu,
    Log,
    Metrics,
    Output,
    Pretrained,
    Rates,
    Runtime,
    Scores,
    Seed,
    Settings,
    Spec,
    SpecOption,
    app,
    asked_of,
    check_outputs,
    folders_of,
    given,
    indices,
)
from lira.config.catalogue import DELTA
from lira.core.attempts import attempt
from lira.core.errors import ConfigError
from lira.core.plugins import check_code


@app.command()
def download_data(settings: Settings, output: Output) -> None:
    """Check a dataset's raw files; download missing ones where possible."""
    from lira import config, datasets

    datasets.download_data(config.parse_section("datasets", config.Dataset, settings), output)


@app.command()
def prepare_data(spec: Spec, output: Output) -> None:
    """Load a dataset, split it and write it as one file."""
    from lira import config, datasets

    asked = asked_of(config.DataSpec, spec)
    check_outputs([output], [spec, asked.settings.path])
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
    check_outputs([output, log, runtime], [spec, data])
    with attempt(output, log, runtime) as took:
        from lira import config
        from lira.shadows import jobs

        asked = asked_of(config.PretrainingSettings, spec)
        check_outputs([output], [asked.architecture.weights])
        took(jobs.pretrain_model(asked, data, output, device, jobs_per_gpu))


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
    check_outputs([output, log, runtime], [spec, data, pretrained])
    with attempt(output, log, runtime) as took:
        from lira import config
        from lira.shadows import jobs

        asked = asked_of(config.RunSpec, spec)
        check_outputs([output], [asked.trained.architecture.weights])
        of_run = asked.trained, asked.run(seed)
        took(jobs.train_shadows(*of_run, data, first, last, output, pretrained, device, jobs_per_gpu))


@app.command()
def rehearse_models(
    spec: Spec,
    name: Annotated[str, typer.Option(help="What is rehearsed: dataset/architecture/regime, or pretraining.")],
    data: Data,
    output: Output,
    device: Device = "cpu",
    jobs_per_gpu: JobsPerGpu = 1,
) -> None:
    """Go through the training and query of a run once, small, and write what it takes or what fails."""
    from lira import config
    from lira.shadows import rehearsal

    check_outputs([output], [spec, data])
    of_run = name.count("/") == 2
    asked = asked_of(config.RunSpec, spec).trained if of_run else asked_of(config.PretrainingSettings, spec)
    rehearsal.rehearse_models(asked, name, spec.name, data, output, device, jobs_per_gpu)


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

    check_outputs([output], [*receipts, spec, data, pretrained])
    asked = asked_of(config.RunSpec, spec)
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

    check_outputs([output], [scores, spec, data])
    asked = asked_of(config.RunSpec, spec)
    counts = asked.models, asked.shadow_models, asked.never_held
    imported.import_scores(scores, asked.run(seed), asked.imported, data, output, *counts)


@app.command()
def score_attacks(
    shadows: Annotated[Path, typer.Argument(help="shadows.h5 of a run.")],
    output: Output,
    spec: Annotated[Path | None, typer.Option(help="What is asked, as a rule of the study writes it down.")] = None,
    targets: Annotated[str | None, typer.Option(help="Models to attack with all others, e.g. 0,5,9.")] = None,
    fpr: Annotated[list[float] | None, typer.Option(help="With --targets: FPR to print; may be repeated.")] = None,
    prior: Annotated[float | None, typer.Option(min=0, max=1, help="With --targets: prior of the precision.")] = None,
    table: Annotated[Path | None, typer.Option(help="With --targets: .csv of the table to write.")] = None,
    figure: Annotated[Path | None, typer.Option(help="With --targets: .pdf of the ROC to write.")] = None,
) -> None:
    """Score every sample with all attacks; each model is the target once, or some are, and a table is printed."""
    from lira import config
    from lira.attacks.lira import Definition, score_file
    from lira.report.make import files_of
    from lira.storage.run import attacks_asked

    shown = [*(files_of("tables", table) if table else []), *(files_of("figures", figure) if figure else [])]
    check_outputs([output, *shown], [shadows, spec])
    asked = asked_of(config.AttacksSpec, spec) if spec else attacks_asked(shadows)
    check_code(asked.code)
    chosen = None if targets is None else indices("targets", targets)
    if chosen is None and (fpr or prior is not None or table or figure):
        raise ConfigError("fpr, prior, table and figure are of what --targets prints: give --targets, or none of them")
    definition = Definition(**asked.definition)
    score_file(shadows, output, attacks=asked.names, definition=definition, own=asked.own, targets=chosen)
    if chosen is not None:
        from lira.report import single

        typer.echo(single.write_single(output, shadows.parent, table, figure, **given(fprs=fpr or None, prior=prior)))


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

    check_outputs([metrics, samples], [scores, scores.parent / "shadows.h5", rates])
    asked = asked_of(config.RatesSpec, rates)
    calibration.calibrate_file(scores, asked.fprs, asked.priors, metrics, samples, asked.vulnerability)


@app.command()
def run_controls(
    shadows: Annotated[Path, typer.Argument(help="shadows.h5 of a run.")],
    spec: SpecOption,
    rates: Rates,
    controls: Annotated[Path, typer.Option(help="Rates per target to write.")],
    samples: Counts,
    gaps: Annotated[Path, typer.Option(help="Vulnerability per sample to write.")],
    overlap: Annotated[Path | None, typer.Option(help="Agreement of the attacks to write.")] = None,
) -> None:
    """Attack and calibrate with permuted membership, to measure what chance alone gives."""
    from lira import config
    from lira.attacks.lira import Definition
    from lira.evaluation.controls import control_file

    check_outputs([controls, samples, gaps, overlap], [shadows, spec, rates])
    asked, at = asked_of(config.AttacksSpec, spec), asked_of(config.RatesSpec, rates)
    check_code(asked.code)
    control_file(
        *(shadows, at.fprs, at.priors, controls, samples, gaps),
        attacks=asked.names,
        definition=Definition(**asked.definition),
        own=asked.own,
        counted=at.vulnerability,
        supports=at.support,
        overlap=overlap,
    )


@app.command()
def measure_overlap(
    scores: Scores,
    metrics: Metrics,
    rates: Rates,
    output: Output,
    null: Annotated[Path | None, typer.Option(help="The same of the null world, as run-controls writes it.")] = None,
) -> None:
    """Compare what the attacks on a run flag."""
    from lira import config
    from lira.evaluation import attack_overlap

    check_outputs([output], [scores, metrics, rates, null])
    attack_overlap.measure_overlap(scores, metrics, output, asked_of(config.RatesSpec, rates).support, null)


@app.command()
def calibrate_records(scores: Scores, metrics: Metrics, rates: Rates, output: Output) -> None:
    """Measure the FPR of each record, and the rates at a threshold for each record."""
    from lira import config
    from lira.evaluation import record_calibration

    check_outputs([output], [scores, metrics, rates])
    record_calibration.calibrate_records(scores, metrics, output, asked_of(config.RatesSpec, rates).vulnerability)


@app.command()
def summarise_rates(
    scores: Scores,
    metrics: Metrics,
    output: Output,
    controls: Annotated[Path | None, typer.Option(help="Rates by chance alone.")] = None,
) -> None:
    """Summarise the rates over targets: intervals, robust centres, influence of single targets."""
    from lira.evaluation import summary

    check_outputs([output], [scores, metrics, controls])
    summary.summarise_file(scores, metrics, output, controls)


@app.command()
def measure_groups(scores: Scores, metrics: Metrics, output: Output) -> None:
    """Compare the rates of classes and groups of samples."""
    from lira.evaluation import groups

    check_outputs([output], [scores, scores.parent / "shadows.h5", metrics])
    groups.group_file(scores, metrics, output)


@app.command()
def measure_budgets(
    shadows: Annotated[Path, typer.Argument(help="shadows.h5 of a run.")],
    spec: SpecOption,
    rates: Rates,
    budgets: Annotated[Path, typer.Option(help="Numbers of models, as a rule of the study writes them down.")],
    metrics: Annotated[Path, typer.Option(help="Rates per target of the run, with all models.")],
    output: Output,
) -> None:
    """Attack some models with fewer shadow models, drawn again and again."""
    from lira import config
    from lira.attacks.lira import Definition
    from lira.evaluation.budgets import budgets_file

    check_outputs([output], [shadows, spec, rates, budgets, metrics])
    asked, numbers = asked_of(config.AttacksSpec, spec), asked_of(config.BudgetsSpec, budgets).budgets
    check_code(asked.code)
    definition, given = Definition(**asked.definition), (numbers, asked_of(config.RatesSpec, rates).fprs)
    budgets_file(shadows, metrics, *given, output, attacks=asked.names, definition=definition, own=asked.own)


@app.command()
def bound_privacy(
    metrics: Annotated[Path, typer.Argument(help="Rates per target of a run; controls and counts lie beside it.")],
    output: Output,
    delta: Annotated[float, typer.Option(help="δ of the bounds.")] = DELTA,
) -> None:
    """Bound ε from below by what the attacks' counts refute, for the run and for each record."""
    from lira.evaluation import privacy

    beside = [metrics.parent / f"{name}.csv" for name in privacy.TABLES]
    check_outputs([output], [metrics, *beside])
    privacy.bound_privacy_file(metrics.parent, output, delta)


@app.command()
def measure_agreement(
    samples: Annotated[list[Path], typer.Argument(help="samples.csv, or null_samples.csv, of the reference's runs.")],
    fpr: Fprs,
    output: Output,
    variant: Annotated[list[Path] | None, typer.Option(help="The same of a variant; may be repeated.")] = None,
    label: Annotated[list[str] | None, typer.Option(help="Name of each variant.")] = None,
    support: Annotated[list[int] | None, typer.Option(min=1, help="Fewest detections; may be repeated.")] = None,
) -> None:
    """Compare the samples that runs flag."""
    from lira.evaluation import agreement
    from lira.storage.comparison import LISTED

    read = [*samples, *(variant or [])]
    check_outputs([output, output.parent / LISTED], [*read, *(file.parent / "shadows.h5" for file in read)])
    names = {file.name for file in read}
    if len(names) > 1:
        raise ConfigError(f"samples: files of one name are compared, given are {', '.join(sorted(names))}")
    reference, variants = [file.parent for file in samples], [file.parent for file in variant or []]
    agreement.measure_agreement(
        reference, variants, label or [], fpr, output, names.pop(), **given(supports=support or None)
    )


@app.command()
def measure_ranks(
    scores: Annotated[list[Path], typer.Argument(help="scores.h5 of runs that differ by seed only.")],
    output: Annotated[Path, typer.Option(help="Folder to write to.")],
    attack: Annotated[list[str] | None, typer.Option(help="By which to rank; may be repeated.")] = None,
    samples: Annotated[int | None, typer.Option(min=1, help="Rank only the first so many of the pool.")] = None,
) -> None:
    """Compare how runs rank the samples."""
    from lira.evaluation import ranks

    ranks.measure_ranks(folders_of(scores), output, attack or [], samples)

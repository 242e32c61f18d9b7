"""Commands that audit one given model: step by step for the rules, and at once for people."""

from pathlib import Path
from typing import Annotated

import typer

from lira.cli.options import Output, Rates, SpecOption, app, asked_of, check_outputs
from lira.core.errors import ConfigError
from lira.core.plugins import check_code

Predictions = Annotated[Path, typer.Argument(help="What the model says of the pool: .npz, HDF5, CSV or parquet.")]
Members = Annotated[Path | None, typer.Option(help="Which records it was trained on.")]
Folder = Annotated[Path, typer.Option(help="Folder to write to.")]


@app.command()
def import_target(
    predictions: Predictions,
    shadows: Annotated[Path, typer.Option(help="shadows.h5 of the run whose models attack it.")],
    output: Output,
    members: Members = None,
) -> None:
    """Import the predictions of a given model, for an audit."""
    from lira.shadows import target

    check_outputs([output], [predictions, shadows, members])
    target.import_target(predictions, shadows, output, members)


@app.command()
def audit_target(
    target: Annotated[Path, typer.Argument(help="target.h5 of the given model.")],
    run: Annotated[Path, typer.Option(help="Folder of the run whose models attack it.")],
    spec: SpecOption,
    rates: Rates,
    output: Folder,
    samples: Annotated[list[Path] | None, typer.Option(help="samples.csv of each seed of the run.")] = None,
) -> None:
    """Attack a given model with all shadow models of a run, and say whether it leaks."""
    from lira import config
    from lira.evaluation.audits.files import audit_file

    asked, at = asked_of(config.AttacksSpec, spec), asked_of(config.RatesSpec, rates)
    check_code(asked.code)
    seeds = [file.parent for file in samples or []]
    audit_file(target, run, output, at.fprs, at.priors, own=asked.own, seeds=seeds)


@app.command()
def show_audit(
    folder: Annotated[Path, typer.Argument(help="Folder of an audit.")], output: Output = Path("audit.html")
) -> None:
    """Write an audit as one page that needs no network."""
    from lira.report.audit_page import write_page

    write_page(folder, output)


@app.command()
def audit(
    predictions: Predictions,
    run: Annotated[Path, typer.Option(help="Folder of a run: results/<study>/runs/<d>/<a>/<r>/seed<k>.")],
    members: Members = None,
    output: Annotated[Path | None, typer.Option(help="Folder to write to; default: one named after the file.")] = None,
    fpr: Annotated[list[float] | None, typer.Option(min=0, max=1, help="FPR; default: those of the study.")] = None,
    prior: Annotated[list[float] | None, typer.Option(min=0, max=1, help="Prior; default: those of the study.")] = None,
) -> None:
    """Say whether a given model leaks, with the shadow models of a run; write a page and tables."""
    from lira.evaluation.audits.files import audit_file
    from lira.report.audit_page import write_page
    from lira.shadows.target import import_target
    from lira.storage.study import asked_of_run

    folder = output or Path("audits") / predictions.stem
    if folder.is_file():
        raise ConfigError(f"output: {folder} is a file: give a folder")
    own, fprs, priors, seeds = asked_of_run(run)
    import_target(predictions, run / "shadows.h5", folder / "target.h5", members)
    made = audit_file(folder / "target.h5", run, folder, fpr or fprs, prior or priors, own=own, seeds=seeds)
    write_page(folder, folder / "audit.html")
    typer.echo("\n".join([made.answer, *(f"Note: {line}." for line in made.warnings), f"Page: {folder}/audit.html"]))

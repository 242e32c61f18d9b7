"""The commands that audit one given model, and that decide on a release."""

import re
from pathlib import Path
from typing import Annotated

import typer

from lira.cli.options import app, check_outputs
from lira.config.catalogue import AUDITED, DELTA
from lira.core.errors import ConfigError
from lira.core.plugins import check_code


@app.command()
def audit(
    predictions: Annotated[
        Path,
        typer.Argument(
            help="What the model says of the pool: .npz, HDF5, CSV or parquet (docs/audit.md), such as id,probability."
        ),
    ],
    run: Annotated[Path, typer.Option(help="Folder of a run: results/.../seed<k>.")],
    members: Annotated[Path | None, typer.Option(help="Which records it was trained on, by id or sample.")] = None,
    output: Annotated[Path | None, typer.Option(help="Folder to write to; default: audits/<name of the file>.")] = None,
    fpr: Annotated[list[float] | None, typer.Option(min=0, max=1, help="FPR; default: those of the study.")] = None,
    prior: Annotated[list[float] | None, typer.Option(min=0, max=1, help="Prior; default: those of the study.")] = None,
    spec: Annotated[Path | None, typer.Option(help="Attacks, as a rule of the study writes them down.")] = None,
    rates: Annotated[Path | None, typer.Option(help="FPRs and priors, likewise.")] = None,
    samples: Annotated[list[Path] | None, typer.Option(help="samples.csv of each seed; default: of all.")] = None,
    delta: Annotated[float | None, typer.Option(min=0, max=1, help="δ of ε; default: that of the run.")] = None,
) -> None:
    """Say whether a given model leaks, with the shadow models of a run; write a page and tables."""
    from lira.evaluation.audits.files import audit_file, withdraw
    from lira.report.audit_page import write_page
    from lira.shadows.target import import_target
    from lira.storage.run import Run
    from lira.storage.study import asked_of_run

    folder = output or Path("audits") / predictions.stem
    if folder.is_file():
        raise ConfigError(f"output: {folder} is a file: give a folder")
    if Run(folder).is_stored:
        raise ConfigError(f"output: {folder} is the folder of a run, whose tables would be replaced: give another one")
    made = [folder / name for name in ("target.h5", *AUDITED, "audit.html")]
    check_outputs(made, [predictions, members, spec, rates, *(samples or [])])
    withdraw(folder)
    _check_run(run)
    asked = asked_of_run(run, spec, rates)
    check_code(asked.code)
    counted = _samples_of(run) if samples is None and spec is None else samples or []
    at = {"fprs": fpr or asked.fprs, "priors": prior or asked.priors}
    import_target(predictions, run / "shadows.h5", folder / "target.h5", members)
    seeds = [file.parent for file in counted]
    found = audit_file(folder / "target.h5", run, folder, **at, own=asked.own, seeds=seeds, delta=delta)
    write_page(folder, folder / "audit.html")
    typer.echo("\n".join([found.answer, *(f"Note: {line}." for line in found.warnings), f"Page: {folder}/audit.html"]))


def _samples_of(run: Path) -> list[Path]:
    """Returns what every seed of a run says of each record; a user's copy of a seed's folder is none of them."""
    files = sorted(run.absolute().parent.glob("seed*/samples.csv"))
    return [file for file in files if re.fullmatch(r"seed\d+", file.parent.name)]


def _check_run(run: Path) -> None:
    if not (run / "shadows.h5").is_file():
        form = "results/<study>/runs/<dataset>/<architecture>/<regime>/seed<k>, once its shadow models are there"
        raise ConfigError(f"run: {run} is not the folder of a run: it is {form}")
    if not (run / "scores.h5").is_file():
        raise ConfigError(f"run: {run} has no scores.h5 yet: snakemake {run / 'samples.csv'} makes what is missing")


@app.command()
def gate(
    folder: Annotated[Path, typer.Argument(help="Folder of a run, or of an audit (results/<study>/targets/<name>).")],
    max_tpr: Annotated[float | None, typer.Option(min=0, max=1, help="Largest TPR at the FPR.")] = None,
    at_fpr: Annotated[
        float | None, typer.Option(min=0, max=1, help="FPR; default: the largest of the results.")
    ] = None,
    max_epsilon: Annotated[float | None, typer.Option(min=0, help="Largest ε that the counts may show.")] = None,
    delta: Annotated[float, typer.Option(min=0, max=1, help="δ of ε.")] = DELTA,
) -> None:
    """Say in one line whether leakage is surely below limits: exit code 0 if so, 3 if above, 4 if it cannot be told."""
    from lira.evaluation.gate import judge

    answer = judge(folder, max_tpr, max_epsilon, at_fpr, delta)
    typer.echo(answer.line)
    raise typer.Exit(int(answer.outcome))

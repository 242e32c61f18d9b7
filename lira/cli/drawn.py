"""Commands that make the tables and figures of a study, one at a time, and its verdict."""

from pathlib import Path
from typing import Annotated

import typer

from lira.cli.options import FILES, FPR, Notes, Output, ShownAttacks, app, check_outputs, folders_of, given, one_or_more


@app.command()
def judge_study(
    runs: Annotated[list[Path], typer.Argument(help="Files of the runs, each of a run's first seed.")],
    margins: Annotated[str, typer.Option(help="Margins as JSON, as the study file has them.")],
    output: Annotated[Path, typer.Option(help="Folder to write to.")],
    agreement: Annotated[list[Path] | None, typer.Option(help="agreement.csv; may be repeated.")] = None,
    table: Annotated[list[str] | None, typer.Option(help="A table of the paper to compare; may be repeated.")] = None,
    note: Notes = None,
) -> None:
    """Compare with the published numbers and test the paper's claims."""
    from lira import config
    from lira.paper import claims

    allowed = config.parse_section("margins", config.Margins, margins)
    claims.judge_study(folders_of(runs), folders_of(agreement or []), allowed, output, table or [], note or [])


@app.command()
def tabulate(
    name: Annotated[str, typer.Argument(help="Table.")],
    files: Annotated[list[Path], FILES],
    output: Output,
    fpr: Annotated[float | None, FPR] = None,
    attack: Annotated[str | None, typer.Option(help="Attack to show, if not the main one.")] = None,
    support: Annotated[int | None, typer.Option(min=1, help="Fewest detections of a flagged record.")] = None,
    note: Notes = None,
) -> None:
    """Write a table of the paper as .csv, .tex, .md and .html."""
    from lira.report.make import files_of
    from lira.report.tabulate import tabulate

    check_outputs(files_of("tables", output), [*files])
    tabulate(name, folders_of(files), output, note or [], **given(fpr=fpr, attack=attack, support=support))


@app.command()
def plot(
    name: Annotated[str, typer.Argument(help="Figure.")],
    files: Annotated[list[Path], FILES],
    output: Output,
    fpr: Annotated[float | None, FPR] = None,
    attack: ShownAttacks = None,
    support: Annotated[int | None, typer.Option(min=1, help="Fewest detections of a flagged record.")] = None,
    sample: Annotated[list[int] | None, typer.Option(min=0, help="Pool sample; in_out takes several.")] = None,
    data: Annotated[Path | None, typer.Option(help="Prepared dataset, for pictures.")] = None,
) -> None:
    """Draw a figure of the paper as .pdf and .png."""
    from lira.report.make import files_of
    from lira.report.plot import plot

    check_outputs(files_of("figures", output), [*files, data])
    several = {"attack": one_or_more(attack), "sample": one_or_more(sample)}
    plot(name, folders_of(files), output, **given(fpr=fpr, support=support, data=data, **several))

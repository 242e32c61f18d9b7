"""Commands that people type: what a study takes, how far it is, and what its results say."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lira.cli.options import FPR, Results, StudyFile, app, check_outputs, given
from lira.core.errors import ConfigError, LiraError

if TYPE_CHECKING:
    from lira.storage.rehearsals import Rehearsal


@app.command()
def cost(study: StudyFile, results: Results = Path("results")) -> None:
    """Print what a study still costs: models, jobs, hours and disk, per run and in total."""
    from lira import cost

    plan = _plan(study, results)
    typer.echo(cost.describe_costs(plan.study, cost.costs(plan)))


@app.command()
def rehearse(study: StudyFile, cores: Annotated[str, typer.Option(help="Jobs at a time.")] = "all") -> None:
    """Go through every run once, small, and print what each takes or what fails; Snakemake makes what that needs."""
    from lira.cost import Rehearsals, not_rehearsed

    rehearsals = Rehearsals(_plan(study, Path("results")))
    if not Path("Snakefile").is_file():
        raise ConfigError(f"{Path.cwd()} has no Snakefile: rehearse where the suite's Snakefile is")
    files = rehearsals.files(None)
    options = ["--configfile", str(study), "--cores", cores, "--keep-going", "--show-failed-logs", "--quiet", "host"]
    # Its rules call lira: that of this interpreter, whatever else PATH has.
    beside = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    done = subprocess.run([sys.executable, "-m", "snakemake", *files, *options], check=False, env=beside)
    # What fails is missing then, or of other settings as it was not made again.
    found = [rehearsals.current(name) or not_rehearsed(name) for name in rehearsals.names]
    _show([*map(Path, files)], found, rehearsals.models)
    if done.returncode:
        raise LiraError(f"snakemake ended with exit code {done.returncode}: the errors above the table say why")


@app.command()
def show_rehearsals(
    files: Annotated[list[Path], typer.Argument(help="What rehearsals of the study's runs wrote.")],
    models: Annotated[list[int], typer.Option(help="Models of each run, or of each pretraining.")],
) -> None:
    """Print a table of rehearsals; forget those that fail, so that they are repeated."""
    from lira.cost import not_rehearsed
    from lira.storage.rehearsals import read_rehearsal

    if len(files) != len(models):
        raise ConfigError(f"--models is given {len(models)} times for {len(files)} files: give it once for each file")
    read = {file: read_rehearsal(file) for file in files}
    for file, rehearsal in read.items():
        if not rehearsal and file.exists():
            raise ConfigError(
                f"{file} is not what a rehearsal wrote: give results/<study>/rehearsals/<run>.json, or if it is one, "
                f"rm {file} and run the same command again"
            )
    named = ((file, str(file.with_suffix("")).rpartition("rehearsals/")[2]) for file in files)
    _show(files, [read[file] or not_rehearsed(name) for file, name in named], models)


def _show(files: list[Path], found: "list[Rehearsal]", models: list[int]) -> None:
    """Prints a table of rehearsals; forgets those that failed, but none of other settings, which jobs may go by."""
    from lira import cost
    from lira.storage.rehearsals import read_rehearsal

    typer.echo(cost.describe_rehearsals(found, models))
    for file in files:
        if (read := read_rehearsal(file)) and read.failed:
            file.unlink()
    if failed := [rehearsal for rehearsal in found if rehearsal.failed]:
        raise LiraError(f"{len(failed)} of {len(files)} would fail: the table says why")


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
    from lira.report.make import files_of
    from lira.report.plot import plot
    from lira.report.tabulate import preview
    from lira.storage.study import Study

    results = Study(study)
    runs = results.runs_to_follow(dataset)
    folders, data = [run.folder for run in runs], results.data_of(runs[0])
    output = output or study / "records" / f"{runs[0].key['dataset']}-{sample}.pdf"
    check_outputs(files_of("figures", output), [data])
    typer.echo(preview("records", folders, **given(sample=sample, fpr=fpr)))
    written = plot("records", folders, output, **given(sample=sample, fpr=fpr, data=data))
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

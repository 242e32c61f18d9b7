"""What commands share: the application, their options, and how they read what is asked."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lira.core.errors import ConfigError

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
Metrics = Annotated[Path, typer.Option(help="Rates per target of the run.")]
Counts = Annotated[Path, typer.Option(help="Counts per sample to write.")]
Fprs = Annotated[list[float], typer.Option(help="Target false positive rate; may be repeated.")]
ShownAttacks = Annotated[list[str] | None, typer.Option("--attack", help="Attack to show; in_out takes several.")]
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


def asked_of(model: "type[Section]", spec: Path) -> "Section":
    """Reads what a rule wrote down, and checks it."""
    from lira.config import check_section
    from lira.storage.identity import read_spec

    return check_section("spec", model, read_spec(spec))


def check_outputs(outputs: Sequence[Path | None], inputs: Sequence[Path | str | None]) -> None:
    """Checks that no output is also an input or another output; what is not given is neither."""
    taken = {Path(path).resolve() for path in inputs if path is not None}
    for output in filter(None, outputs):
        if output.resolve() in taken:
            raise ConfigError(f"output: {output} is read, or another output already: give it a path of its own")
        taken.add(output.resolve())


def folders_of(files: list[Path]) -> list[Path]:
    """Returns the folders of files; of a folder, itself."""
    for file in files:
        if not file.exists():
            raise ConfigError(f"{file} does not exist: give a file of a run, or its folder")
    return list(dict.fromkeys(file.parent if file.is_file() else file for file in files))


def given(**options: Any) -> dict[str, Any]:
    """Returns the options that were given."""
    return {name: value for name, value in options.items() if value is not None}


def one_or_more(values: list[Any] | None) -> Any:
    """Returns the value of an option that was given once, and the list of one that was repeated."""
    return values[0] if values and len(values) == 1 else values or None


def indices(name: str, text: str) -> list[int]:
    """Reads whole numbers that are separated by commas."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError(f"{name} is {text!r}: allowed are whole numbers separated by commas, e.g. 0,5,9") from None

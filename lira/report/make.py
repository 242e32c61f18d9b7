"""Makes one table or figure of the results in some folders."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

from lira.core.errors import ConfigError
from lira.core.validation import check_choice
from lira.report.catalogue import FUNCTIONS, SUFFIXES, Kind, list_modules
from lira.storage.comparison import Comparison
from lira.storage.csv_files import COLUMNS
from lira.storage.run import Run


def make(kind: Kind, name: str, folders: Sequence[Path | str], options: Mapping[str, Any]) -> Any:
    """Makes a table or figure of the runs, or of the comparison, in the folders.

    The first argument of its function says which of these it shows: ``runs`` or ``comparison``.

    Args:
        kind: ``"tables"`` or ``"figures"``.
        name: Its name, that of a module.
        folders: Run folders, or one agreement folder.
        options: The other arguments of its function; ``None`` means the default.

    Raises:
        ConfigError: there is no such table or figure, it does not take one of the options or lacks one that it needs,
            there are no folders, or several where one comparison is shown.
    """
    check_choice(name, kind.removesuffix("s"), list_modules(kind))
    function = getattr(import_module(f"lira.report.{kind}.{name}"), FUNCTIONS[kind])
    shown, *taken = signature(function).parameters.values()
    given = {option: value for option, value in options.items() if value is not None}
    for option in given:
        check_choice(option, f"{kind}.{name}: option", [known.name for known in taken])
    for known in taken:
        if isinstance(given.get(known.name), list) and "Sequence" not in str(known.annotation):
            raise ConfigError(f"{kind}.{name}: {known.name} is {given[known.name]}: allowed is one")
        if known.default is known.empty and known.name not in given:
            raise ConfigError(f"{kind}.{name}: needs the option {known.name!r}, which has no default")
    if not folders:
        raise ConfigError(f"{kind}.{name}: needs at least one result folder")
    if shown.name != "comparison":
        return function([Run(folder) for folder in folders], **given)
    if len(folders) > 1:
        listed = ", ".join(str(folder) for folder in folders)
        raise ConfigError(f"{len(folders)} folders are given ({listed}), but this shows one comparison: give one")
    return function(Comparison(folders[0]), **given)


def files_of(kind: Kind, output: Path | str) -> list[Path]:
    """Returns the files that a table or figure is written as.

    Args:
        kind: ``"tables"`` or ``"figures"``.
        output: Path of one of them.

    Raises:
        ConfigError: The path ends otherwise, so that another file than the one asked for would be written; or one of
            these files is a table of results, of the run or the comparison in that folder.
    """
    output, endings = Path(output), SUFFIXES[kind]
    if output.suffix not in endings:
        one = kind.removesuffix("s")
        raise ConfigError(f"output is {output}: a {one} is written as {', '.join(endings)}: end it so")
    files = [output.with_suffix(ending) for ending in endings]
    if output.stem in COLUMNS and kind == "tables" and any(of(output.parent).is_stored for of in (Run, Comparison)):
        raise ConfigError(
            f"output is {output}: {files[0]} is of the results in that folder: give another name or folder"
        )
    return files

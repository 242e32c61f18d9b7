"""Says at a mean which single target moves it: by more than its standard error without that target."""

from collections.abc import Iterable

MARK = "‡"
NOTE = (
    f"{MARK}: the mean rests on the target named here (index of the shadow model): that target alone moves it by more "
    "than its standard error without that target."
)


def mark(cell: str, influential: str) -> str:
    """The cell with the mark and the influential targets, if there are any."""
    return f"{cell} {MARK}{influential.replace(' ', ',')}" if influential else cell


def notes(influential: Iterable[str]) -> list[str]:
    """The note that explains the marks of a table."""
    return [NOTE] if any(influential) else []

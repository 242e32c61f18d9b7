"""How a step may end on bad input: in success, or in one sentence that leaves every file as it was."""

from pathlib import Path

from hypothesis import HealthCheck, Phase, settings

from lira.core.errors import LiraError


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def outcome(call, folder: Path | None = None, places: tuple[str, ...] = ()) -> str:
    """The sentence that a call ends in, or nothing if it succeeds; any other exception is the test's failure.

    Args:
        call: What to do.
        folder: Its files must be the same after a refusal.
        places: One of them must be named in the sentence.
    """
    before = contents(folder) if folder else {}
    try:
        call()
    except LiraError as error:
        said = str(error)
        assert said and len(said.splitlines()) == 1 and said.isprintable(), said
        assert not places or any(place in said for place in places), said
        assert not folder or contents(folder) == before, said
        return said
    return ""


def campaign(examples):
    """Reproducible few, or random many."""
    return settings(
        max_examples=examples,
        derandomize=examples < 100,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )

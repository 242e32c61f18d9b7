"""What a study asks of each step, in small files: an input of the step's rule, named after its content.

Another setting, or an edit of the user's code, is another content and so another file, newer than what was made before.
Snakemake then makes anew what depends on it, whatever else it looks at or has forgotten.
"""

import atexit
import json
import os
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from lira.config import AttacksSpec, RatesSpec, StudySettings
from lira.config.catalogue import FUNCTION
from lira.core.errors import StoreError
from lira.core.plugins import code_digest
from lira.storage.hdf5 import atomic
from lira.storage.identity import digest_of, read_spec, specs_of


class Specs:
    """The specs of a study, ``<place>.<digest>.json``, one for each place.

    Args:
        folder: ``results/<study>/specs``.
        writes: Whether specs are written when they are asked for, and not only named.
        told: Whether to take those that were written when a job was planned, as on a cluster's node: the oldest, as
            later ones are of studies that were only looked at.

    Attributes:
        changes: A line for each spec that is another than files were made for.
        fresh: Specs that are newer than what depends on them, or would be if they were written, each with what is
            another in it than in the spec that files were made for.
    """

    def __init__(self, folder: Path | str, *, writes: bool = False, told: bool = False):
        self.folder, self.writes, self.told = Path(folder), writes, told
        self._root = Path.cwd()
        self.changes: list[str] = []
        self.fresh: dict[Path, list[str]] = {}
        self._files: dict[str, Path] = {}
        self._texts: dict[Path, str] = {}
        self._written: dict[Path, int] = {}  # by this process: the number of the file
        if writes:
            atexit.register(self._withdraw)

    def file(self, place: str, asked: Callable[[], dict[str, Any]]) -> str:
        """Returns the spec of a place, as it was when it was first asked for.

        Args:
            place: Path below the folder, without digest and suffix.
            asked: Returns the content.
        """
        if place not in self._files:
            there = specs_of(self.folder, place) if self.told else []
            self._files[place] = there[0] if there else self._ask(place, asked())
        return str(self._files[place])

    def _ask(self, place: str, content: dict[str, Any]) -> Path:
        """Returns a spec, which is fresh if it is not there or not the oldest of its place.

        Those that are newer are of studies that were only looked at: a run drops all others of its places.
        """
        path = self.folder / f"{place}.{digest_of(content)}.json"
        self._texts[path] = json.dumps(content, sort_keys=True) + "\n"
        older = [other for other in specs_of(self.folder, place) if other != path]
        if path.is_file():
            older = [other for other in older if other.stat().st_mtime < path.stat().st_mtime]
        if older or not path.is_file():
            said = _differences_from(older[0], content) if older else []
            self.fresh[path] = said
            if self.writes:
                self._write(path)
            if older:
                self.changes.append(f"{place.replace('/', ' ', 1)}: {', '.join(said)}; what depends on it is made anew")
        return path

    def _write(self, path: Path) -> None:
        with atomic(path) as beside:
            beside.write_text(self._texts[path], encoding="utf-8")
        self._written[path] = path.stat().st_ino

    def accept(self) -> None:
        """Removes all other specs of the places that were asked for, as a run starts that makes everything anew.

        Another process that only looks at the study may have written the same ones, and may be about to remove them.
        """
        for place, path in self._files.items():
            time = path.stat().st_mtime_ns if path.is_file() else None
            self._write(path)
            if time:
                os.utime(path, ns=(time, time))
            for other in specs_of(self.folder, place):
                if other != path:
                    other.unlink(missing_ok=True)
        self._written.clear()

    def _withdraw(self) -> None:
        """Removes what was written, where no run has started: a study was only looked at."""
        for path, number in self._written.items():
            with suppress(OSError):  # of another process since, or a folder with something in it
                if (self._root / path).stat().st_ino == number:
                    (self._root / path).unlink()
                for folder in path.parents[:-1]:
                    (self._root / folder).rmdir()


def _differences_from(older: Path, content: dict[str, Any]) -> list[str]:
    try:
        return differences(read_spec(older), content)
    except StoreError as error:
        return [str(error)]


def differences(old: Any, new: Any, name: str = "") -> list[str]:
    """Returns what differs between two specs, as ``recipe.epochs was 4, is 9``."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted({*old, *new})
        return [line for key in keys for line in differences(old.get(key), new.get(key), f"{name}.{key}".strip("."))]
    if ".code." in f".{name}":
        return [f"the code of {name.split('code.')[1]} has changed"] if old != new else []
    return [f"{name} was {_shown(old)}, is {_shown(new)}"] if old != new else []


def _shown(value: Any) -> str:
    return "the default" if value is None else json.dumps(value)


def states(files: Iterable[str]) -> list[str]:
    """Returns name, size and time of files that the suite did not make: another one may have an older time."""
    there = [(file, os.stat(file)) for file in files if os.path.isfile(file)]
    return [f"{file} {stat.st_size} {stat.st_mtime_ns}" for file, stat in there]


def asked(study: StudySettings, place: str) -> dict[str, Any]:
    """Returns what a study asks for at a place: settings without defaults, and digests of the user's code.

    Args:
        study: The study.
        place: ``data/<dataset>-<view>``, ``pretrained/<dataset>/<architecture>``, ``runs/<run>``, ``attacks``,
            ``rates``, ``budgets`` or ``privacy``.
    """
    kind, _, of = place.partition("/")
    return ASKED[kind](study, of)


def _of_data(study: StudySettings, of: str) -> dict[str, Any]:
    dataset, view = next(found for found in study.views() if "-".join(found) == of)
    settings, (size, seed) = study.dataset_of(dataset), study.views()[dataset, view]
    code = _code([settings.source])
    return {"settings": settings.model_dump(exclude_defaults=True), "size": size, "seed": seed, "code": code}


def _of_pretrained(study: StudySettings, of: str) -> dict[str, Any]:
    architecture = of.split("/")[1]
    code = _code([study.architectures[architecture].function])
    return study.pretraining_settings(architecture, code).model_dump(exclude_defaults=True)


def _of_run(study: StudySettings, of: str) -> dict[str, Any]:
    architecture = study.architectures.get(of.split("/")[1])
    code = _code([architecture.function] if architecture else [])
    return study.run_spec(of, code).model_dump(exclude_defaults=True)


def _of_attacks(study: StudySettings, _: str) -> dict[str, Any]:
    own, names = study.own_attacks, study.suite_attacks
    asked = {"offline": study.protocol_value("offline"), "own": own, "code": _code(own.values())}
    chosen = {"cut": study.protocol_value("cut"), "gamma": study.gamma, "offline_share": study.offline_share}
    spec = AttacksSpec(**asked, **chosen, names=names)
    return asked | spec.model_dump(include={"names", *chosen}, exclude_defaults=True)


def _of_rates(study: StudySettings, _: str) -> dict[str, Any]:
    asked = {"fprs": study.fprs, "priors": study.priors}
    spec = RatesSpec(**asked, vulnerability=study.vulnerability or [], support=study.support)
    return asked | spec.model_dump(include={"vulnerability", "support"}, exclude_defaults=True)


def _of_budgets(study: StudySettings, _: str) -> dict[str, Any]:
    return {"budgets": study.budgets}


def _of_privacy(study: StudySettings, _: str) -> dict[str, Any]:
    return {"delta": study.delta}


ASKED = {
    "data": _of_data,
    "pretrained": _of_pretrained,
    "runs": _of_run,
    "attacks": _of_attacks,
    "rates": _of_rates,
    "budgets": _of_budgets,
    "privacy": _of_privacy,
}


def _code(functions: Iterable[str]) -> dict[str, str]:
    return {name: code_digest(name) for name in functions if re.fullmatch(FUNCTION, name)}

"""The results of one run: its HDF5 files and its CSV files, and what is read from them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import h5py
import numpy as np
import pandas as pd
from jaxtyping import Bool, Int

from lira.config import AttacksSpec, RunSpec, check_section
from lira.config.catalogue import PAPER_ATTACKS, main_attack
from lira.core.errors import DataError, StoreError
from lira.core.validation import check_choice, check_path
from lira.storage import hdf5
from lira.storage.csv_files import read_csv, rows_at
from lira.storage.identity import differing_settings, digest_of, read_spec, specs_of
from lira.storage.records import read_names

RUN_KEYS = ("dataset", "architecture", "regime", "seed")
LIRA_BY_SIDE = {"IN": PAPER_ATTACKS[:2], "OUT": PAPER_ATTACKS[:4]}
"""The attacks that a cut concerns, by the side whose scores they use."""

MUCH = 0.1
"""Share of the scores that a cut may throw away before it is said."""

IDENTITY = ("study", "protocol", *RUN_KEYS, "recipe_version", "sha256")
"""Attributes in which ``shadows.h5`` and ``scores.h5`` of a run must agree; ``sha256`` is of φ and membership."""


def counted_attacks(scored: Iterable[str], asked: Sequence[str]) -> list[str]:
    """Returns those of the attacks asked for that are scored, in the order asked for; else the main attack."""
    scored = list(scored)
    return [name for name in asked if name in scored] or [main_attack(scored)]


def cut_sizes(held: Bool[np.ndarray, "model sample"]) -> Int[np.ndarray, " model"]:
    """Counts, per sample, the models other than the target that hold it; returns each target's smallest count."""
    counts = held.sum(axis=0)
    smallest = counts.min(initial=len(held))
    return smallest - held[:, counts == smallest].any(axis=1)


def thrown_away(member: Bool[np.ndarray, "model sample"], own: bool = True) -> dict[str, float]:
    """Returns the share of the IN and of the OUT scores, over all targets, that the published cut does not use.

    Args:
        member: Membership of the shadow models.
        own: Whether each of them is a target too.
    """
    found = {}
    for name, side in (("IN", member), ("OUT", ~member)):
        there = int(side.sum()) * (len(side) - 1 if own else 1)
        used = int(cut_sizes(side).sum() if own else side.sum(axis=0).min(initial=len(side)))
        found[name] = 1 - used * side.shape[1] / there if there else 0.0
    return found


class Run:
    """The results of one run: M shadow models of one dataset, architecture, regime and seed.

    Args:
        folder: ``results/<study>/runs/<dataset>/<architecture>/<regime>/seed<k>``.
    """

    def __init__(self, folder: Path | str):
        self.folder = check_path(folder, "folder")

    @property
    def is_stored(self) -> bool:
        """Whether the folder has a file that says how the run was made."""
        return any((self.folder / name).is_file() for name in ("shadows.h5", "scores.h5"))

    @cached_property
    def attributes(self) -> dict[str, Any]:
        """:func:`lira.storage.hdf5.attributes` of ``shadows.h5``, which ``scores.h5`` has too.

        Raises:
            StoreError: the file is missing, damaged, or of another run than the folder names.
        """
        scores = (self.folder / "scores.h5").is_file() and not (self.folder / "shadows.h5").is_file()
        kind = "scores" if scores else "shadows"
        with hdf5.read(self.folder / f"{kind}.h5", kind) as file:
            found = hdf5.attributes(file)
        *_, runs, dataset, architecture, regime, seed = (*[""] * 5, *self.folder.absolute().parts)
        own = [dataset, architecture, regime, seed]
        if runs == "runs" and own != [*map(str, (found[name] for name in RUN_KEYS[:3])), f"seed{found['seed']}"]:
            self._refuse(kind, "/".join(str(found[name]) for name in RUN_KEYS))
        check_asked(self.folder / f"{kind}.h5", found)
        return found

    def _refuse(self, kind: str, found: str) -> NoReturn:
        path = self.folder / f"{kind}.h5"
        raise StoreError(f"{path} is of another run ({found}): rm {path}, and run the same command again")

    @property
    def key(self) -> dict[str, Any]:
        """Dataset, architecture, regime and seed."""
        return {name: self.attributes[name] for name in RUN_KEYS}

    @property
    def recipe(self) -> dict[str, Any]:
        """The resolved recipe, as :class:`lira.config.Recipe` dumps it."""
        return self.attributes["recipe"]

    def shadows(self) -> AbstractContextManager[h5py.File]:
        """Opens ``shadows.h5`` for reading."""
        return self._open("shadows")

    def scores(self) -> AbstractContextManager[h5py.File]:
        """Opens ``scores.h5`` for reading; it must belong to ``shadows.h5``."""
        return self._open("scores")

    @contextmanager
    def _open(self, kind: str) -> Iterator[h5py.File]:
        with read_asked(self.folder / f"{kind}.h5", kind) as file:
            found = hdf5.attributes(file)
            if any(found.get(name) != self.attributes.get(name) for name in IDENTITY):
                self._refuse(kind, ", ".join(str(found.get(name)) for name in IDENTITY))
            yield file

    @cached_property
    def _shape(self) -> tuple[int, int]:
        with self.shadows() as file:
            return file["member"].shape

    @property
    def models(self) -> int:
        """Number of shadow models M, each of them a target."""
        return self._shape[0]

    @property
    def pool(self) -> int:
        """Number of samples N."""
        return self._shape[1]

    @cached_property
    def labels(self) -> Int[np.ndarray, " sample"] | None:
        """Class of each sample; ``None`` if the run does not know them."""
        with self.shadows() as file:
            return file["labels"][:] if "labels" in file else None

    @cached_property
    def about(self) -> pd.DataFrame:
        """A row per sample of the pool, with its ``id``, ``group`` and ``class_name`` as far as they are known."""
        with self.shadows() as file:
            known = read_names(file)
        classes = known.pop("class_names", None)
        if classes is not None and self.labels is not None:
            known["class_name"] = classes[self.labels]
        return pd.DataFrame(known, index=range(self.pool))

    @cached_property
    def utility(self) -> pd.DataFrame:
        """A row per model: ``train_loss train_accuracy test_loss test_accuracy`` (accuracies are fractions).

        Models trained here also have ``diverged`` (0 or 1) and ``retries`` (trainings from other random streams);
        estimators ``clipped``, the share of φ whose probabilities were too near to 0 or 1.
        """
        with self.shadows() as file:
            return pd.DataFrame({name: values[:] for name, values in file["utility"].items()})

    @property
    def diverged(self) -> int:
        """Number of models that failed to train, as far as the run says it."""
        return int(self.utility["diverged"].sum()) if "diverged" in self.utility else 0

    def table(self, name: str, **options: Any) -> pd.DataFrame:
        """Reads one of the run's ``.csv`` files; ``options`` go to pandas.

        Raises:
            StoreError: as :func:`read_csv`.
        """
        key = self.key if self.is_stored else None
        return read_csv(self.folder / name, Path(name).stem, key, self.source, **options)

    @cached_property
    def source(self) -> str | None:
        """What its tables follow from, as :func:`run_of` says it: of the scores, if they are there."""
        if (self.folder / "scores.h5").is_file():
            with self.scores() as file:
                return run_of(file)[1]
        return self.attributes.get("sha256") if self.is_stored else None

    @cached_property
    def summary(self) -> pd.DataFrame:
        """``summary.csv``, rates as fractions; missing text is empty."""
        return self.table("summary.csv").fillna({"influential": "", "resolution": ""})

    @cached_property
    def groups(self) -> pd.DataFrame:
        """``groups.csv``, rates as fractions; the whole pool is the group ``""``."""
        return self.table("groups.csv").fillna({"group": ""})

    @cached_property
    def _metrics(self) -> pd.DataFrame:
        return self.table("metrics.csv")

    def targets(self, mode: str) -> pd.DataFrame:
        """Reads ``metrics.csv`` for ``target`` or ``shadow`` thresholds: a row per attack, FPR, target; one prior."""
        metrics = self._metrics[self._metrics["mode"] == mode]
        return metrics[metrics["prior"] == metrics["prior"].min()]

    @cached_property
    def scoring(self) -> dict[str, Any]:
        """What readers of the scores should know; nothing if ``scores.h5`` is not there.

        ``thrown_away``: share of a side's scores that a cut does not use, if much; ``levels``: of the scores of
        ``reference``; ``not_scored``: reasons by attack.
        """
        if not (self.folder / "scores.h5").is_file():
            return {}
        with self.scores() as file:
            found, member, names = hdf5.attributes(file), file["member"][:], set(file)
        said = {"not_scored": found.get("not_scored", {})}
        sides = [side for side, of in LIRA_BY_SIDE.items() if found["definition"]["cut"] and names & {*of}]
        lost = {side: share for side, share in thrown_away(member).items() if side in sides} if sides else {}
        said["thrown_away"] = lost if any(share > MUCH for share in lost.values()) else {}
        said["levels"] = int(cut_sizes(~member).min()) + 1 if "reference" in names else 0
        return said

    @cached_property
    def attacks(self) -> list[str]:
        """The attacks that records are counted and ranked by: those of ``samples.csv``."""
        found = self.table("samples.csv", usecols=lambda name: name in ("attack", "sample"))
        names = found["attack"] if "attack" in found else [main_attack(self._metrics["attack"].unique())]
        return [*dict.fromkeys(names)]

    @property
    def attack(self) -> str:
        """The one of :attr:`attacks` that is shown unless another is asked for: online, or the first."""
        return main_attack(self.attacks)

    def by_attack(self, rows: pd.DataFrame, attack: str | None) -> pd.DataFrame:
        """Returns the rows of one attack, by default :attr:`attack`, of a table that may have a column ``attack``.

        It has one where the study asks for attacks by ``vulnerability``.

        Raises:
            ConfigError: The table has no such attack.
        """
        named = list(rows["attack"].unique()) if "attack" in rows else None
        if attack is not None:
            check_choice(attack, "attack", self.attacks if named is None else named)
        return rows if named is None else rows[rows["attack"] == (attack or main_attack(named))]

    @property
    def negatives(self) -> float:
        """Mean number of non-members of a target."""
        metrics = self.targets("target")
        return float((metrics["fp"] + metrics["tn"]).mean())

    def counts(self, fpr: float, attack: str | None = None) -> pd.DataFrame:
        """Reads the rows of ``samples.csv`` at one FPR by one attack, in sample order.

        Raises:
            StoreError: as :func:`read_csv` and :func:`rows_at`.
            ConfigError: as :meth:`by_attack`.
        """
        rows = self.by_attack(self.table("samples.csv"), attack)
        return rows_at(rows, fpr, self.folder / "samples.csv")

    @property
    def fprs(self) -> list[float]:
        """Target FPRs of the calibration, ascending."""
        return sorted(self.table("samples.csv", usecols=["fpr"])["fpr"].unique())

    @property
    def priors(self) -> list[float]:
        """Priors of membership of the calibration, ascending."""
        return sorted(self._metrics["prior"].unique())


def run_of(file: h5py.File) -> tuple[dict[str, Any], str | None]:
    """Returns what ``shadows.h5`` or ``scores.h5`` is of, and what tables that are made of it follow from.

    Returns:
        Dataset, architecture, regime and seed; and the checksum of φ and membership, of scores with a digest of how the
        attacks are defined and of the user's own; ``None`` without a checksum.
    """
    found = hdf5.attributes(file)
    key, source = {name: file.attrs[name] for name in RUN_KEYS}, found.get("sha256")
    made = {name: found[name] for name in ("definition", "own") if name in found}
    return key, f"{source} {digest_of(made)}" if source and made else source


@contextmanager
def read_asked(path: Path | str, encoding: str) -> Iterator[h5py.File]:
    """Opens ``shadows.h5`` or ``scores.h5`` of a run, which must be what its study now asks for.

    Raises:
        StoreError: as :func:`lira.storage.hdf5.read` and :func:`check_asked`.
    """
    with hdf5.read(path, encoding) as file:
        check_asked(Path(path), hdf5.attributes(file))
        yield file


def check_asked(path: Path, found: Mapping[str, Any]) -> None:
    """Compares a file of a run with what its study asks for, where the study has written that down.

    Args:
        path: The file, in ``results/<study>/runs/<dataset>/<architecture>/<regime>/seed<k>``.
        found: Its attributes.

    Raises:
        StoreError: It is of another recipe, network, code or definition of the attacks.
    """
    if "targets" in found:
        raise StoreError(
            f"{path} has scores of models {', '.join(map(str, found['targets']))} alone, as score-attacks --targets "
            "writes them: thresholds from shadow models need the scores of all models, as score-attacks without "
            "--targets writes them"
        )
    study = _study_of(path)
    for spec in _asked(study, f"runs/{found.get('dataset')}/{found.get('architecture')}/{found.get('regime')}"):
        training = check_section(str(spec), RunSpec, read_spec(spec)).training
        if training is not None and (other := differing_settings(training, found)):
            _refuse_other(path, spec, " and ".join(other))
    for spec in _asked(study, "attacks") if found["encoding-type"] == "scores" else []:
        attacks = check_section(str(spec), AttacksSpec, read_spec(spec))
        defaults = AttacksSpec(offline="two-sided").definition
        if defaults | {key: found["definition"].get(key, defaults[key]) for key in defaults} != attacks.definition:
            _refuse_other(path, spec, "definition of the attacks")
        if found.get("attacks", [*PAPER_ATTACKS]) != attacks.names:
            _refuse_other(path, spec, "list of attacks")
        if found["own"] != {name: attacks.code.get(at, "") for name, at in attacks.own.items()}:
            _refuse_other(path, spec, "list or code of own attacks")


def attacks_asked(path: Path) -> AttacksSpec:
    """Returns what is asked of the attacks by the study in whose results a file of a run lies; else the defaults."""
    spec = next(iter(_asked(_study_of(path), "attacks")), None)
    return check_section(str(spec), AttacksSpec, read_spec(spec)) if spec else AttacksSpec(offline="two-sided")


def _study_of(path: Path) -> Path | None:
    *_, study = [None, *path.absolute().parents[5:6]]
    return study


def _asked(study: Path | None, place: str) -> list[Path]:
    """Finds the spec that results are of: if a study was only looked at with other settings, the oldest."""
    return specs_of(study / "specs", place)[:1] if study else []


def _refuse_other(path: Path, spec: Path, what: str) -> NoReturn:
    raise StoreError(f"{path} is of another {what} than {spec} asks for: rm {path}, and run snakemake to make it anew")


def check_comparable(runs: Sequence[Run]) -> None:
    """Checks that runs can be compared sample by sample.

    Raises:
        DataError: A run is given twice, or two runs with labels have different ones.
    """
    folders = [run.folder.resolve() for run in runs]
    if repeated := next((folder for folder in folders if folders.count(folder) > 1), None):
        raise DataError(f"the run {repeated} is given more than once")
    stored = (run for run in runs if (run.folder / "shadows.h5").is_file())
    labelled = [(run, labels) for run in stored if (labels := run.labels) is not None]
    check_same_pool([run for run, _ in labelled], [labels for _, labels in labelled])


def check_same_pool(runs: Sequence[Run], known: Sequence[int | Int[np.ndarray, " sample"]]) -> None:
    """Checks that runs have the same pool, as far as is known of it.

    Args:
        runs: The runs.
        known: Of each run, the number of its samples, or their labels.

    Raises:
        DataError: Two runs differ, or two that differ by seed only have each drawn a pool of their own.
    """
    first: dict[tuple, Run] = {}
    for run, own in zip(runs, known, strict=True):
        other, same = runs[0], np.array_equal(own, known[0])
        if same and run.is_stored:
            other = first.setdefault(tuple(run.key[name] for name in RUN_KEYS[:3]), run)
            same = len(of_one_pool([other, run])) == 2
        if not same:
            raise DataError(f"{run.folder} and {other.folder} have different pools: compare runs of one pool")


def of_one_pool(seeds: Sequence[Run]) -> list[Run]:
    """Returns the seeds of a run that have the pool of the first: with a dataset's ``seed: run``, each draws one."""
    data = seeds[0].attributes.get("data_sha256")
    return [run for run in seeds if run.attributes.get("data_sha256") == data]

"""The audit of one given model from file to file."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool

from lira.attacks.block import Reader
from lira.attacks.definition import Definition
from lira.attacks.target import score_target
from lira.config.catalogue import main_attack
from lira.core.errors import StoreError
from lira.evaluation.audits import doubts
from lira.evaluation.audits.whole import Audit, check_asked, conclude
from lira.evaluation.calibration import place_of
from lira.evaluation.groups import groups_of
from lira.evaluation.records import counts, delta_of
from lira.storage import hdf5
from lira.storage.csv_files import read_csv, write_csv
from lira.storage.run import Run, of_one_pool

AUDIT = "audit.json"
"""What is written last, and says of which predictions the tables are."""


def audit_file(
    target: Path,
    run: Path,
    output: Path,
    fprs: Sequence[float],
    priors: Sequence[float],
    *,
    own: Mapping[str, str] | None = None,
    seeds: Sequence[Path] = (),
    delta: float | None = None,
) -> Audit:
    """Audits a given model with the shadow models of a run, by the attacks that the run was scored with.

    Args:
        target: File of encoding ``target``.
        run: Folder of the run, with ``shadows.h5`` and ``scores.h5``.
        output: Folder to write :data:`lira.config.catalogue.AUDITED` to.
        fprs: False positive rates.
        priors: Shares of members.
        own: The user's own attacks by name, as ``package.module:function``; those that are scored and not among them
            are left out.
        seeds: Folders of all seeds of the run, whose ``samples.csv`` say how each record fares; this run's counts are
            taken if there are none. Others of another pool or other settings, or without an FPR, do not count.
        delta: δ of the records' bounds on ε; by default that of the run's own.

    Raises:
        ConfigError: An FPR or a prior is no fraction of six digits, or there twice.
        StoreError: A file is missing, damaged, of another kind, or ``target`` is for other shadow models.
        DataError: The seeds have different pools.
    """
    check_asked(fprs, priors)
    withdraw(output)
    found = Run(run)
    with hdf5.read(target, "target") as file:
        about, phi = hdf5.attributes(file), file["phi"][0]
        truth = file["member"][0] if "member" in file else None
    if about["shadows_sha256"] != found.attributes["sha256"]:
        remedy = f"rm {target}, and run the same command again"
        raise StoreError(f"{target} is for other shadow models than {run / 'shadows.h5'}: {remedy}")
    with found.shadows() as shadows, found.scores() as scores:
        settings = hdf5.attributes(scores)
        names = sorted((name for name in scores if name != "member"), key=place_of)
        lost = [name for name in names if name in settings["own"] and name not in (own or {})]
        own = {name: (own or {})[name] for name in settings["own"] if name not in lost}
        chosen, member = [name for name in names if name not in settings["own"]], scores["member"][:]
        reader = Reader(shadows["phi"])
        of_target = score_target(reader, member, phi, chosen, Definition(**settings["definition"]), own)
        left_out = settings.get("not_scored", {}) | dict.fromkeys(lost, "its function was not named")
        warnings = [*about["remarks"], *doubts.of_offline(member, left_out), *doubts.of_share(truth, member)]
        warnings += doubts.of_shift(doubts.shift(reader, phi))
        warnings += doubts.of_duplicates(found.attributes.get("duplicates", {}))
        main = _counted_by(found, of_target)
        counted, lacking = _counted(found, seeds, fprs, main)
        by_seed = {fpr: counts(counted, fpr, main) for fpr in fprs} if counted else None
        given = (scores, member, of_target, truth, fprs, priors, _about(found))
        at = delta_of(found) if delta is None else delta
        made = conclude(*given, counts=by_seed, warnings=[*warnings, *lacking], delta=at, main=main)
    _write(made, output, found, about, truth, {"seeds": max(len(counted), 1), "counted_by": main})
    return made


def withdraw(folder: Path) -> None:
    """Removes an audit's answer and page from a folder, so that none that fails leaves those of an earlier one."""
    for name in (AUDIT, "audit.html"):
        (folder / name).unlink(missing_ok=True)


def _counted_by(run: Run, of_target: Mapping[str, Any]) -> str:
    """Returns the attack that records are counted by: the one that the run's own are, if it was made on the target."""
    own = run.attacks if (run.folder / "samples.csv").is_file() else []
    return main_attack(name for name in own if name in of_target) or main_attack(of_target) or "global"


def _counted(run: Run, seeds: Sequence[Path], fprs: Sequence[float], attack: str) -> tuple[list[Run], list[str]]:
    """Returns the seeds of the run's pool that count, and a line about each that lacks an FPR or is of other settings.

    One whose records are counted by other attacks than ``attack`` is of other settings too.

    Such a seed may be one that the study no longer has, so that nothing would make it anew; the run itself is another
    matter, and is to be calibrated at the FPR.
    """
    counted, said = [], []
    for seed in map(Run, dict.fromkeys(folder.resolve() for folder in seeds)):
        try:
            own, alike = seed.key == run.key, len(of_one_pool([run, seed])) == 2
            known = seed.fprs if alike and not own else fprs
            by = seed.attacks if alike else [attack]
        except StoreError as error:
            if seed.folder == run.folder.resolve():
                raise
            said.append(f"{seed.folder.name} was not counted: {error}")
            continue
        if lacking := [fpr for fpr in fprs if fpr not in known]:
            said.append(f"{seed.folder.name} was not counted: its samples.csv has no rows at FPR {lacking[0]:g}")
        elif attack not in by:
            said.append(
                f"{seed.folder.name} was not counted: its samples.csv counts by {', '.join(by)}, not by {attack}"
            )
        elif alike:
            counted.append(seed)
    return counted, said


def _about(run: Run) -> dict[str, np.ndarray]:
    """Returns ``id``, ``class`` and ``group`` of each sample, as far as they are known."""
    named = {"id": run.about["id"].to_numpy()} if "id" in run.about else {}
    return named | groups_of(run)


def _write(
    made: Audit,
    output: Path,
    run: Run,
    about: Mapping[str, Any],
    truth: Bool[np.ndarray, " sample"] | None,
    counted: Mapping[str, Any],
) -> None:
    tables = {"summary": made.summary, "records": made.records, "groups": made.groups}
    for name, frame in tables.items():
        write_csv(output / f"{name}.csv", frame, about["sha256"])
    whole = {
        "answer": made.answer,
        "verdict": made.verdict,
        "warnings": made.warnings,
        "run": run.key,
        "predictions": about["predictions"],
        "sha256": about["sha256"],
        "shadow_models": run.models,
        "records": run.pool,
        "members": None if truth is None else int(truth.sum()),
        **counted,
        "attacks": list(pd.unique(made.summary["attack"])),
    }
    with hdf5.atomic(output / AUDIT) as beside:
        beside.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")


def read_audit(folder: Path) -> pd.DataFrame:
    """Returns the counts of an audit: ``attack fpr tp fn fp tn targets``, the last 1.

    Raises:
        StoreError: A file is missing, damaged or of another audit, no list of members was given, or all or none of the
            records are in it.
    """
    about = _read_about(folder / AUDIT)
    if about["members"] is None:
        raise StoreError(f"{folder} was made without a list of members, so it has no rates: audit again with --members")
    if about["members"] in (0, about["records"]):
        which = "all" if about["members"] else "none"
        said = f"{folder} was made with {which} of the {about['records']:,} records as members, so it has no rates"
        raise StoreError(f"{said}: audit again with a list of members and with records that are not in it")
    rates = read_csv(folder / "summary.csv", "audit", source=about["sha256"])
    wide = rates[rates["metric"].isin(["tpr", "fpr_achieved"])].pivot(
        index=["attack", "fpr"], columns="metric", values="value"
    )
    members, others = about["members"], about["records"] - about["members"]
    tp, fp = (wide["tpr"] * members).round(), (wide["fpr_achieved"] * others).round()
    return wide.assign(tp=tp, fn=members - tp, fp=fp, tn=others - fp, targets=1).reset_index()


def _read_about(path: Path) -> dict[str, Any]:
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # of UTF-8 too
        raise StoreError(f"{path} is damaged ({error}): audit again") from error
    if not isinstance(about, dict) or not {"members", "records", "sha256"} <= {*about}:
        raise StoreError(f"{path} does not say members, records and sha256, as that of an audit does: audit again")
    return about

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
from lira.core.errors import StoreError
from lira.core.validation import check_fractions
from lira.evaluation.audits import doubts
from lira.evaluation.audits.whole import Audit, conclude
from lira.evaluation.calibration import place_of
from lira.evaluation.groups import groups_of
from lira.evaluation.records import counts
from lira.storage import hdf5
from lira.storage.csv_files import read_csv, write_csv
from lira.storage.run import Run


def audit_file(
    target: Path,
    run: Path,
    output: Path,
    fprs: Sequence[float],
    priors: Sequence[float],
    *,
    own: Mapping[str, str] | None = None,
    seeds: Sequence[Path] = (),
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
            taken if there are none.

    Raises:
        ConfigError: An FPR or a prior is no fraction, or there twice.
        StoreError: A file is missing, damaged, of another kind, or ``target`` is for other shadow models.
        DataError: The seeds have different pools.
    """
    check_fractions(fprs, "fpr", "a false positive rate")
    check_fractions(priors, "prior", "a share of members")
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
        by_seed = {fpr: counts([Run(folder) for folder in seeds], fpr) for fpr in fprs} if seeds else None
        given = (scores, member, of_target, truth, fprs, priors, _about(found))
        made = conclude(*given, counts=by_seed, warnings=warnings)
    _write(made, output, found, about, truth, len(seeds))
    return made


def _about(run: Run) -> dict[str, np.ndarray]:
    """Returns ``id``, ``class`` and ``group`` of each sample, as far as they are known."""
    named = {"id": run.about["id"].to_numpy()} if "id" in run.about else {}
    return named | groups_of(run)


def _write(
    made: Audit, output: Path, run: Run, about: Mapping[str, Any], truth: Bool[np.ndarray, " sample"] | None, seeds: int
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
        "shadow_models": run.models,
        "records": run.pool,
        "members": None if truth is None else int(truth.sum()),
        "seeds": max(seeds, 1),
        "attacks": list(pd.unique(made.summary["attack"])),
    }
    with hdf5.atomic(output / "audit.json") as beside:
        beside.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")


def read_audit(folder: Path) -> pd.DataFrame:
    """Returns the counts of an audit: ``attack fpr tp fn fp tn targets``, the last 1.

    Raises:
        StoreError: A file is missing or damaged, or no list of members was given.
    """
    about = json.loads((folder / "audit.json").read_text(encoding="utf-8"))
    if about["members"] is None:
        raise StoreError(f"{folder} was made without a list of members, so it has no rates: audit again with --members")
    rates = read_csv(folder / "summary.csv", "audit")
    wide = rates[rates["metric"].isin(["tpr", "fpr_achieved"])].pivot(
        index=["attack", "fpr"], columns="metric", values="value"
    )
    members, others = about["members"], about["records"] - about["members"]
    tp, fp = (wide["tpr"] * members).round(), (wide["fpr_achieved"] * others).round()
    return wide.assign(tp=tp, fn=members - tp, fp=fp, tn=others - fp, targets=1).reset_index()

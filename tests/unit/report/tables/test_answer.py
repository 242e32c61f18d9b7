"""The table that answers first: a row per recipe, and the sentence of each."""

import shutil

import h5py
import pytest
from synthetic_study import run_folder
from table_files import rows_of

from lira.storage.run import Run


def test_a_row_per_recipe_with_its_sentence(make, study):
    seeds = [run_folder(study, "fcn", "aof", seed) for seed in (0, 1, 2)]
    data, path = make("answer", [run_folder(study, "fcn", "baseline", 0), *seeds])
    assert list(data["regime"]) == ["baseline", "aof"] and list(data["seeds"]) == [1, 3]
    shown = rows_of(path)
    assert shown[0][3:5] == ["Answer", "Members found, TPR′ (%) at 1 % FPR"]
    row = data.iloc[0]
    assert shown[1][3] == row["answer"] == "leaks"
    assert shown[1][4].startswith(f"{row['tpr']:.2f} [{row['tpr_low']:.2f}, {row['tpr_high']:.2f}]")
    assert shown[1][8] == f"{row['exposed']:,} ({row['exposed_null']:,})"
    assert shown[1][9] == "–" and shown[2][9].startswith(f"{data['again'][1]:.1f} [")
    assert shown[2][9].endswith(f"] ({data['again_null'][1]:.1f})")
    assert row["sentence"].startswith(
        "Digits FCN Baseline leaks: at the threshold for 1 % false positives the best attack finds "
    )
    assert f"flags {row['fpr_achieved']:.2f} %" in row["sentence"] and "if 1 % are members" in row["sentence"]


@pytest.mark.parametrize("fpr", [0.001, 0.01])
def test_another_fpr_can_be_asked_for(make, study, fpr):
    data, path = make("answer", [run_folder(study, "fcn", "baseline", 0)], fpr=fpr)
    assert data["fpr"].item() == fpr
    assert ("τ at 0 FP" in rows_of(path)[1][4]) == (fpr == 0.001)


def test_models_that_failed_to_train_are_told(make, study, tmp_path):
    folder = run_folder(study, "fcn", "baseline", 0)
    copy = shutil.copytree(folder, tmp_path / folder.relative_to(study))
    with h5py.File(copy / "shadows.h5", "a") as file:
        file["utility/diverged"] = [1.0] * 9 + [0.0] * 7
    assert (Run(copy).diverged, Run(folder).diverged) == (9, 0)
    for name, folders in (("answer", [copy]), ("utility", [copy])):
        _, path = make(name, folders)
        assert "digits/fcn/baseline/0: 9 of 16 models failed to train" in path.with_suffix(".md").read_text()
    assert "failed to train" not in make("answer", [folder])[1].with_suffix(".md").read_text()

"""What more shadow models buy on data that the suite does not ship: trains, attacks with fewer models, prints rates.

    python benchmarks/budgets.py location30 location30.csv.gz FOLDER  # label, then 446 features, no header
    python benchmarks/budgets.py cifar10 pictures.npz FOLDER          # x, y, x_test, y_test; 1,500 and 500 pictures
    python benchmarks/budgets.py breast_cancer FOLDER                 # scikit-learn's
    python benchmarks/budgets.py run results/quickstart/runs/digits/fcn/baseline/seed0

A second run only prints. Below the budgets stands what studies of so many models give, each model attacked with the
others: the first models of a nested study are such a study.
"""

import argparse
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import yaml

from lira.attacks.lira import PUBLISHED, leave_one_out
from lira.config.catalogue import ATTACKS
from lira.evaluation.budgets import measure_budgets
from lira.evaluation.roc import threshold_at_fpr

ROOT = Path(__file__).resolve().parent.parent
FPR = 0.01
PAIRS = {"moderated": "online_fixed", "offline_moderated": "offline_fixed"}
FCN = {"learning_rate": 0.05, "batch_size": 64, "epochs": 30, "weight_decay": 0, "cohort": 4}
SMALL = {"learning_rate": 0.05, "batch_size": 16, "epochs": 60, "weight_decay": 0, "cohort": 4}
RESNET = {"learning_rate": 0.1, "batch_size": 64, "epochs": 20, "augment": ["flip"], "query_views": 2, "cohort": 4}
STUDIES = {
    "location30": (80, [4, 8, 16, 32, 64], {"test": 1000}, {"hidden": [128]}, FCN),
    "cifar10": (24, [4, 8, 16], {}, {"family": "resnet", "widths": [8, 16, 32]}, RESNET),
    "breast_cancer": (80, [4, 8, 16, 32, 64], {"test": 69}, {"hidden": [128]}, SMALL),
}


def prepare(name: str, given: Path | None, folder: Path) -> Path:
    """Writes data and study to a folder; returns the study's file."""
    models, budgets, data, network, recipe = STUDIES[name]
    kind, path = "tabular", (folder / f"{name}.npz").resolve()
    if name == "location30":
        rows = pd.read_csv(given, header=None)
        np.savez(path, x=rows.iloc[:, 1:].to_numpy(np.uint8), y=rows[0].to_numpy() - 1)
    elif name == "breast_cancer":
        from sklearn.datasets import load_breast_cancer

        x, y = load_breast_cancer(return_X_y=True)
        np.savez(path, x=x, y=y)
    else:
        kind, path = "image", given.resolve()
    study = {"study": name, "shadow_models": models, "seeds": [0], "fprs": [0.001, FPR], "membership_draws": "nested"}
    study |= {"cut": False, "attacks": [*ATTACKS], "budgets": budgets}
    study |= {"datasets": {name: {"source": "file", "kind": kind, "path": str(path)} | data}}
    study |= {"architectures": {"net": {"family": "fcn"} | network}, "regimes": {"baseline": recipe}}
    file = folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump(study | {"runs": {f"{name}/net/baseline": {}}}))
    return file


def train(name: str, given: list[Path], folder: Path, cores: str) -> Path:
    """Runs the study, if it is not there; returns the folder of its run."""
    folder.mkdir(parents=True, exist_ok=True)
    file, run = folder / f"{name}.yaml", f"results/{name}/runs/{name}/net/baseline/seed0"
    file = file if file.is_file() else prepare(name, *(given or [None]), folder)
    command = ["snakemake", "--snakefile", ROOT / "Snakefile", "--configfile", file.name, "--cores", cores]
    subprocess.run([*command, "--quiet", "all", "--", f"{run}/budgets.csv"], cwd=folder, check=True)
    return folder / run


def of_study(phi: np.ndarray, member: np.ndarray, models: int) -> dict[str, float]:
    """Mean TPR over all studies of so many models that follow each other in a nested one."""
    names, found = [*PAIRS, *PAIRS.values()], []
    for first in range(0, len(phi) - models + 1, models):
        x, held = phi[first : first + models], member[first : first + models]
        cut = leave_one_out(x, held, [*PAIRS.values()], definition=PUBLISHED)
        scores = leave_one_out(x, held, names) | {f"{name}, cut": values for name, values in cut.items()}
        rows = {
            name: [threshold_at_fpr(*of, FPR).tpr for of in zip(v, held, strict=True)] for name, v in scores.items()
        }
        found.append({name: np.mean(values) for name, values in rows.items()})
    return pd.DataFrame(found).mean().to_dict()


def main() -> None:
    """Prints the tables."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("name", choices=[*STUDIES, "run"])
    arguments.add_argument("paths", type=Path, nargs="+", metavar="[data] folder")
    arguments.add_argument("--cores", default="all")
    chosen = arguments.parse_args()
    *given, folder = chosen.paths
    if chosen.name == "run":
        with h5py.File(folder / "shadows.h5") as shadows:
            rows = measure_budgets(shadows["phi"], shadows["member"][:], [4, 8, 16, 32], [FPR], [*ATTACKS])
    else:
        folder = train(chosen.name, given, folder, chosen.cores)
        rows = pd.read_csv(folder / "budgets.csv")
    for metric, of_rate in (("tpr", rows["fpr"] == FPR), ("auc", rows["fpr"].isna())):
        means = rows[of_rate].pivot(index="attack", columns="models", values="mean")
        print(f"\n{metric}, %\n{(100 * means).round(1).loc[rows['attack'].unique()].to_markdown()}")
        for better, worse in PAIRS.items() if metric == "tpr" else ():
            print(f"{better} over {worse}: {(means.loc[better] / means.loc[worse]).round(2).to_dict()}")
    if chosen.name == "run":
        return
    with h5py.File(folder / "shadows.h5") as shadows:
        phi, member = shadows["phi"][:], shadows["member"][:]
    for models in (4, 8, 16):
        found = of_study(phi, member, models)
        print(f"\nstudies of {models} models, TPR, %: { ({name: round(100 * v, 1) for name, v in found.items()}) }")
        for better, worse in PAIRS.items():
            ratio, of_cut = found[better] / found[worse], found[better] / found[f"{worse}, cut"]
            print(f"{better} over {worse}: {ratio:.2f}; over it cut: {of_cut:.2f}")


if __name__ == "__main__":
    main()

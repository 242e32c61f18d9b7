"""How long `lira rehearse` takes for the runs of studies/paper.yaml on a CPU, on random stand-ins of data and weights.

    python benchmarks/rehearsal.py             # all 38 runs
    python benchmarks/rehearsal.py --networks  # the first run of each network

Pools have 1,300 samples of the true shapes; batches, cohorts and networks are the paper's.
"""

import argparse
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import timm
import torch
import yaml

ROOT = Path(__file__).resolve().parent.parent
POOL, TEST = 1300, 200
CLASSES = {"cifar10": 10, "cifar100": 100, "gtsrb": 43, "purchase100": 100}
WEIGHTS = {"resnet18_imagenet": "resnet18", "efficientnetv2_s": "efficientnetv2_rw_s"}


def stand_in(folder: Path, *, networks: bool) -> Path:
    """Writes the study, its data and weights to a folder, and returns the study's file."""
    draws = np.random.default_rng(0)
    study = yaml.safe_load((ROOT / "studies" / "paper.yaml").read_text()) | {"study": "stand-in", "device": "cpu"}
    for name, classes in CLASSES.items():
        kind, shape, most = ("tabular", (600,), 2) if name == "purchase100" else ("image", (3, 32, 32), 256)
        y = np.arange(POOL + TEST) % classes
        np.savez(folder / f"{name}.npz", x=draws.integers(0, most, (len(y), *shape), dtype=np.uint8), y=y)
        study["datasets"][name] = {"source": "file", "kind": kind, "path": f"{name}.npz", "test": TEST}
    for name, model in WEIGHTS.items():
        torch.save(timm.create_model(model).state_dict(), folder / f"{model}.pt")
        study["architectures"][name]["weights"] = f"{model}.pt"
    if networks:
        firsts = {key.split("/")[1]: key for key in reversed(study["runs"])}
        study["runs"] = {key: study["runs"][key] for key in study["runs"] if key in firsts.values()}
        study |= {"agreement": {}, "ablation": [], "transfer": []}
    (folder / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    return folder / "study.yaml"


def main() -> None:
    """Prints the table of the rehearsal, and the time that all of it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", action="store_true", help="Only the first run of each network.")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        study = stand_in(folder, networks=parser.parse_args().networks)
        for name in ("Snakefile", "rules"):
            (folder / name).symlink_to(ROOT / name)
        begun = time.monotonic()
        done = subprocess.run(["lira", "rehearse", study.name], cwd=folder, check=False, capture_output=True, text=True)
        print(done.stdout[done.stdout.index("Run  ") :], f"{time.monotonic() - begun:.0f} s", sep="\n")


if __name__ == "__main__":
    main()

"""A user's folder with a study of their own data, network and attack, in which tests change one thing at a time."""

import re
import subprocess

import yaml
from array_files import read_arrays

WARDS = """import numpy as np
from scaling import SCALE

def load():
    rng = np.random.default_rng(0)
    y = np.arange(260) % 4
    return {"x": SCALE * rng.normal(size=(260, 12)) + y[:, None], "y": y}
"""
NARROW = """from torch import nn

def build(shape, classes, dropout):
    return nn.Sequential(nn.Linear(shape[0], 16), nn.ReLU(), nn.Linear(16, classes))
"""
ATTACK = """def scores(phi, member):
    return phi.mean(axis=2)
"""
STUDY = {
    "study": "own",
    "shadow_models": 4,
    "shard_size": 2,
    "seeds": [0],
    "fprs": [0.1],
    "attacks": {"mine": "attack:scores"},
    "datasets": {"wards": {"source": "wards:load", "kind": "tabular", "test": 60}},
    "architectures": {"narrow": {"family": "narrow:build"}, "fcn": {"family": "fcn", "hidden": [8]}},
    "regimes": {"r": {"epochs": 2, "batch_size": 16}},
    "runs": {"wards/narrow/r": {}, "wards/fcn/r": {}},
}
OWN, FCN = (f"results/own/runs/wards/{name}/r/seed0" for name in ("narrow", "fcn"))


class Project:
    """A user's folder: a study and the modules that it names."""

    def __init__(self, root, folder):
        self.root, self.folder = root, folder

    def write(self, name, text):
        (self.folder / name).write_text(text)

    def study(self, **changes):
        self.write("study.yaml", yaml.safe_dump(STUDY | changes))

    def snakemake(self, *arguments):
        place = ["--snakefile", self.root / "Snakefile", "--directory", self.folder, "--configfile", "study.yaml"]
        words = ["snakemake", *arguments, "--cores", "2", *place]
        done = subprocess.run(list(map(str, words)), cwd=self.folder, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def start(self, *arguments):
        """Snakemake in a process group of its own."""
        place = ["--snakefile", self.root / "Snakefile", "--directory", self.folder, "--configfile", "study.yaml"]
        words = map(str, ["snakemake", *arguments, "--cores", "1", *place])
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen([*words], cwd=self.folder, start_new_session=True, **quiet)

    def says(self, *words):
        """What a command prints."""
        return subprocess.run(words, cwd=self.folder, capture_output=True, text=True, check=True).stdout

    def spec(self, place):
        """The spec of a place."""
        (file,) = (self.folder / "results/own/specs").glob(f"{place}.*.json")
        return str(file)

    def make(self, *arguments, files=(f"{OWN}/metrics.csv", f"{FCN}/metrics.csv")):
        code, said = self.snakemake(*files, *arguments)
        assert code == 0, said
        return said

    def planned(self, *arguments, **options):
        """Rules and how many jobs of each a run would start, and all that is said."""
        said = self.make("-n", *arguments, **options)
        lines = [line.split() for line in said.partition("Job stats:")[2].splitlines()]
        return {line[0]: int(line[1]) for line in lines if len(line) == 2 and line[1].isdigit()}, said

    def files(self, run):
        return {name: read_arrays(self.folder / run / name) for name in ("shadows.h5", "scores.h5")}

    def trained(self):
        """Number of models trained so far, by the logs."""
        logs = (self.folder / "results/own/logs/train_shadows").rglob("*.log")
        return sum(int(number) for log in logs for number in re.findall(r"(\d+) to train", log.read_text()))


def make_project(root, folder):
    """Runs the study once."""
    project = Project(root, folder)
    for name, text in {
        "wards.py": WARDS,
        "narrow.py": NARROW,
        "attack.py": ATTACK,
        "scaling.py": "SCALE = 1\n",
    }.items():
        project.write(name, text)
    project.study()
    project.make()
    return project

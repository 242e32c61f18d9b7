"""Values that a shell would act on, from the command line to the last file: refused, or no more than a name."""

import subprocess

import h5py
import numpy as np
import pytest
import yaml

SLOW = pytest.mark.campaign
RUNS = "runs={{d/a/r: {{scores: {0}}}}}"
MARK = "touch pwned"


@pytest.fixture
def snakemake(request, tmp_path):
    def run(*arguments):
        root = request.config.rootpath
        place = ["--snakefile", root / "Snakefile", "--directory", tmp_path, "--quiet", "host"]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return subprocess.run(["snakemake", *arguments, *place], text=True, check=False, **streams)

    return run


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (f"study=x; {MARK}", "study is 'x; touch pwned': allowed are up to 40 letters, digits"),
        (RUNS.format(f"'$({MARK})'"), "runs.d/a/r.scores is '$(touch pwned)': a path is printable"),
        pytest.param(f"datasets={{'; {MARK}': {{}}}}", "datasets.; touch pwned", marks=SLOW),
        pytest.param(f"datasets={{d: {{source: file, kind: image, path: '`{MARK}`'}}}}", "datasets.d.path", marks=SLOW),
        pytest.param(f"datasets={{d: {{source: 'os:system; {MARK}'}}}}", "datasets.d.source", marks=SLOW),
        pytest.param(f"architectures={{a: {{family: 'x:y; {MARK}'}}}}", "architectures.a.family", marks=SLOW),
        pytest.param(RUNS.format(f"'x; {MARK}'"), "runs.d/a/r.scores", marks=SLOW),
        pytest.param(RUNS.format("'--output=x'"), "runs.d/a/r.scores", marks=SLOW),
        pytest.param(RUNS.format("'{input}'"), "runs.d/a/r.scores", marks=SLOW),
        pytest.param(f"runs={{'d/a/r; {MARK}': {{scores: x}}}}", "has 'r; touch pwned': allowed are", marks=SLOW),
        pytest.param(f"agreement={{'$({MARK})': []}}", "agreement: run is '$(touch pwned)': allowed", marks=SLOW),
        pytest.param(f"device=cpu; {MARK}", "device is 'cpu; touch pwned': input should be", marks=SLOW),
        pytest.param("study=!!python/object/apply:os.mkdir [pwned]", "study is ['pwned']: input should be", marks=SLOW),
        pytest.param("runs=!!python/object/apply:os.mkdir [pwned]", "runs is ['pwned']: input should be", marks=SLOW),
    ],
)
def test_hostile_values_stop_the_run_at_parse_time(request, snakemake, tmp_path, override, said):
    smoke = request.config.rootpath / "studies" / "smoke.yaml"
    done = snakemake("--cores", "1", "--configfile", smoke, "--config", override)
    assert done.returncode != 0 and said in done.stdout, done.stdout
    assert "Traceback" not in done.stdout
    assert [path.name for path in tmp_path.iterdir() if path.name != ".snakemake"] == []


def test_odd_paths_are_paths(snakemake, tmp_path):
    """Characters that a shell splits, expands or comments at."""
    folder = tmp_path / "my scores (é) #1, ~a=b %s @x"
    folder.mkdir()
    member = np.argsort(np.random.default_rng(0).random((4, 20)), axis=0) < 2
    np.savez(folder / "seed 0.npz", phi=np.random.default_rng(1).normal(size=(4, 20)), member=member)
    runs = {"d/a/r": {"scores": f"{folder.name}/seed {{seed}}.npz", "seeds": [0]}}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump({"study": "odd", "runs": runs, "fprs": [0.1]}))
    target = "results/odd/runs/d/a/r/seed0/shadows.h5"
    done = snakemake(target, "--cores", "1", "--configfile", tmp_path / "study.yaml")
    assert done.returncode == 0, done.stdout
    with h5py.File(tmp_path / target) as file:
        assert file["phi"].shape == (4, 20, 1) and file.attrs["imported"] == f"{folder.name}/seed 0.npz"

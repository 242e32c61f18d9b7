"""``benchmarks/gpu.py`` on a CPU: every row is there, and what is broken is said and ends with an error."""

import math
import os
import re
import subprocess
import sys

import gpu
import gpu_measures
import pytest
import torch
from stand_in_gpus import stand_in_gpus
from tasks import Task, Worker

CHECKS = ("A resumed model equals an undisturbed one", "φ on this device and on a CPU")


def tables(page):
    """Rows of each section, cell by cell."""
    found = {}
    for title, text in re.findall(r"^## (.+?)$(.+?)(?=^## |\Z)", page.read_text(), re.MULTILINE | re.DOTALL):
        lines = [line for line in text.splitlines() if line.startswith("|")]
        found[title] = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    return found


def run(request, script, output):
    """Runs the command."""
    root = request.config.rootpath
    return subprocess.run(
        [sys.executable, script, "--device", "cpu", "--tiny", "--output", output],
        env=os.environ | {"PYTHONPATH": f"{root}:{root / 'benchmarks'}"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def written(request, tmp_path_factory):
    page = tmp_path_factory.mktemp("gpu") / "gpu.md"
    done = run(request, request.config.rootpath / "benchmarks" / "gpu.py", page)
    assert done.returncode == 0, done.stderr
    return page


@pytest.fixture(scope="module")
def found(written):
    return tables(written)


def test_every_row_is_there(found):
    sections = {section.title: section for section in gpu.sections("cpu", tiny=True)}
    assert list(found) == list(sections)
    for title, section in sections.items():
        expected = [tuple(map(str, row)) for task in section.tasks for row in task.rows]
        assert [tuple(cells[: len(row)]) for cells, row in zip(found[title], expected, strict=True)] == expected
        assert {len(cells) for cells in found[title]} == {len(section.columns)}


def test_the_machine_is_described(found):
    said = dict(found["Machine"])
    assert said["device"] == "cpu" and re.fullmatch(r"[\d.]+(, [\d.+a-z]+){3}", said[gpu_measures.MACHINE[4]])
    assert re.search(r"revision \w+", said["lira"]) and re.fullmatch(r"\d{4}-\d\d-\d\d", said["date"])


def test_all_figures_are_finite_and_positive(found):
    for title, skipped in (("Training", 2), ("Query", 1), ("Two jobs on one device", 1)):
        for cells in found[title]:
            values = [float(cell.replace(",", "")) for cell in cells[skipped:]]
            assert all(math.isfinite(value) and value > 0 for value in values), cells


def test_all_checks_pass(found):
    for title in CHECKS:
        assert [cells[-1] for cells in found[title]] == ["passed"] * 4
    for *_, stopped, differing, _ in found[CHECKS[0]]:
        step, last = map(int, re.fullmatch(r"epoch 2 of 2, step (\d+) of (\d+)", stopped).groups())
        assert 0 < step < last and re.fullmatch(r"0 of [1-9]\d*", differing)


def test_the_whole_size_has_the_ten_benchmarks_and_stays_under_ten_minutes():
    sections = gpu.sections("cuda", tiny=False)
    assert sum(section.seconds for section in sections) <= 560 and gpu_measures.SIZES[False].patience == 1
    rows = {row for section in sections if section.title == "Training" for task in section.tasks for row in task.rows}
    assert len({key for key, _, _ in rows}) == 10 and {precision for _, precision, _ in rows} == {"bf16", "float32"}
    of_fcn = {models for key, precision, models in rows if (key, precision) == ("purchase100/fcn/aof", "bf16")}
    assert of_fcn == {1, 2, 4, 8, 16, 32, 64}


BROKEN = """
import sys
import gpu, gpu_measures
from lira.shadows.rng import Streams

gpu.TRAINED, gpu.SHARED, gpu.PRECISIONS = ["purchase100/fcn/baseline", "purchase100/fcn/aof"], {}, ("float32",)
gpu.QUERIED = gpu.CHECKED = {"purchase100/fcn/aof": 1}
Streams.restore = lambda streams, state: None

class Ours(gpu_measures.Ours):
    def __init__(self, run, models, *more):
        if models == 2:
            raise MemoryError("too | large")
        super().__init__(run, models, *more)

def loop(architecture, recipe, *more, real=gpu_measures.Loop, **how):
    if recipe.dropout:
        raise RuntimeError("a worker died")
    return real(architecture, recipe, *more, **how)

def phi(ours, weights, real=gpu_measures.phi, calls=[]):
    calls.append(0)
    return real(ours, weights) + 2e-4 * len(calls)

gpu_measures.Ours, gpu_measures.Loop, gpu_measures.phi = Ours, loop, phi
if __name__ == "__main__":
    sys.exit(gpu.main())
"""


def test_what_is_broken_is_said_in_its_row_and_fails(request, tmp_path):
    script, page = tmp_path / "broken.py", tmp_path / "gpu.md"
    script.write_text(BROKEN)
    done = run(request, script, page)
    assert done.returncode == 1 and done.stdout.endswith("a check FAILED\n"), done.stderr
    found = tables(page)
    for title in CHECKS:
        assert [cells[-1] for cells in found[title]] == ["FAILED"]
    assert not found[CHECKS[0]][0][3].startswith("0 of") and float(found[CHECKS[1]][0][4]) == pytest.approx(2e-4, 0.01)
    alone, two, without_plain, _ = found["Training"]
    assert float(alone[3].replace(",", "")) > 0 and two[-1] == "failed: MemoryError: too / large"
    assert without_plain[3] == "failed" and float(without_plain[4].replace(",", "")) > 0
    assert float(found["Query"][0][2].replace(",", "")) > 0


def test_a_check_that_cannot_run_fails():
    worker, tasks = Worker(), [Task([("run", 1)], map, (int, "x"))]
    try:
        section = gpu.Section("φ", "", ("run", "models at a time", "values", "check"), 60, tasks, check=True)
        lines, passed = gpu.table(section, worker)
    finally:
        worker.stop()
    assert not passed and lines[-2].startswith("| run | 1 | – | FAILED: ValueError: invalid literal")


def test_without_a_gpu_it_says_so_and_writes_nothing(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,4")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--output", str(tmp_path / "gpu.md")])
    with pytest.raises(SystemExit, match="2"):
        gpu.main()
    assert "torch sees no GPU" in capsys.readouterr().err and not list(tmp_path.iterdir())
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "3"


MEMORY = {"empty_cache": None, "reset_peak_memory_stats": None, "memory_allocated": 1, "max_memory_allocated": 2**30}


@pytest.mark.parametrize("key", ["cifar10/resnet18/aof", "purchase100/fcn/aof"])
@pytest.mark.parametrize("measure", ["training", "querying", "resuming", "agreeing"])
def test_nothing_is_on_the_wrong_device(monkeypatch, measure, key):
    for name, value in MEMORY.items():
        monkeypatch.setattr(torch.cuda, name, lambda *_, value=value: value)
    given = "bf16" if measure == "training" else gpu.CHECKED[key]
    with stand_in_gpus(monkeypatch):
        rows = list(getattr(gpu_measures, measure)(key, given, "cuda", True))
    assert rows and all(cells[0] != "failed" and cells[-1] != "FAILED" for cells in rows)

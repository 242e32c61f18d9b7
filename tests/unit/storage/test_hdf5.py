"""Files appear whole or not at all, and say what they are."""

import fcntl
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from lira.core.errors import StoreError
from lira.storage import hdf5


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "folder" / "a.h5"
    with pytest.raises(RuntimeError), hdf5.create(path, "shadows", {}) as file:
        file["phi"] = np.zeros(3)
        raise RuntimeError
    assert not list(path.parent.iterdir())
    with hdf5.create(path, "shadows", {"recipe": {"epochs": 3}, "seed": 4}) as file:
        file["phi"] = np.zeros(3)
        assert not path.exists()
    with hdf5.read(path, "shadows") as file:
        assert file.attrs["recipe"] == '{"epochs": 3}'
        assert file.attrs["seed"] == 4
    assert [entry.name for entry in path.parent.iterdir()] == ["a.h5"]


def test_an_interrupted_rewrite_keeps_the_old_file(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("old")
    with pytest.raises(RuntimeError), hdf5.atomic(path) as beside:
        beside.write_text("new")
        raise RuntimeError
    assert path.read_text() == "old"


def test_hdf5_is_made_on_another_file_system_if_the_job_has_one_and_appears_whole(tmp_path, monkeypatch):
    node = Path("/dev/shm")
    if not node.is_dir() or node.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second file system at /dev/shm")
    with tempfile.TemporaryDirectory(dir=node) as folder:
        monkeypatch.setenv("TMPDIR", folder)
        path = tmp_path / "results" / "a.h5"
        with hdf5.create(path, "shadows", {}) as file:
            file["phi"] = np.arange(3)
            assert Path(file.filename).parent == Path(folder)
            assert not list(path.parent.iterdir())
        with hdf5.read(path, "shadows") as file:
            np.testing.assert_array_equal(file["phi"], np.arange(3))
        with pytest.raises(RuntimeError), hdf5.create(path, "shadows", {}):
            raise RuntimeError
        with hdf5.read(path, "shadows") as file:
            assert len(file["phi"]) == 3
        assert [entry.name for entry in path.parent.iterdir()] == ["a.h5"] and not os.listdir(folder)
        with hdf5.atomic(tmp_path / "a.csv") as beside:
            assert beside.parent == tmp_path
            beside.write_text("from front to back")


def test_no_file_is_locked(tmp_path):
    """A lock held by someone else, or refused by the file system, stops neither writing nor reading."""
    path = tmp_path / "a.h5"
    with hdf5.create(path, "shadows", {}) as file, open(file.filename, "rb") as same:
        fcntl.flock(same, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with hdf5.read(path, "shadows") as file:
            assert file.attrs["encoding-type"] == "shadows"
        with pytest.raises(BlockingIOError), h5py.File(path, "r", locking=True):
            pass


def test_what_is_missing_damaged_or_of_another_kind_is_named(tmp_path):
    path = tmp_path / "a.h5"
    with pytest.raises(StoreError, match="does not exist"), hdf5.read(path, "shadows"):
        pass
    path.write_bytes(b"not HDF5 at all")
    with pytest.raises(StoreError, match="is damaged .*: rm "), hdf5.read(path, "shadows"):
        pass
    with hdf5.create(path, "scores", {}):
        pass
    with pytest.raises(StoreError, match=r"holds scores 1\.2, expected shadows 1\.2"), hdf5.read(path, "shadows"):
        pass
    with h5py.File(path, "w"):
        pass
    with pytest.raises(StoreError, match="holds None None"), hdf5.read(path, "scores"):
        pass


def test_no_bit_flips_unseen(tmp_path):
    path, phi = tmp_path / "a.h5", np.random.default_rng(0).normal(size=(4, 50, 3))
    with hdf5.create(path, "shard", {"recipe": {"epochs": 3}, "seed": 4}) as file:
        hdf5.dataset(file, "phi", data=phi)
        hdf5.dataset(file, "member", data=phi[..., 0] > 0)
    intact, rng, found = path.read_bytes(), np.random.default_rng(1), 0

    def content():
        with hdf5.read(path, "shard") as file:
            return dict(file.attrs), file["phi"][:].tobytes(), file["member"][:].tobytes()

    expected = content()
    for place in rng.choice(len(intact), 200, replace=False):
        flipped = bytearray(intact)
        flipped[place] ^= 1 << rng.integers(8)
        path.write_bytes(flipped)
        try:
            assert content() == expected, place  # where nothing is stored
        except StoreError as error:
            assert f"{path} is damaged" in str(error)
            found += 1
    assert found > 50


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 256 KB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", place]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system is not permitted here")
    yield place
    subprocess.run(["umount", place], check=True)


WRITERS = {
    "a large file": 'with hdf5.create(path, "shard", {}) as file:\n'
    ' hdf5.dataset(file, "phi", data=np.ones((4, 10**5, 1)), chunks=(4, 100, 1))',
    "a small file": 'filler.write_bytes(bytes(240 << 10))\nwith hdf5.create(path, "shard", {}) as file:\n'
    ' hdf5.dataset(file, "phi", data=np.ones((4, 2000)))',
    "a table": "write_csv(path, pd.DataFrame(np.random.rand(10**5)))",
    "a checkpoint": 'Checkpoint(path, "").save(Progress(State({"w": torch.ones(10**6)}, {}, {}, np.ones(1)), [0], {},'
    " np.ones(1), np.ones(1)), Streams(0, [0]))",
}


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
def test_on_a_full_disk_one_sentence_and_no_file(small_disk, writer):
    code = f"""
from pathlib import Path
from lira import cli
from lira.storage import hdf5
from lira.storage.csv_files import write_csv
def write():
    import numpy as np, pandas as pd, torch
    from lira.shadows.rng import Streams
    from lira.shadows.training.progress import Checkpoint, Progress, State
    path, filler = Path({str(small_disk / "a.h5")!r}), Path({str(small_disk / "filler")!r})
    {writer.replace(chr(10), chr(10) + "    ")}
cli.app = write
cli.main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    said = f"error: {small_disk / 'a.h5'} cannot be written (No space left on device): make room"
    assert done.stderr.startswith(said) and len(done.stderr.splitlines()) == 1, done.stderr
    assert {path.name for path in small_disk.iterdir()} <= {"filler"}


def test_what_a_killed_job_left_goes_with_the_next(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    here = platform.node()
    left = [tmp_path / f".a.csv.{job}.csv" for job in (f"{here}-{ended.pid}", f"elsewhere-{ended.pid}", "1")]
    kept = [tmp_path / f".a.csv.{job}.csv" for job in (f"{here}-{os.getppid()}", f"elsewhere-{os.getppid()}")]
    kept += [tmp_path / f".b.csv.{here}-{ended.pid}.csv"]
    for path in left + kept:
        path.write_text("half")
    os.utime(left[1], (time.time() - 2 * 86_400,) * 2)  # another node's processes cannot be seen from here
    with hdf5.atomic(tmp_path / "a.csv") as beside:
        beside.write_text("whole")
    assert set(tmp_path.iterdir()) == {tmp_path / "a.csv", *kept}


def test_what_a_killed_job_left_on_its_node_goes_with_the_next(tmp_path, monkeypatch):
    node, results = tmp_path / "node", tmp_path / "results"
    node.mkdir()
    monkeypatch.setattr("lira.storage.hdf5.scratch", lambda folder: node)
    killed = """
import os, sys
from pathlib import Path
from lira.storage import hdf5
hdf5.scratch = lambda folder: Path(sys.argv[1])
with hdf5.temporary(Path("b.h5"), Path(sys.argv[1])) as folder:
    folder.mkdir()
    (folder / "scores.h5").touch()
    with hdf5.create(sys.argv[2], "shard", {}):
        os._exit(9)
"""
    subprocess.run([sys.executable, "-c", killed, node, results / "a.h5"], check=False)
    assert len(list(node.iterdir())) == 2 and not list(results.iterdir())
    with hdf5.create(results / "a.h5", "shard", {}), hdf5.temporary(Path("b.h5"), node) as folder:
        folder.mkdir()
    assert not list(node.iterdir()) and [path.name for path in results.iterdir()] == ["a.h5"]


@pytest.mark.parametrize(
    ("place", "said"),
    [("file/a.csv", "Not a directory|File exists"), ("file/b/a.csv", "Not a directory"), ("folder", "Is a directory"),
     ("", "Is a directory"), ("a" * 300 + ".csv", "File name too long"), ("a" * 250 + ".csv", "File name too long")],
)  # fmt: skip
def test_a_place_where_no_file_can_be_is_named(tmp_path, place, said):
    (tmp_path / "file").write_text("kept")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match=f"cannot be written .*({said})"), hdf5.atomic(tmp_path / place) as beside:
        beside.write_text("new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]
    assert (tmp_path / "file").read_text() == "kept" and not list((tmp_path / "folder").iterdir())


def test_provenance_names_versions_and_revision():
    found = hdf5.describe_environment("cpu")
    assert found["versions"]["numpy"] == np.__version__
    assert {"torch", "h5py", "python", "lira"} <= set(found["versions"])
    assert found["device"] == "cpu" and found["revision"]


def test_where_there_is_no_git_the_revision_is_unknown(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert hdf5.describe_environment()["revision"] == "unknown"

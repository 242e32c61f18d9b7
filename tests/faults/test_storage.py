"""Disks and files that fail: nothing half-written, one sentence with what to type, and then all goes on."""

import io
import subprocess
import time
from contextlib import contextmanager

import h5py
import pytest
from pipeline import RECEIPT, RUN, Pipeline, assert_same

from lira.storage import hdf5

STEM = "/".join(RUN)


@contextmanager
def mounted(place, *options):
    """A file system in place of a folder, or the folder again with other options."""
    place.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", *options, place], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mounting is not permitted here ({done.stderr.strip()})")
    try:
        yield lambda option: subprocess.run(["mount", "-o", f"remount,{option}", place], check=True)
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


@pytest.mark.parametrize("kilobytes", [200, *(pytest.param(size, marks=pytest.mark.campaign) for size in (96, 400))])
def test_a_full_disk(undisturbed, tmp_path, found, kilobytes):
    pipeline = Pipeline(undisturbed.root, tmp_path / "study")
    with mounted(pipeline.path(), "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs") as remount:
        said = pipeline.fail()
        assert "No space left on device" in said
        assert not [path for path in pipeline.leftovers() if path.suffix != ".pt"]
        remount("size=64m")
        pipeline.finish()
        assert pipeline.tables() == undisturbed.tables() and not pipeline.leftovers()
    found(f"Disk full at {kilobytes} KB", "`No space left on device`; the next run completes it", [0.0])


def test_a_read_only_results_folder(undisturbed, tmp_path, found):
    pipeline = undisturbed.copy(tmp_path / "study", without=["paper"])
    with mounted(pipeline.path(), "--bind", pipeline.path()) as remount:
        remount("bind,ro")
        assert "Read-only file system" in pipeline.fail()
        remount("bind,rw")
        pipeline.finish()
    assert pipeline.tables() == undisturbed.tables()
    found("Read-only results folder", "`Read-only file system`; the next run completes it", [0.0])


def _truncated(content, rng):
    return content[: rng.randrange(1, len(content))]


def _flipped(content, rng):
    """One bit of φ, which is what the attacks see."""
    with h5py.File(io.BytesIO(content)) as file:
        phi = file["phi"].id.get_chunk_info(0)
    place = phi.byte_offset + rng.randrange(phi.size)
    return content[:place] + bytes([content[place] ^ 1 << rng.randrange(8)]) + content[place + 1 :]


DAMAGES = {"truncated": _truncated, "bit-flipped": _flipped, "emptied": lambda content, rng: b""}


def _named(pipeline):
    """How the file with the first job's models is named, and what is to be typed to have it made again."""
    name = pipeline.models().relative_to(pipeline.folder)
    return str(name), f"rm {name} {pipeline.path(*RECEIPT).relative_to(pipeline.folder)}, and run the same command"


def _mended(pipeline, undisturbed):
    """The sentence is followed: the file and its receipt removed, the same command given again."""
    pipeline.models().unlink()
    pipeline.path(*RECEIPT).unlink()
    pipeline.finish()
    assert_same(pipeline.models(), undisturbed.models())
    assert pipeline.tables() == undisturbed.tables()


@pytest.mark.parametrize(
    ("damage", "tries"),
    [("bit-flipped", 1), *(pytest.param(name, 3, marks=pytest.mark.campaign) for name in DAMAGES)],
)
def test_a_damaged_shard(undisturbed, tmp_path, rng, found, damage, tries):
    pipeline = undisturbed.copy(tmp_path / "study", without=[f"{STEM}/*.*", "paper"])
    content, (name, remedy) = pipeline.models().read_bytes(), _named(pipeline)
    start = time.monotonic()
    for _ in range(tries):
        pipeline.models().write_bytes(DAMAGES[damage](content, rng))
        said = pipeline.fail()
        assert f"{name} is damaged" in said and remedy in said and "Traceback" not in said
        assert not pipeline.path(*RUN, "shadows.h5").exists()
    _mended(pipeline, undisturbed)
    found(
        f"Shard {damage}",
        "named; `rm` it and its receipt, and the same command makes it again",
        [time.monotonic() - start],
    )


def test_models_from_elsewhere_in_their_place(undisturbed, tmp_path, found):
    """Whole and sound ones, as a copy from another study's folder would be that was given their name."""
    pipeline = undisturbed.copy(tmp_path / "study", without=[f"{STEM}/*.*", "paper"])
    with hdf5.read(undisturbed.models(), "shard") as own:
        attributes = {name: value for name, value in own.attrs.items() if not name.startswith("encoding")}
        with hdf5.create(pipeline.models(), "shard", attributes | {"seed": 1, "identity": "0" * 20}) as foreign:
            for name in own:
                own.copy(name, foreign)
    start = time.monotonic()
    said = pipeline.fail()
    name, remedy = _named(pipeline)
    assert f"{name} holds other models than its name says: {remedy}" in said
    _mended(pipeline, undisturbed)
    found(
        "Models from elsewhere", "named; `rm` them, and the same command makes them again", [time.monotonic() - start]
    )

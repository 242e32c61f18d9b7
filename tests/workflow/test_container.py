"""The container recipe for real: its base from debootstrap, its sections as they stand, then the smoke study in it.

Apptainer itself is not here. A few lines take its place in front of the image: a folder, entered by chroot.
"""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import h5py
import pytest
import yaml
from receipts import models_of
from workspace import Workspace

from lira.storage import hdf5

pytestmark = [
    pytest.mark.campaign,
    pytest.mark.skipif(
        os.geteuid() != 0 or not shutil.which("debootstrap"),
        reason="the container is built by root with debootstrap (`apt-get install debootstrap`)",
    ),
]

SYSTEM = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
CERTIFICATES = "/usr/local/share/ca-certificates"
"""This machine's own, without which some networks let no package through."""

APPTAINER = """#!/bin/bash
# apptainer exec --home FOLDER [--bind PATH] [--nv] IMAGE COMMAND...
set -eu
[ "$1" = --version ] && { echo "apptainer version 1.4.0"; exit; }
shift
while [[ $1 == --* ]]; do
    case $1 in --home) HOME=$2; shift 2 ;; --bind) shift 2 ;; *) shift ;; esac
done
image=$(realpath "$1"); shift
exec unshare --mount bash -euc '
    image=$1; shift
    for folder in /proc /dev /tmp "$HOME"; do mkdir -p "$image$folder"; mount --bind "$folder" "$image$folder"; done
    PATH=/usr/sbin:/usr/bin:/sbin:/bin exec chroot "$image" sh -c ". /environment; cd; exec \\"\\$@\\"" sh "$@"
' bash "$image" "$@"
"""


def alone(*command):
    """Mounts and processes that a command leaves end with it."""
    separate = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    done = subprocess.run([*separate, *map(str, command)], capture_output=True, text=True, check=False, env=SYSTEM)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]


@pytest.fixture(scope="module")
def image(request):
    root = request.config.rootpath
    recipe = (root / "envs" / "lira.def").read_text()
    assert "From: debian:bookworm-slim\n" in recipe
    sections = dict(re.findall(r"^%(\w+)\n((?: .*\n|\n)*)", recipe, re.MULTILINE))
    with tempfile.TemporaryDirectory(prefix="image-") as folder:
        image = Path(folder)
        alone("debootstrap", "--variant=minbase", "bookworm", image)
        copied = [line.split() for line in sections.pop("files").splitlines() if line]
        if Path(CERTIFICATES).is_dir():
            copied.append((CERTIFICATES, CERTIFICATES))
        for source, target in copied:
            place = image / target.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["cp", "-rLT", root / source, place], check=True)
        for name, text in sections.items():
            (image / name).write_text(text)
        enter = ["chroot", image, "sh", "-exc"]
        alone(*enter, "mount -t proc proc /proc; . /post")
        alone(*enter, "mount -t proc proc /proc; . /environment; . /test")
        yield image


def test_the_smoke_study_in_the_container(request, image, tmp_path, monkeypatch):
    study = Workspace(request.config.rootpath, tmp_path)
    (tmp_path / "envs").mkdir()
    (tmp_path / "envs" / "lira.sif").symlink_to(image)
    apptainer = tmp_path / "bin" / "apptainer"
    apptainer.parent.mkdir()
    apptainer.write_text(APPTAINER)
    apptainer.chmod(0o755)
    monkeypatch.setenv("PATH", f"{apptainer.parent}:{os.environ['PATH']}")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    study.run("--cores", "2", "--sdm", "apptainer", "--apptainer-args=--nv")
    assert {"utility.md", "optimistic.md"} <= set(study.tables())
    with h5py.File(*models_of(study.path("runs", "digits", "fcn", "tl", "seed0", "shards", "0-3.json"))) as shard:
        made = hdf5.attributes(shard)
    assert made["revision"] == "unknown"  # the image has no checkout, and no git
    pins = yaml.safe_load((request.config.rootpath / "envs" / "gpu.yaml").read_text())["dependencies"]
    for name, conda in {"torch": "pytorch", "numpy": "numpy", "h5py": "h5py"}.items():
        assert f"{conda} ={'.'.join(made['versions'][name].split('.')[:2])}" in pins

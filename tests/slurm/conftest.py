"""A SLURM for the tests, and studies to send to it."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from checkout import OWN, SHARDS, Checkout
from cluster import PROGRAMS, Cluster


@pytest.fixture(scope="session")
def cluster():
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        said = f"no SLURM here ({', '.join(missing)}): `apt-get install slurm-wlm munge`, as root, on Debian or Ubuntu"
        (pytest.fail if os.environ.get("LIRA_NEEDS_SLURM") else pytest.skip)(said)
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))  # a socket's path may be 107 characters long, pytest's are longer
    cluster = Cluster(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def undisturbed(request, tmp_path_factory):
    """The study of :data:`OWN`, run on this machine without SLURM."""
    checkout = Checkout(request.config.rootpath, tmp_path_factory.mktemp("undisturbed"), None, OWN)
    checkout.finish(checkout.start("--cores", "2", *SHARDS.values()))
    return checkout


@pytest.fixture
def own(request, tmp_path, cluster, undisturbed):
    """The study of :data:`OWN` with its data prepared, ready to be sent to the cluster."""
    checkout = Checkout(request.config.rootpath, tmp_path, cluster, OWN)
    shutil.copytree(undisturbed.folder / "results" / "own" / "data", tmp_path / "results" / "own" / "data")
    yield checkout
    checkout.end()

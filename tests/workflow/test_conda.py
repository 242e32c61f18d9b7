"""`--sdm conda` with a stand-in for conda: its environments hold a pip that only notes how it was called."""

import os
import shutil

from workspace import Workspace

CONDA = """#!/bin/bash
case "$*" in
    --version) echo conda 25.1.1 ;;
    "info --json") echo '{"conda_prefix": "'$(dirname "$(dirname "$0")")'", "platform": "linux-64"}' ;;
    "config --get"*) echo '{"get": {"channel_priority": "strict"}}' ;;
    "env create"*)
        mkdir -p "${@: -1}/bin"
        printf '#!/bin/sh\\nprintf "%%s\\\\n" "$@" > "$CONDA_PREFIX/called"\\n' > "${@: -1}/bin/pip"
        chmod +x "${@: -1}/bin/pip" ;;
esac
"""
ACTIVATE = 'export CONDA_PREFIX="$1" PATH="$1/bin:/usr/bin:/bin"\n'


def test_the_report_is_made_in_an_environment_without_snakemake(finished, tmp_path, monkeypatch):
    """And lira is installed there from the Snakefile's folder, although Snakemake works in another."""
    assert not shutil.which("snakemake", path="/usr/bin:/bin")
    shutil.copytree(finished.folder, tmp_path / "copy", symlinks=True)
    study = Workspace(finished.root, tmp_path / "copy")
    study.path("report.html").unlink()
    tools = tmp_path / "conda" / "bin"
    tools.mkdir(parents=True)
    for name, text in {"conda": CONDA, "activate": ACTIVATE}.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    said = study.run("report", "--cores", "2", "--sdm", "conda")
    assert "envs/analysis.yaml" in said and study.path("report.html").stat().st_size > 1e6
    called = [file.read_text().splitlines() for file in study.folder.glob(".snakemake/conda/*/called")]
    assert called == [["install", "--no-deps", "--editable", str(study.root)]] * 2

"""The folder of results is in a fresh clone, and what studies put there stays out of git."""

import subprocess

import pytest


def git(folder, *arguments):
    return subprocess.run(["git", "-C", folder, *arguments], capture_output=True, text=True, check=True).stdout


def test_a_fresh_clone_has_the_folder_and_git_ignores_what_is_made_there(request, tmp_path):
    root = request.config.rootpath
    if not (root / ".git").exists():
        pytest.skip("not a clone")
    clone = tmp_path / "clone"
    git(root, "clone", "--quiet", root, clone)
    assert [path.name for path in (clone / "results").iterdir()] == ["README.md"]
    for made in ("quickstart/report.html", "quickstart/paper/tables/README.md", "notes.txt"):
        (clone / "results" / made).parent.mkdir(parents=True, exist_ok=True)
        (clone / "results" / made).touch()
    assert git(clone, "status", "--porcelain", "--untracked-files=all") == ""
    (clone / "results" / "README.md").write_text("changed")
    assert git(clone, "status", "--porcelain").split() == ["M", "results/README.md"]

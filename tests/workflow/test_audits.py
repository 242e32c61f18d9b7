"""Given models in a study, from files to pages: they leak or not, with a list of members or without."""

import json
import subprocess

import numpy as np
import pandas as pd
import pytest
import yaml

import lira
from lira.shadows.membership import balanced_membership

M, N = 16, 300
RUN = "results/given/runs/patients/clinic/baseline/seed0"


@pytest.fixture(scope="module")
def made(request, tmp_path_factory):
    """Runs a study of imported shadow models and audits; returns its folder and how to call Snakemake again."""
    folder = tmp_path_factory.mktemp("given")
    rng, hard = np.random.default_rng(0), np.random.default_rng(1).normal(0, 2, size=(N, 1))
    member, truth = balanced_membership(samples=N, models=M, fraction=0.5, seed=0), rng.random(N) < 0.5
    for name, held in (("baseline", member), ("public", member & False)):
        phi = rng.normal(hard + 2 * held[..., None], size=(M, N, 1))
        np.savez(folder / f"{name}.npz", phi=phi, member=held, labels=np.arange(N) % 3)
    for name, leak in (("leaky", 4), ("clean", 0)):
        phi = rng.normal(hard[:, 0] + leak * truth)
        order = rng.permutation(N)
        pd.DataFrame({"sample": order, "phi": phi[order]}).to_csv(folder / f"{name}.csv", index=False)
    pd.DataFrame({"sample": np.flatnonzero(truth)}).to_csv(folder / "members.csv", index=False)
    target = {"run": "patients/clinic/baseline", "members": "members.csv"}
    study = {
        "study": "given",
        "seeds": [0],
        "fprs": [0.01, 0.1],
        "attacks": ["online", "offline_fixed", "global", {"mine": "mine:attack"}],
        "runs": {
            "patients/clinic/baseline": {"scores": "baseline.npz"},
            "patients/clinic/public": {"scores": "public.npz", "never_held": True},
        },
        "targets": {
            "leaky": target | {"predictions": "leaky.csv"},
            "clean": target | {"predictions": "clean.csv", "seed": 0},
            "unlisted": {"run": target["run"], "predictions": "leaky.csv"},
            "offline": target | {"run": "patients/clinic/public", "predictions": "leaky.csv"},
        },
    }
    (folder / "mine.py").write_text("def attack(phi, member):\n    return phi.mean(axis=2) - phi.mean(axis=(0, 2))\n")
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    place = ["--snakefile", request.config.rootpath / "Snakefile", "--directory", folder, "--configfile", "study.yaml"]
    pages = [f"results/given/targets/{name}/audit.html" for name in study["targets"]]

    def run(*words):
        line = list(map(str, ["snakemake", *words, *place, "--cores", "2"]))
        done = subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    run(*pages)
    return folder, study, lambda *words: run(*sorted([*pages, *words], key=lambda word: word.startswith("-")))


def said(folder, name):
    return json.loads((folder / "results/given/targets" / name / "audit.json").read_text())


def test_each_page_opens_with_its_answer(made):
    folder, study, _ = made
    starts = {
        "leaky": "This model leaks: ",
        "clean": "No leak was found in ",
        "unlisted": "Whether this model leaks cannot be told without a list of its members",
        "offline": "This model leaks: ",
    }
    for name in study["targets"]:
        page = (folder / "results/given/targets" / name / "audit.html").read_text()
        assert starts[name] in page.split("</h1>")[0] and said(folder, name)["answer"].startswith(starts[name])
        assert "http" not in page.split("</style>")[1] and "<script" not in page
    assert said(folder, "leaky")["verdict"] == "leaks" and said(folder, "unlisted")["members"] is None
    assert "the offline attacks alone were made, without online" in " ".join(said(folder, "offline")["warnings"])


def test_the_numbers_are_those_of_python(made):
    folder, _, _ = made
    with np.load(folder / "baseline.npz") as file:
        phi, member = file["phi"], file["member"]
    target = pd.read_csv(folder / "leaky.csv").sort_values("sample")["phi"].to_numpy()
    truth = np.isin(np.arange(N), pd.read_csv(folder / "members.csv")["sample"])
    attacks = ["online", "offline_fixed", "global"]
    definition = lira.Definition(cut=True)
    found = lira.audit(
        phi, member, target, truth, attacks=attacks, fprs=[0.01, 0.1], priors=[0.01, 0.1, 0.5], definition=definition
    )
    written = pd.read_csv(folder / "results/given/targets/leaky/summary.csv")
    ours = written[written["attack"].isin(attacks)].reset_index(drop=True).drop(columns="p_holm")
    pd.testing.assert_frame_equal(ours, found.summary.drop(columns="p_holm"), check_dtype=False)
    records = pd.read_csv(folder / "results/given/targets/leaky/records.csv")
    shared = [name for name in found.records if name in records]
    assert {"tp_at_0.1", "least_0.01_at_0.01", "online_p_value"} <= {*shared} and "mine_score" in records
    pd.testing.assert_frame_equal(records[shared], found.records[shared], check_dtype=False)
    np.testing.assert_allclose(records["mine_score"], target - np.vstack([phi[..., 0], target]).mean(0), rtol=1e-9)


def test_nothing_is_made_twice_and_another_list_of_members_makes_its_audits_anew(made):
    folder, _, run = made
    assert "Nothing to be done" in run()
    kept = (folder / "members.csv").read_text()
    (folder / "members.csv").write_text(kept + kept.splitlines()[1] + "\n")
    planned = run("-n")
    (folder / "members.csv").write_text(kept)
    assert "audit_target" in planned and "score_attacks" not in planned and "targets/unlisted" not in planned


def test_the_command_on_a_run_says_the_same(made):
    folder, _, _ = made
    words = ["lira", "audit", "leaky.csv", "--run", RUN, "--members", "members.csv", "--output", "own"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0] == said(folder, "leaky")["answer"]
    there = folder / "results/given/targets/leaky"
    for name in ("summary.csv", "records.csv", "groups.csv", "audit.html"):
        assert (folder / "own" / name).read_bytes() == (there / name).read_bytes(), name


def test_runs_that_never_held_the_pool_are_in_no_table(made):
    _, _, run = made
    planned = run("all", "-n")
    assert "Running the controls of patients clinic baseline" in planned
    assert "patients clinic public" not in planned


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--run", "results"], "run: results is not the folder of a run: it is results/<study>/runs/<dataset>/"),
        (["--run", RUN, "--fpr", "0.05"], "samples.csv has no rows at FPR 0.05, only at 0.01, 0.1: calibrate"),
        (["--run", RUN, "--fpr", "0.1", "--fpr", "0.1"], "fprs: 0.1 is given more than once"),
        (["--run", RUN, "--output", "leaky.csv"], "output: leaky.csv is a file: give a folder"),
    ],
)
def test_mistakes_are_one_line(made, words, said):
    words = ["lira", "audit", "leaky.csv", *words]
    done = subprocess.run(words, cwd=made[0], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and said in done.stderr and len(done.stderr.splitlines()) == 1

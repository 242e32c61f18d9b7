"""``snakemake --profile slurm`` on a real SLURM: the whole smoke study."""

import shutil

import pandas as pd
import pytest
import yaml
from checkout import Checkout

ATTACK = {
    "gather_shadows",
    "score_attacks",
    "calibrate_thresholds",
    "run_controls",
    "summarise_rates",
    "measure_groups",
    "measure_budgets",
    "measure_overlap",
    "calibrate_records",
    "bound_privacy",
}


@pytest.fixture(scope="module")
def finished(request, tmp_path_factory, cluster):
    checkout = Checkout(request.config.rootpath, tmp_path_factory.mktemp("smoke"), cluster)
    checkout.finish(checkout.submit("--configfile", "studies/smoke.yaml"), seconds=1800)
    return checkout


def jobs_by_rule(checkout):
    """What the controller knows of this study's jobs, by rule, those of a group by the group."""
    found = {}
    for job in checkout.cluster.jobs():
        if job["WorkDir"] == str(checkout.folder):
            rule = job["Comment"].removeprefix("rule_").split("_wildcards")[0]
            found.setdefault("attack" if rule.startswith("attack_") else rule, []).append(job)
    return found


def test_every_shard_and_every_attack_is_a_job(finished):
    sent = jobs_by_rule(finished)
    assert len(sent.pop("train_shadows")) == len(list(finished.folder.glob("results/smoke/runs/**/shards/*.h5"))) == 8
    assert len(sent.pop("attack")) == len(list(finished.folder.glob("results/smoke/runs/**/scores.h5"))) == 4
    assert set(sent) == {
        *("prepare_data", "pretrain_model", "measure_agreement", "measure_null_agreement", "measure_ranks"),
        *("plot_roc", "plot_in_out", "plot_outliers", "judge_study"),
    }


def test_the_study_comes_back_whole(finished):
    paper = finished.folder / "results" / "smoke" / "paper"
    for name in ("benchmarks", "utility", "optimistic", "calibrated-fpr0.01", "robustness-fpr0.1", "transfer"):
        assert (paper / "tables" / f"{name}.csv").stat().st_size
    for name in ("roc", "in_out-digits-fcn", "agreement-digits-fcn-baseline", "top1-digits-fcn-baseline"):
        assert (paper / "figures" / f"{name}.pdf").stat().st_size
    assert not list(finished.folder.glob("results/**/shards/*.pt"))
    again = finished.finish(finished.submit("--configfile", "studies/smoke.yaml"))
    assert "Nothing to be done" in again


def test_an_attack_asks_for_its_steps_one_after_another(finished):
    """One core, the memory of the largest step, the time of all: 250 minutes, 40 more of a first seed."""
    attacks = jobs_by_rule(finished)["attack"]
    assert {(job["NumCPUs"], job["MinMemoryNode"], job["Partition"]) for job in attacks} == {("1", "4000M", "cpu")}
    assert sorted(job["TimeLimit"] for job in attacks) == ["04:10:00", "04:50:00", "04:50:00", "04:50:00"]


def test_the_profile_groups_rules_that_there_are(finished):
    profile = yaml.safe_load((finished.folder / "slurm" / "config.yaml").read_text())
    assert set(profile["groups"]) == ATTACK | {"import_scores"}
    rules = (finished.folder / "rules").glob("*.smk")
    text = "".join(file.read_text() for file in rules)
    assert all(f"rule {name}:" in text for name in profile["groups"])


def test_jobs_are_told_which_runs_are_finished_so_far(finished):
    """On their nodes they do not look: what they read is what was there when Snakemake was started."""
    results = finished.folder / "results" / "smoke"
    before = len(jobs_by_rule(finished)["train_shadows"])
    kept = shutil.move(results / "runs" / "digits" / "fcn" / "tl", finished.folder / "kept")
    finished.finish(finished.submit("so_far", "--configfile", "studies/smoke.yaml"))
    shutil.move(kept, results / "runs" / "digits" / "fcn" / "tl")
    sent = jobs_by_rule(finished)
    assert len(sent["train_shadows"]) == before and len(sent["judge_study"]) == len(sent["plot_roc"]) == 2
    paper = results / "so_far" / "paper"
    rows = pd.read_csv(paper / "tables" / "optimistic.csv")
    assert set(zip(rows["architecture"], rows["regime"], strict=True)) == {("fcn", "baseline"), ("resnet", "aof")}
    assert "digits/fcn/tl, seed 0, is not finished" in (paper / "tables" / "claims.md").read_text()
    assert (paper / "figures" / "roc.pdf").stat().st_size
    assert "is not finished" not in (results / "paper" / "tables" / "claims.md").read_text()


def test_every_run_is_rehearsed_by_a_job(finished):
    said = finished.finish(finished.submit("rehearse", "--configfile", "studies/smoke.yaml"))
    sent = jobs_by_rule(finished)["rehearse_models"]
    assert len(sent) == len(list(finished.folder.glob("results/smoke/rehearsals/**/*.json"))) == 4
    table = [line.split() for line in said[said.index("Run  ") :].splitlines()[1:5]]
    assert {row[0]: row[-1] for row in table} == dict.fromkeys(
        ("digits/fcn", "digits/fcn/baseline", "digits/fcn/tl", "digits/resnet/aof"), "ok"
    )

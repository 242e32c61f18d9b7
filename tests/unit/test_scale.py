"""The model of a cluster against closed forms, and the paper's graph against what is promised of it."""

import re

import numpy as np
import pytest
import scale


def shards(number, seconds=3600.0):
    return {f"shard{index}": scale.Job(seconds, gpu=True) for index in range(number)}


def calm(gpus, **changes):
    return scale.Cluster(gpus, **{"queue_seconds": 0, "failures_per_hour": 0, "notice_seconds": 0} | changes)


@pytest.mark.parametrize(("gpus", "rounds"), [(1, 7), (3, 3), (7, 1), (20, 1)])
def test_without_failures_jobs_run_in_rounds(gpus, rounds):
    outcome = scale.simulate(shards(7), calm(gpus))
    assert outcome.seconds == rounds * (3600 + scale.START_SECONDS)
    assert (outcome.sent, outcome.deaths, outcome.lost) == (7, 0, 7 * scale.START_SECONDS)


def test_fewer_jobs_than_gpus_may_be_sent_at_once():
    outcome = scale.simulate(shards(8), calm(64, sent_at_once=2))
    assert outcome.seconds == 4 * (3600 + scale.START_SECONDS)


def test_what_needs_other_jobs_comes_after_them_and_local_steps_are_not_sent():
    jobs = shards(2) | {
        "attack": scale.Job(100.0, needs={"shard0", "shard1"}),
        "table": scale.Job(10.0, needs={"attack"}, local=True),
    }
    outcome = scale.simulate(jobs, calm(1, notice_seconds=5))
    assert outcome.seconds == 2 * 3600 + 100 + 3 * (scale.START_SECONDS) + 2 * 5 + 10
    assert outcome.sent == 3


def test_deaths_and_what_they_cost_are_as_the_rate_says():
    """Hours of one GPU: deaths are Poisson; each costs the start and, on average, half the time between checkpoints."""
    cluster = calm(1, failures_per_hour=0.5, checkpoint_seconds=300)
    plays = [scale.simulate(shards(50), cluster, seed) for seed in range(40)]
    deaths, lost, hours = (
        np.array([value(play) for play in plays])
        for value in (lambda play: play.deaths, lambda play: play.lost, lambda play: play.seconds / 3600)
    )
    assert abs(deaths.sum() - 0.5 * hours.sum()) < 4 * np.sqrt(0.5 * hours.sum())
    each = (lost.sum() - scale.START_SECONDS * 50 * len(plays)) / deaths.sum()
    assert each == pytest.approx(scale.START_SECONDS + 150, rel=0.1)
    np.testing.assert_allclose(hours * 3600, 50 * 3600 + lost)


def test_queue_waits_have_the_stated_mean():
    outcome = scale.simulate(shards(2000, 0.0), calm(2000, queue_seconds=600, sent_at_once=1))
    assert outcome.seconds / 2000 - scale.START_SECONDS == pytest.approx(600, rel=0.1)


@pytest.fixture(scope="module")
def paper(request):
    return scale.planned(request.config.rootpath / "studies" / "paper.yaml")


@pytest.mark.parametrize("document", ["cluster.md", "scale.md"])
def test_the_papers_study_leaves_as_many_files_as_is_documented_and_fewer_than_10000(request, paper, document):
    """Outputs, logs, records of time and memory, and Snakemake's own record of each output."""
    text = (request.config.rootpath / "docs" / document).read_text()
    (stated,) = re.findall(r"([\d,]+) files[;:]", text)
    assert scale.files(paper) < 10_000
    assert int(stated.replace(",", "")) == pytest.approx(scale.files(paper), rel=0.01)


def test_the_papers_jobs_are_its_shards_its_attacks_and_little_else(request, paper):
    from lira.config import load_study
    from lira.work import shards as planned_shards

    study = load_study(request.config.rootpath / "studies" / "paper.yaml")
    jobs = scale.submissions(paper, study, *scale.profile())
    sent = [name.split("/")[0] for name, job in jobs.items() if not job.local]
    assert sent.count("train_shadows") == sum(
        len(planned_shards(study, key)) * len(study.seeds_of(key)) for key in study.runs
    )
    assert sent.count("attack") == sum(len(study.seeds_of(key)) for key in study.runs) == 49
    assert len(sent) - sent.count("train_shadows") - 49 < 40
    starts = scale.START_SECONDS * sent.count("train_shadows")
    assert starts < 0.01 * sum(job.seconds for job in jobs.values() if job.gpu)

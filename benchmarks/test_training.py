"""Training on all cores, a job of one thread on each, against a plain PyTorch loop that has all cores to itself."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from plain.query import module_of
from plain.query import query as plain_query
from plain.training import Loop
from training_speed import BENCHMARKS, Benchmark, Jobs, Ours, SquareProducts, contest, layouts

from lira.core.threads import available
from lira.shadows.models import build
from lira.shadows.query import query
from lira.shadows.rng import QUERY, Streams

RUNS = {  # steps in a turn: of ours, of the plain loop
    "purchase100/fcn/baseline": (100, 100),
    "cifar10/resnet18/baseline": (1, 1),
    "cifar10/resnet/aof": (20, 20),
    "cifar10/wide/aof": (20, 20),
    "cifar10/resnet/batch_dropout": (5, 5),
    "digits/fcn/baseline": (20, 200),
    "digits/fcn/aof": (20, 200),
    "digits/resnet/aof": (10, 100),
}
CPU_COHORT = {"purchase100/fcn/baseline": 1}


@pytest.fixture
def all_cores():
    before = torch.get_num_threads()
    torch.set_num_threads(available())
    yield
    torch.set_num_threads(before)


@pytest.fixture
def name(request):
    """The run's; a network of the paper's images takes minutes."""
    if request.param.startswith("cifar10/resnet18") and not request.config.getoption("--paper-size"):
        pytest.skip("only with --paper-size")
    return request.param


@pytest.mark.parametrize("name", RUNS, indirect=True)
def test_training(name, all_cores, benchmark, report):
    ours, plain = RUNS[name]
    run = Benchmark.of(*BENCHMARKS[name])
    part = run.part(max(run.members, run.recipe.batch_size) if run.members < 1000 else run.recipe.batch_size * 40)
    loops = {
        f"plain, {workers} workers{', channels last' if last else ''}": Loop(
            run.architecture, run.recipe, part, workers=workers, channels_last=last
        )
        for workers in (0, 2)
        for last in layouts(run)
    }
    jobs = Jobs(run, CPU_COHORT.get(name, run.recipe.cohort))
    turns = {contestant: lambda loop=loop: loop.run(plain) for contestant, loop in loops.items()}
    turns |= {"ours": lambda: jobs.run(ours), "products": SquareProducts().run}
    rates = benchmark.pedantic(contest, (turns,), rounds=1)
    jobs.close()
    best = max(rates[name] for name in turns if name.startswith("plain"))
    share = f"{run.flops() * rates['ours'] / rates['products']:.0%} of products, {rates['products'] / 1e9:.0f} GFLOP/s"
    report(f"{name}, an epoch", run.members / rates["ours"], run.members / best, share, rates=rates)


QUERIES = {"cifar10/resnet18/baseline": 32, "digits/resnet/aof": 64}  # samples


@pytest.mark.parametrize("name", QUERIES, indirect=True)
def test_query_of_18_views(name, benchmark, report):
    """One thread each: a cohort against its models one after the other."""
    samples, run = QUERIES[name], Benchmark.of(*BENCHMARKS[name])
    recipe = run.recipe.model_copy(update={"batch_size": samples, "query_views": 18})
    run = replace(run, recipe=recipe)
    ours = Ours(run, recipe.cohort)
    weights, pool = ours.state.parameters | ours.state.buffers, ours.pool
    pool.x, pool.y = pool.x[:samples], pool.y[:samples]
    alone = build(run.architecture, 1, run.shape, run.classes, recipe.dropout)
    logits = {}

    def fast():
        streams = Streams(0, range(ours.models), purpose=QUERY)
        logits["ours"] = np.concatenate([y for _, y in query(ours.network, weights, pool, recipe, streams)], axis=1)
        return ours.models * samples

    @torch.no_grad()
    def plain():
        x = torch.as_tensor((run.part(recipe.batch_size * 40).x[:samples] / 255.0 - 0.48) / 0.2, dtype=torch.float32)
        models = [{name: value[row] for name, value in weights.items()} for row in range(ours.models)]
        logits["plain"] = np.stack([plain_query(module_of(alone, model), x) for model in models])
        return ours.models * samples

    rates = benchmark.pedantic(contest, ({"ours": fast, "plain": plain},), rounds=1)
    np.testing.assert_allclose(logits["ours"], logits["plain"], atol=1e-3 * np.abs(logits["plain"]).max())
    seconds = {contestant: 1000 / rate for contestant, rate in rates.items()}
    report(f"{name}, query of 1,000", seconds["ours"], seconds["plain"], "18 views, float32", rates=rates)

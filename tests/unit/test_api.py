"""The public API: names that are loaded on first use, found by who looks for them, and an example that runs."""

import ast
import doctest
import inspect
import pydoc
import subprocess
import sys

import h5py
import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot

import lira
from lira.attacks.lira import ATTACKS, leave_one_out
from lira.core.errors import DataError
from lira.report.figures.roc import draw_run
from lira.storage.run import Run


@pytest.fixture
def world():
    """Scores of one attack and membership, [target, sample]."""
    generator = np.random.default_rng(0)
    member = generator.random((4, 60)) < 0.5
    return {"online": generator.normal(member)}, member


@pytest.fixture(autouse=True)
def no_figures_stay():
    yield
    pyplot.close("all")


def python(code):
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_the_example_runs():
    assert doctest.testmod(lira, optionflags=doctest.NORMALIZE_WHITESPACE) == (0, 9)


def test_nothing_is_imported_before_it_is_used():
    loaded = "sorted({name.split('.')[0] for name in sys.modules} & {'numpy', 'pandas', 'h5py', 'torch', 'matplotlib'})"
    assert python(f"import sys, lira; dir(lira); print({loaded})") == "[]\n"
    without_torch = [name for name in lira.__all__ if name != "load_model"]
    code = f"import sys, lira; print([getattr(lira, name) for name in {without_torch}] and 'torch' in sys.modules)"
    assert python(code) == "False\n"


def test_names_are_listed_and_have_help():
    assert {*lira.__all__} <= {*dir(lira)}
    text = pydoc.plain(pydoc.render_doc(lira))
    for name in lira.__all__:
        found = getattr(lira, name)
        assert found.__name__ == name and inspect.getdoc(found)
        assert f"{name}(" in text or f"class {name}" in text
    assert lira.leave_one_out is leave_one_out
    with pytest.raises(AttributeError, match="module 'lira' has no attribute 'leave_two_out'"):
        lira.leave_two_out  # noqa: B018


def test_type_checkers_see_the_names_where_they_are():
    tree = ast.parse(inspect.getsource(lira))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    assert {alias.asname: line.module for line in block.body for alias in line.names} == lira._MODULES


def test_every_page_names_every_function(request):
    text = (request.config.rootpath / "docs" / "python.md").read_text()
    assert [name for name in lira.__all__ if f"`{name}(" not in text] == []


def test_roc_from_arrays_is_the_figure_of_the_suite(study, world):
    run = next(Run(file.parent) for file in sorted(study.rglob("scores.h5")))
    theirs = pyplot.figure().subplots()
    draw_run(theirs, run)
    with h5py.File(run.folder / "scores.h5") as file:
        scores, member = {name: file[name][:] for name in ATTACKS}, file["member"][:]
    ours = lira.plot_roc(scores, member)
    assert len(ours.lines) == len(theirs.lines) == len(ATTACKS) + 1
    for one, other in zip(ours.lines, theirs.lines, strict=True):
        np.testing.assert_array_equal(one.get_xydata(), other.get_xydata())


def test_roc_from_arrays(world, tmp_path):
    style = dict(matplotlib.rcParams)
    axes = lira.plot_roc(*world)
    assert matplotlib.rcParams == style
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "LiRA (online)",
        "Chance",
        "Not resolved: FPR below 1 / non-members",
    ]
    given = pyplot.figure().subplots()
    assert lira.plot_roc(*world, axes=given) is given
    given.figure.savefig(tmp_path / "roc.pdf")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda scores, member: ({}, member), "scores of 0 attacks"),
        (lambda scores, member: (scores["online"], member), "a dictionary of each attack's scores is needed"),
        (lambda scores, member: (scores, member[:2]), "must both be"),
        (lambda scores, member: (scores, 2 * member), "values other than 0 and 1"),
        (
            lambda scores, member: ({"online": scores["online"] * np.nan}, member),
            "NaN: retrain or remove the model behind them$",
        ),
        (lambda scores, member: (scores, member | True), "has no non-members, so it has no ROC: leave it out$"),
    ],
)
def test_roc_refuses_what_has_none(world, change, said):
    with pytest.raises(DataError, match=said):
        lira.plot_roc(*change(*world))

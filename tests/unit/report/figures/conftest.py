"""What the tests of figures share."""

import pytest
from synthetic_study import MAIN, agreement_folder, data_file, run_folder

from lira.report.catalogue import entry_of
from lira.report.make import make


@pytest.fixture
def folders_of(study):
    """Gives the result folders that a figure is drawn from."""

    def folders_of(name):
        drawn_from = entry_of("figures", name).drawn_from
        if drawn_from == "comparison":
            return [agreement_folder(study)]
        if drawn_from in ("reference", "network seeds"):
            return [run_folder(study, "fcn", "aof", seed) for seed in (0, 1, 2)]
        return [run_folder(study, *key) for key in (MAIN[:3] if drawn_from == "network" else MAIN)]

    return folders_of


@pytest.fixture
def draw(study, folders_of):
    """Draws a figure, of the folders given or of those it is drawn from."""

    def draw(name, folders=None, **options):
        if name in ("top_vulnerable", "top1", "records"):
            options.setdefault("data", data_file(study))
        return make("figures", name, folders or folders_of(name), options)

    return draw

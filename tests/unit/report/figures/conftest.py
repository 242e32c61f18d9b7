"""What the tests of figures share."""

from importlib import import_module

import pytest
from synthetic_study import MAIN, agreement_folder, data_file, run_folder

OF_AGREEMENT = ["agreement", "displacement", "outliers", "rank_bins", "support", "top1", "top_vulnerable"]


@pytest.fixture
def folders_of(study):
    """Gives the result folders that a figure is drawn from."""

    def folders_of(name):
        if name in OF_AGREEMENT:
            return [agreement_folder(study)]
        if name in ("thresholds", "records"):
            return [run_folder(study, "fcn", "aof", seed) for seed in (0, 1, 2)]
        return [run_folder(study, *key) for key in (MAIN[:3] if name == "in_out" else MAIN)]

    return folders_of


@pytest.fixture
def draw(study, folders_of):
    """Draws a figure, of the folders given or of those it is drawn from."""

    def draw(name, folders=None, **options):
        if name in ("top_vulnerable", "top1", "records"):
            options.setdefault("data", data_file(study))
        return import_module(f"lira.report.figures.{name}").figure(folders or folders_of(name), **options)

    return draw

"""What the tests of tables share."""

import pandas as pd
import pytest
from synthetic_study import MAIN, agreement_folder, run_folder

from lira.report.tabulate import tabulate


@pytest.fixture
def make(study, tmp_path):
    """Writes a table of the study's main runs, or of the folders given; returns its csv and the path of it."""

    def make(name, folders=None, **options):
        if folders is None:
            folders = (
                [agreement_folder(study)]
                if name in ("displacement", "rank_agreement", "stability")
                else [run_folder(study, *k) for k in MAIN]
            )
        path = tmp_path / f"{name}.csv"
        tabulate(name, folders, path, **options)
        return pd.read_csv(path, keep_default_na=False, na_values=[""]), path

    return make

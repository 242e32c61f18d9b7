"""AI-SDC/SACRO-ML#34 and #44, aidotse/LeakPro#135: what classes and parts a study lacks is said before it trains."""

import numpy as np
import pytest
from raw_files import TABLE, Y, own, prepared

from lira.config import Dataset, check_section, load_study, read_yaml
from lira.core.errors import ConfigError, DataError
from lira.datasets import read_part
from lira.work import check_sizes

LONE = np.where(np.arange(40) == 5, 3, Y % 3)


def test_one_class(tmp_path):
    for given in ({"y": 0 * Y}, {"y": 0 * Y, "classes": 1}):
        with pytest.raises(DataError, match="own.npz: all samples are of one class: two classes or more are needed"):
            prepared(own(tmp_path, x=TABLE, **given), tmp_path)
    with pytest.raises(ConfigError, match="datasets.d.classes is 1: input should be greater than or equal to 2"):
        check_section("datasets.d", Dataset, {"source": "synthetic", "classes": 1})


@pytest.mark.parametrize("settings", [{}, {"test": 10}, {"pool": "train+test"}])
def test_a_class_of_one_record(tmp_path, settings):
    given = own(tmp_path, x=TABLE, y=LONE).model_copy(update=settings)
    with pytest.raises(DataError, match="own.npz: class 3 has one training sample.*: leave the class out or merge it"):
        prepared(given, tmp_path)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"test": 3},
            "test: cannot set aside 3 of 40 samples: allowed are 4 to 36, as each part needs a sample of each",
        ),
        ({"test": 38}, "test: cannot set aside 38 of 40 samples: allowed are 4 to 36"),
        ({"test": 40}, "test: cannot set aside 40 of 40 samples: allowed are 4 to 36"),
        ({"test": 10, "public": 28}, "public: cannot set aside 28 of 40 samples: allowed are 4 to 26"),
    ],
)
def test_parts_that_cannot_have_every_class(tmp_path, settings, said):
    with pytest.raises(ConfigError, match=said):
        prepared(own(tmp_path, x=TABLE, y=Y).model_copy(update=settings), tmp_path)


def test_a_class_that_one_part_has_taken(tmp_path):
    two = np.where(np.arange(40) < 2, 2, Y % 2)
    settings = own(tmp_path, x=TABLE, y=two).model_copy(update={"test": 20, "public": 8})
    with pytest.raises(
        (ConfigError, DataError), match=r"class 2 has one, and each part needs one|no sample of class 2"
    ):
        prepared(settings, tmp_path)


@pytest.fixture
def study(request, tmp_path):
    """The smoke study on the user's own file."""
    smoke = read_yaml(request.config.rootpath / "studies" / "smoke.yaml")

    def of(dataset=None, **regime):
        file = {"source": "file", "path": str(tmp_path / "own.npz"), "kind": "tabular", **(dataset or {})}
        runs = {"datasets": {"own": file}, "regimes": {"r": {"epochs": 2, **regime}}, "runs": {"own/fcn/r": {}}}
        return load_study(smoke | runs | {"agreement": {}, "ablation": [], "transfer": [], "sample": 0})

    return of


def test_no_test_set_where_the_recipe_needs_one(tmp_path, study):
    own(tmp_path, x=TABLE, y=Y)
    with pytest.raises(
        ConfigError, match=r"runs.own/fcn/r.test_set: test needs datasets.own.test, or x_test and y_test"
    ):
        check_sizes(study())
    check_sizes(study({"test": 8}))
    check_sizes(study(test_set="nonmembers"))
    prepared(own(tmp_path, x=TABLE, y=Y), tmp_path)
    with pytest.raises(
        DataError, match="no part 'test', it has: pool; set test of the dataset, or test_set: nonmembers"
    ):
        read_part(tmp_path / "data.h5", "test")


def test_a_test_set_in_the_file_and_another_in_the_study(tmp_path, study):
    given = own(tmp_path, x=TABLE, y=Y, x_test=TABLE[:8], y_test=Y[:8])
    check_sizes(study())
    check_sizes(study({"test": 8, "pool": "train+test"}))
    with pytest.raises(
        ConfigError, match="datasets.own.test: .*own.npz has a test set of its own, x_test: leave test out"
    ):
        check_sizes(study({"test": 8}))
    with pytest.raises(
        ConfigError, match="test: 8 would set training samples aside, but .*own.npz has its own test set"
    ):
        prepared(given.model_copy(update={"test": 8}), tmp_path)

"""sizemore0125/skeletonkey#47, larq/zookeeper#210: a loader gets settings where it asks for them, and nowhere else."""

import numpy as np
import pytest
from raw_files import prepared

from lira.config import Dataset
from lira.core.errors import ConfigError

WARD = """
import numpy as np

def arrays(samples, shuffle):
    y = np.arange(samples) % 4
    return {"x": np.ones((samples, 3)) + y[:, None], "y": y[::-1] if shuffle else y}

def optional(shuffle=False): return arrays(40, shuffle)
def number(n=40): return arrays(n, False)
def keyword(*, n=40, shuffle=False): return arrays(n, shuffle)
def any_number(*paths, **options): return arrays(40, bool(paths or options))
def required(asked): return arrays(asked.samples, False)
def named(shuffle=False, settings=None): return arrays(settings.samples, shuffle)
def named_keyword(*, settings): return arrays(settings.samples, False)
def positional(asked, /, shuffle=False): return arrays(asked.samples, shuffle)
def two(path, asked): return arrays(asked.samples, False)
class Ward:
    def __call__(self, shuffle=False): return arrays(40, shuffle)
instance = Ward()
"""


@pytest.fixture
def ward(tmp_path, monkeypatch):
    (tmp_path / "ward.py").write_text(WARD)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "ward", raising=False)
    return lambda name, **settings: prepared(Dataset(source=f"ward:{name}", kind="tabular", **settings), tmp_path)


@pytest.mark.parametrize("name", ["optional", "number", "keyword", "any_number", "instance"])
def test_what_has_a_default_is_left_alone(ward, name):
    assert ward(name).y.tolist() == (np.arange(40) % 4).tolist()


@pytest.mark.parametrize("name", ["required", "named", "named_keyword", "positional"])
def test_settings_go_to_a_required_parameter_or_one_of_that_name(ward, name):
    assert ward(name, samples=24).y.tolist() == (np.arange(24) % 4).tolist()


def test_a_loader_that_needs_more_is_refused(ward):
    with pytest.raises(
        ConfigError, match="ward:two must be called with 'asked', but gets .*: give the others defaults"
    ):
        ward("two")

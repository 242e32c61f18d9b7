import sys
from types import SimpleNamespace

import pytest

from lira.core.errors import ConfigError
from lira.core.plugins import load_function


def test_a_function_whose_error_has_no_text_is_named_by_the_errors_type(monkeypatch):
    class MuteError(Exception):
        def __repr__(self):
            raise ValueError("no text")

    def fail():
        raise MuteError

    monkeypatch.setitem(sys.modules, "mute", SimpleNamespace(fail=fail))
    with pytest.raises(ConfigError, match="^mute:fail failed: MuteError$"):
        load_function("mute:fail")()

"""The catalogue: what modules say of themselves, read without running them."""

from importlib import import_module

import pytest

from lira.core.errors import ConfigError
from lira.report import catalogue
from lira.report.catalogue import CATEGORIES, FUNCTIONS, entries, entry_of, list_modules


def test_an_entry_read_from_the_text_is_the_one_that_its_module_has():
    found = {(entry.kind, entry.name) for entry in entries()}
    for kind in FUNCTIONS:
        for name in list_modules(kind):
            own = getattr(import_module(f"lira.report.{kind}.{name}"), "ENTRY", None)
            entry = entry_of(kind, name)
            assert ((kind, name) in found) == (own is not None)
            if own is not None:
                values = {field: getattr(entry, field) for field in vars(own) if field not in ("kind", "name")}
                assert values == {field: getattr(own, field) for field in values}


def test_entries_come_by_category_and_number_in_the_paper():
    found = entries()
    assert [entry.category for entry in found] == sorted((entry.category for entry in found), key=[*CATEGORIES].index)
    agreement = [entry.paper for entry in found if entry.category == "Agreement"]
    assert agreement[:3] == ["Figure 2, 6", "Figure 3, 9, 10, 12", "Figure 4, 11"]
    assert [paper for paper in agreement if paper][-1] == "Table 11, 13"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ENTRY = Entry(title=make())", "malformed node"),
        ("ENTRY = 3", "it is not a call of Entry with named arguments"),
        ("ENTRY = Entry(title='T')", "'category'"),
        (
            "ENTRY = Entry(title='T', caption='', category='Mine', drawn_from='runs', files=())",
            "category is 'Mine': allowed are 'Audits', 'Answer'",
        ),
    ],
)
def test_an_entry_that_cannot_be_read_is_named(monkeypatch, tmp_path, text, said):
    (tmp_path / "own.py").write_text(text)
    monkeypatch.setattr(catalogue, "_folder", lambda kind: tmp_path)
    with pytest.raises(ConfigError, match=r"own\.py: ENTRY cannot be read") as raised:
        entry_of.__wrapped__("tables", "own")
    assert said in str(raised.value)

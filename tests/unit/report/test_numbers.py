from lira.report.labels import percent
from lira.report.numbers import mean_std, number, ppv


def test_numbers_as_text():
    assert mean_std(1.2345, 0.5, 2) == "1.23 ± 0.50"
    assert mean_std(1.2345, float("nan"), 2) == "1.23"
    assert number(float("nan"), 2) == "–" and number(float("inf"), 2) == "∞"
    assert (percent(1e-5), percent(0.001), percent(0.5)) == ("0.001 %", "0.1 %", "50 %")


def test_a_ppv_is_never_below_its_bound_nor_certain_by_rounding():
    assert ppv(0.0043, 0.0012) == "0.4 (≥ 0.1)" and ppv(0.9996, 0.9) == "99.9 (≥ 90.0)"
    assert ppv(0.99995, 0.9997) == "99.9 (≥ 99.9)"
    assert ppv(1, 0.5) == "100 (≥ 50.0)" and ppv(0.5, 0.25) == "50 (≥ 25.0)" and ppv(float("nan"), 0) == "–"

from lira.report.labels import percent
from lira.report.numbers import mean_std, number


def test_numbers_as_text():
    assert mean_std(1.2345, 0.5, 2) == "1.23 ± 0.50"
    assert mean_std(1.2345, float("nan"), 2) == "1.23"
    assert number(float("nan"), 2) == "–" and number(float("inf"), 2) == "∞"
    assert (percent(1e-5), percent(0.001), percent(0.5)) == ("0.001 %", "0.1 %", "50 %")

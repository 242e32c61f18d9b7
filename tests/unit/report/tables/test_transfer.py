from synthetic_study import FPRS, MAIN
from table_files import rows_of


def test_transfer(make):
    data, path = make("transfer")
    assert dict(zip(data["regime"], data["start"], strict=True)) == {
        "baseline": "scratch",
        "aof": "scratch",
        "tl": "public",
    }
    assert len(rows_of(path)) - 1 == len(MAIN) and len(data) == len(FPRS) * len(MAIN)

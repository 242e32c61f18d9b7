import pytest
from paper_results import PUBLISHED

from lira.paper.on_fit import published_fit
from lira.paper.published import published


def test_published_numbers_are_whole_and_say_where_they_stand():
    tables = {name: published(name) for name in PUBLISHED}
    assert {name: table.place for name, table in tables.items()} == {
        "utility": "Table 2",
        "optimistic": "Tables 3-6",
        "calibrated": "Tables 7-10 and 12",
        "ablation": "Table 14",
        "transfer": "Table 15",
        "agreement": "Figure 2",
        "support": "Figure 3",
        "loss_ratio": "Figure 7",
    }
    assert all(table.source.startswith("arXiv 2603.07567, ") for table in tables.values())
    counts = {name: len(table.rows) for name, table in tables.items()}
    assert counts == {"utility": 10, "optimistic": 50, "calibrated": 40, "ablation": 22, "transfer": 4,
                      "agreement": 111, "support": 32, "loss_ratio": 49}  # fmt: skip
    rows = tables["optimistic"].rows
    online = rows[(rows["dataset"] == "cifar10") & (rows["attack"] == "online")].set_index("regime")
    ratio = online.loc["baseline", "tpr_at_fpr_1e-3_mean"] / online.loc["aof", "tpr_at_fpr_1e-3_mean"]
    assert ratio == pytest.approx(online.loc["aof", "reduction_at_fpr_1e-3"], abs=0.05)


def test_the_published_points_give_the_numbers_the_paper_states():
    found = {name: round(estimate.value, 2) for name, estimate in published_fit().items()}
    assert found == {"r": 0.77, "ρ": 0.63, "slope": 4.39, "intercept": 0.72, "R²": 0.60}

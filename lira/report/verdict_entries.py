"""The entries of the verdict's tables, which one job writes together."""

from lira.report.catalogue import Entry

_PUBLISHED = {
    "utility": "Table 2",
    "optimistic": "Table 3–6",
    "calibrated": "Table 7–10, 12",
    "ablation": "Table 14",
    "transfer": "Table 15",
    "agreement": "Figure 2",
    "support": "Figure 3",
    "loss_ratio": "Figure 7",
}


def _entry(name: str, title: str, caption: str, paper: str = "") -> Entry:
    return Entry(title, "Claims", caption, drawn_from="runs", files=("summary.csv",), paper=paper, name=name)


VERDICT = (
    _entry(
        "verdict",
        "Agreement with the paper, by table",
        "Published numbers against this study's own, by table of the paper: how many agree, how many differ, for how "
        "many the study cannot tell, and how many are not comparable. The tables published-* have every number.",
    ),
    _entry(
        "claims",
        "Claims of the paper",
        "Each claim of the paper, tested on this study's own results: its direction and, if the paper gives one, its "
        "size, with 90 % intervals and the numbers behind the verdict.",
    ),
    *(
        _entry(
            f"published-{name}",
            "Published against ours",
            "The published numbers of one of the paper's tables or figures against this study's own: the difference "
            "with its 90 % interval, the margin, the verdict, and the reason for it.",
            paper,
        )
        for name, paper in _PUBLISHED.items()
    ),
)

"""The verdict's tables in the catalogue; one job writes them all."""

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
    return Entry(title, "Verdict", caption, drawn_from="runs", files=("summary.csv",), paper=paper, name=name)


VERDICT = (
    _entry(
        "verdict",
        "Agreement with the paper, by table",
        "Published numbers against this study's own: how many agree, differ, cannot be told apart, or are not "
        "comparable, by table of the paper. The tables published-* have every number.",
    ),
    _entry(
        "claims",
        "Claims of the paper",
        "Each claim of the paper, tested on this study's own results: its direction, and where the paper gives one its "
        "size, with the numbers behind the verdict and 90 % intervals.",
    ),
    *(
        _entry(
            f"published-{name}",
            "Published against ours",
            "The published numbers of one of the paper's tables or figures against this study's own: difference with "
            "its 90 % interval, margin, verdict, and why it is no other.",
            paper,
        )
        for name, paper in _PUBLISHED.items()
    ),
)

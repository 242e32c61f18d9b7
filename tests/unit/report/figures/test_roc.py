import pytest
from synthetic_study import MAIN, run_folder

from lira.storage import hdf5


def test_roc_shades_what_is_not_resolved(draw, study):
    drawn = draw("roc")
    panels = drawn.get_axes()
    assert [axes.get_title() for axes in panels[:2]] == ["Digits FCN Baseline", "Digits FCN AOF"]
    with hdf5.read(run_folder(study, *MAIN[0]) / "scores.h5", "scores") as file:
        floor = 1 / (~file["member"][:]).sum(axis=1).mean()
    shade = next(patch for patch in panels[0].patches if patch.get_hatch())
    assert shade.get_x() + shade.get_width() == pytest.approx(floor)
    assert len(panels[0].lines) == 6 and panels[0].get_xscale() == panels[0].get_yscale() == "log"


def test_long_titles_of_roc_give_the_dataset_a_line_of_its_own(draw, monkeypatch):
    from matplotlib import rc_context

    from lira.report.figures._style import STYLE
    from lira.report.labels import NAMES

    monkeypatch.setitem(NAMES, "resnet", "ResNet-18 (ImageNet stem)")
    with rc_context(STYLE):
        drawn = draw("roc")
        drawn.draw_without_rendering()
    titles = [axes.title for axes in drawn.get_axes()]
    assert [title.get_text() for title in titles[2:4]] == [
        "Digits\nFCN TL",
        "Digits\nResNet-18 (ImageNet stem) Baseline",
    ]
    boxes = [title.get_window_extent() for title in titles]
    assert not any(box.overlaps(other) for i, box in enumerate(boxes) for other in boxes[:i])

"""All figures: that nothing is cut off, fonts, the same bytes for the same results, and what is said of a mistake."""

import os
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.image import imread
from synthetic_study import agreement_folder, data_file

from lira.core.errors import ConfigError, StoreError
from lira.report.catalogue import list_modules
from lira.report.plot import plot

ALL = [
    "agreement",
    "attack_overlap",
    "budgets",
    "displacement",
    "group_rates",
    "in_out",
    "loss_ratio",
    "outliers",
    "rank_bins",
    "record_calibration",
    "records",
    "roc",
    "support",
    "thresholds",
    "top1",
    "top_vulnerable",
]


def test_names():
    assert list_modules("figures") == ALL


@pytest.mark.parametrize("name", ALL)
def test_files(study, folders_of, tmp_path, name):
    data = {"data": data_file(study)} if name in ("top_vulnerable", "top1", "in_out", "records") else {}
    plot(name, folders_of(name), tmp_path / f"{name}.pdf", **data)
    pdf = (tmp_path / f"{name}.pdf").read_bytes()
    assert b"/FontFile2" in pdf and b"/Type3" not in pdf and b"CreationDate" not in pdf
    picture = imread(tmp_path / f"{name}.png")[..., :3]
    assert picture.shape[1] in (850, 1750)
    ink = (picture < 0.9).any(axis=2)
    edges = np.concatenate([ink[0], ink[-1], ink[:, 0], ink[:, -1]])
    assert not edges.any(), "something is cut off at the edge"
    assert ink.mean() > 0.01
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{name}.pdf", f"{name}.png"]


@pytest.mark.parametrize("name", ALL)
def test_text_is_readable_and_no_legend_is_on_the_data(draw, name):
    from matplotlib import rc_context

    from lira.report.figures._style import STYLE

    with rc_context(STYLE):
        drawn = draw(name)
        drawn.draw_without_rendering()
    panels = drawn.get_axes()
    assert panels and all(axes.has_data() or axes.images for axes in panels)
    texts = [text for text in drawn.findobj(lambda artist: hasattr(artist, "get_fontsize")) if text.get_text().strip()]
    assert min(text.get_fontsize() for text in texts) >= 7
    page = drawn.bbox.padded(0.5)
    shown = [text for text in texts if text.get_visible() and text not in ticks_out_of_view(panels)]
    assert [text.get_text() for text in shown if not contains(page, text.get_window_extent())] == []
    assert not any(axes.get_legend() for axes in panels)
    for legend in drawn.legends:
        box = legend.get_window_extent()
        assert not any(box.overlaps(axes.get_window_extent()) for axes in panels)


def ticks_out_of_view(panels):
    """Labels of ticks that matplotlib does not draw: beyond the limits, or of an axis that is off."""
    axes = [(axis, panel.axison) for panel in panels for axis in (panel.xaxis, panel.yaxis)]
    ticks = [(tick, on, *sorted(axis.get_view_interval())) for axis, on in axes for tick in axis.get_major_ticks()]
    return [tick.label1 for tick, on, low, high in ticks if not (on and low <= tick.get_loc() <= high)]


def contains(page, box):
    return page.x0 <= box.x0 and page.y0 <= box.y0 and box.x1 <= page.x1 and box.y1 <= page.y1


def test_same_results_same_bytes(folders_of, tmp_path):
    """Also from another process, with another hash seed."""
    code = "import sys; from lira.report.plot import plot; plot('thresholds', sys.argv[2:], sys.argv[1])"
    folders = folders_of("thresholds")
    plot("thresholds", folders, tmp_path / "here.pdf")
    arguments = [sys.executable, "-c", code, tmp_path / "there.pdf", *folders]
    subprocess.run(arguments, check=True, env=os.environ | {"PYTHONHASHSEED": "1"})
    for suffix in (".pdf", ".png"):
        assert (tmp_path / f"here{suffix}").read_bytes() == (tmp_path / f"there{suffix}").read_bytes()


def test_errors_name_what_is_wrong_and_what_is_allowed(study, folders_of, tmp_path):
    with pytest.raises(ConfigError, match="figure is 'rocs': allowed are 'agreement', 'attack_overlap', 'budgets'"):
        plot("rocs", [study], tmp_path / "rocs.pdf")
    with pytest.raises(ConfigError, match=r"figures.roc: option is 'fpr': none is allowed"):
        plot("roc", folders_of("roc"), tmp_path / "roc.pdf", fpr=0.01)
    with pytest.raises(ConfigError, match=r"figures.top_vulnerable: needs the option 'data'"):
        plot("top_vulnerable", [study], tmp_path / "x.pdf")
    with pytest.raises(ConfigError, match="attack is 'onlin': allowed are 'online', "):
        plot("thresholds", folders_of("thresholds"), tmp_path / "x.pdf", attack="onlin")
    with pytest.raises(ConfigError, match="2 folders are given .* but this shows one comparison: give one"):
        plot("agreement", [agreement_folder(study)] * 2, tmp_path / "x.pdf")
    with pytest.raises(ConfigError, match=r"fpr is 0.5: allowed are"):
        plot("support", folders_of("support"), tmp_path / "support.pdf", fpr=0.5)
    with pytest.raises(ConfigError, match=r"fpr is 0.5: allowed are"):
        plot("budgets", folders_of("budgets"), tmp_path / "budgets.pdf", fpr=0.5)
    with pytest.raises(ConfigError, match="support is 6: allowed are 1, 2, 3, 4, 5(,| and) 10"):
        plot("agreement", [agreement_folder(study)], tmp_path / "x.pdf", support=6)
    with pytest.raises(ConfigError, match="count is 0: allowed are whole numbers from 1"):
        plot("top_vulnerable", [agreement_folder(study)], tmp_path / "x.pdf", data=data_file(study), count=0)
    with pytest.raises(ConfigError, match="sample is 9999: allowed are whole numbers from 0 to 239"):
        plot("in_out", folders_of("in_out"), tmp_path / "x.pdf", sample=9999, data=data_file(study))
    for name in ("roc.jpg", "roc-0.001", "roc"):
        with pytest.raises(ConfigError, match=rf"output is .*{name}: a figure is written as .pdf, .png: end it so"):
            plot("roc", folders_of("roc"), tmp_path / name)
    with pytest.raises(ConfigError, match="at least one result folder"):
        plot("roc", [], tmp_path / "roc.pdf")
    with pytest.raises(StoreError, match=r"scores.h5 does not exist|shadows.h5 does not exist"):
        plot("roc", [tmp_path], tmp_path / "roc.pdf")
    assert not list(tmp_path.iterdir())


def test_figures_import_no_torch():
    modules = ", ".join(f"lira.report.figures.{name}" for name in list_modules("figures"))
    code = f"import sys, {modules}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "torch" not in loaded

"""Figures: what they show, that nothing is cut off, fonts, and the same bytes for the same results."""

import os
import subprocess
import sys
from importlib import import_module

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from synthetic_study import (
    RUNS,
    agreement_folder,
    data_file,
    run_folder,
)

from lira.core.errors import ConfigError, StoreError
from lira.evaluation.roc import threshold_at_fpr
from lira.report.figures import plot
from lira.report.figures._style import canvas, in_lines
from lira.report.figures.agreement import lines
from lira.report.figures.roc import tpr_at, tpr_by_chance
from lira.report.tables import names
from lira.storage import hdf5

MAIN = [key for key in RUNS if key[1] in ("baseline", "aof", "tl")]
OF_RUNS = ["in_out", "loss_ratio", "records", "roc", "thresholds"]
OF_AGREEMENT = ["agreement", "displacement", "outliers", "rank_bins", "support", "top1", "top_vulnerable"]


def folders_of(study, name):
    if name in OF_AGREEMENT:
        return [agreement_folder(study)]
    if name in ("thresholds", "records"):
        return [run_folder(study, "fcn", "aof", seed) for seed in (0, 1, 2)]
    return [run_folder(study, *key) for key in (MAIN[:3] if name == "in_out" else MAIN)]


@pytest.fixture
def draw(study):
    def draw(name, folders=None, **options):
        if name in ("top_vulnerable", "top1", "records"):
            options.setdefault("data", data_file(study))
        return import_module(f"lira.report.figures.{name}").figure(folders or folders_of(study, name), **options)

    return draw


def test_names():
    assert names("lira.report.figures") == sorted(OF_RUNS + OF_AGREEMENT)


@pytest.mark.parametrize("name", OF_RUNS + OF_AGREEMENT)
def test_files(study, tmp_path, name):
    data = {"data": data_file(study)} if name in ("top_vulnerable", "top1", "in_out", "records") else {}
    plot(name, folders_of(study, name), tmp_path / f"{name}.pdf", **data)
    pdf = (tmp_path / f"{name}.pdf").read_bytes()
    assert b"/FontFile2" in pdf and b"/Type3" not in pdf and b"CreationDate" not in pdf
    picture = imread(tmp_path / f"{name}.png")[..., :3]
    assert picture.shape[1] in (850, 1750)
    ink = (picture < 0.9).any(axis=2)
    edges = np.concatenate([ink[0], ink[-1], ink[:, 0], ink[:, -1]])
    assert not edges.any(), "something is cut off at the edge"
    assert ink.mean() > 0.01
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{name}.pdf", f"{name}.png"]


@pytest.mark.parametrize("name", OF_RUNS + OF_AGREEMENT)
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


def test_same_results_same_bytes(study, tmp_path):
    """Also from another process, with another hash seed."""
    code = "import sys; from lira.report.figures import plot; plot('thresholds', sys.argv[2:], sys.argv[1])"
    folders = folders_of(study, "thresholds")
    plot("thresholds", folders, tmp_path / "here.pdf")
    arguments = [sys.executable, "-c", code, tmp_path / "there.pdf", *folders]
    subprocess.run(arguments, check=True, env=os.environ | {"PYTHONHASHSEED": "1"})
    for suffix in (".pdf", ".png"):
        assert (tmp_path / f"here{suffix}").read_bytes() == (tmp_path / f"there{suffix}").read_bytes()


def test_thresholds_has_a_box_per_run_and_one_for_all(draw, study):
    drawn = draw("thresholds", fpr=0.01)
    (axes,) = drawn.get_axes()
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == ["seed 0", "seed 1", "seed 2", "all runs"]
    metrics = pd.read_csv(run_folder(study, "fcn", "aof", 1) / "metrics.csv")
    chosen = metrics.query("attack == 'online' and mode == 'target' and fpr == 0.01 and prior == 0.5")["threshold"]
    rmad = 100 * 1.4826 * (chosen - chosen.median()).abs().median() / chosen.median()
    assert f"{chosen.median():.2f}\n{rmad:.1f} %" in [text.get_text() for text in axes.texts]
    assert len(draw("thresholds").get_axes()) == 2


def test_roc_reads_the_curve_as_the_metrics_do(study):
    with hdf5.read(run_folder(study, "fcn", "aof") / "scores.h5", "scores") as file:
        scores, member = file["online"][3], file["member"][3]
    scores = scores.round(1)
    grid = np.array([0.0, 0.001, 0.01, 0.1, 0.5, 1.0])
    expected = [threshold_at_fpr(scores, member, fpr).tpr for fpr in grid]
    np.testing.assert_allclose(tpr_at(grid, scores, member), expected)


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


def test_agreement_has_a_line_per_scenario(draw, study):
    panels = draw("agreement", fpr=0.01).get_axes()
    sets = pd.read_csv(agreement_folder(study) / "agreement.csv")
    chosen = sets.query("scenario == 'identical' and support == 1 and not zero_fp and fpr == 0.01")
    lines = {line.get_label(): line for line in panels[0].lines}
    assert list(lines) == [
        "identical",
        "+1 different (batch 128, dropout 0.2)",
        "+1 different (TL)",
        "+1 different (ResNet)",
        "+2 different",
        "+3 different",
        "chance (membership permuted)",
    ]
    np.testing.assert_allclose(lines["identical"].get_ydata(), 100 * chosen["jaccard"])
    np.testing.assert_allclose(panels[2].lines[0].get_ydata(), chosen["union"])
    null = pd.read_csv(agreement_folder(study) / "null_agreement.csv")
    null = null.query("scenario == '+3 different' and support == 1 and not zero_fp and fpr == 0.01")
    chance = panels[0].lines[-1]
    np.testing.assert_array_equal(chance.get_xdata(), [2, 3, 4, 5, 6])
    np.testing.assert_allclose(chance.get_ydata(), 100 * null["jaccard"])
    np.testing.assert_allclose(panels[1].lines[-1].get_ydata(), null["intersection"])
    drawn = draw("agreement").get_axes()
    assert len(drawn) == 6
    for axes in drawn:
        assert axes.get_ylim()[1] >= max(line.get_ydata().max() for line in axes.lines)


def test_support_says_where_there_is_nothing(draw, study):
    drawn = draw("support", fpr=0.01)
    panels = drawn.get_axes()
    assert len(panels) == 6
    sets = pd.read_csv(agreement_folder(study) / "agreement.csv").query("scenario == 'identical' and fpr == 0.01")
    null = pd.read_csv(agreement_folder(study) / "null_agreement.csv").query(
        "scenario == 'identical' and fpr == 0.01 and zero_fp"
    )
    chosen = sets.query("zero_fp")
    upright, italic = (
        [text.get_text() for text in panels[0].texts if text.get_fontstyle() == style] for style in ("normal", "italic")
    )
    assert upright.count("–") == chosen["jaccard"].isna().sum() > 0
    assert italic.count("–") == null["jaccard"].isna().sum() > 0
    assert len(upright) == len(italic) == len(chosen)
    assert f"{sets.query('not zero_fp')['union'].max():.0f}" in [text.get_text() for text in panels[5].texts]
    largest = null.sort_values(["k", "support"])["union"]
    italic = [text.get_text() for text in panels[2].texts if text.get_fontstyle() == "italic"]
    assert italic == ["–" if np.isnan(size) else f"{size:.0f}" for size in largest]


def test_displacement_is_the_mean_over_runs(draw, study):
    axes = draw("displacement").get_axes()[0]
    shares = pd.read_csv(agreement_folder(study) / "displacement.csv").query("gap == 'median' and q == 5")
    line = next(line for line in axes.lines if line.get_label() == "q = 5 %")
    chance = axes.lines[list(axes.lines).index(line) + 1]
    assert chance.get_linestyle() == ":" and chance.get_color() == line.get_color()
    below = 100 * np.arange(12, 240) / 240
    np.testing.assert_allclose(chance.get_ydata()[-1], 100 * (below <= 15).mean())
    np.testing.assert_allclose(line.get_ydata(), 100 * shares.groupby("delta")["fraction"].mean())


def test_loss_ratio_shows_intervals_and_chance(draw, study):
    (axes,) = draw("loss_ratio", fpr=0.01).get_axes()
    same = "attack == 'online' and mode == 'target' and fpr == 0.01"
    rows = [
        pd.read_csv(run_folder(study, *key) / "summary.csv").query(same + " and metric == 'tpr'").iloc[0]
        for key in MAIN
    ]
    bars = sorted(tuple(segment[:, 1]) for bar in axes.collections for segment in bar.get_segments())
    np.testing.assert_allclose(bars, sorted((100 * row["low"], 100 * row["high"]) for row in rows))
    controls = [pd.read_csv(run_folder(study, *key) / "controls.csv") for key in MAIN]
    chance = np.mean([table.query(same + " and prior == 0.5")["tpr"].mean() for table in controls])
    (line,) = [line for line in axes.lines if line.get_linestyle() == ":"]
    np.testing.assert_allclose(line.get_ydata(), 100 * chance)


def test_roc_by_chance():
    """Against the mean over random scores."""
    generator = np.random.default_rng(0)
    member = np.arange(60) < 40
    grid = np.array([0.0, 0.04, 0.05, 0.3, 1.0])
    found = np.mean([tpr_at(grid, generator.random(60), member) for _ in range(4000)], axis=0)
    np.testing.assert_allclose(found, tpr_by_chance(grid, 20), atol=0.005)
    np.testing.assert_allclose(tpr_by_chance(grid, 20), np.array([1, 1, 2, 7, 21]) / 21)


def test_loss_ratio_fit(draw, study):
    drawn = draw("loss_ratio", fpr=0.01)
    (axes,) = drawn.get_axes()
    points = np.array([line.get_xydata()[0] for line in axes.lines if len(line.get_xdata()) == 1])
    assert len(points) == len(MAIN)
    r = np.corrcoef(np.log10(points[:, 0]), points[:, 1])[0, 1]
    slope, intercept = np.polyfit(np.log10(points[:, 0]), points[:, 1], 1)
    title = axes.get_title()
    assert f"Pearson r (log x) = {r:.2f}" in title and f"R² = {r**2:.2f}" in title
    assert f"{slope:.2f} log" in title and f"{abs(intercept):.2f}, R²" in title
    alone = draw("loss_ratio", [run_folder(study, "fcn", "tl"), run_folder(study, "fcn", "aof")])
    assert "Pearson" not in alone.get_axes()[0].get_title()


def test_in_out_counts_every_model(draw):
    panels = draw("in_out", sample=5).get_axes()
    assert len(panels) == 6
    for axes in panels:
        assert sum(bar.get_height() for bar in axes.patches) == 16
        assert sum(len(line.get_xdata()) for line in axes.lines) == 16
    with pytest.raises(ConfigError, match="sample: 240 is not in the pool of 240, allowed: 0 to 239"):
        draw("in_out", sample=240)


def test_in_out_says_once_what_its_runs_have_in_common(draw, study):
    alike = draw("in_out")
    assert alike.get_suptitle().startswith("Digits FCN, sample 21")
    networks = draw("in_out", [run_folder(study, name, "aof", 0) for name in ("fcn", "resnet")])
    assert networks.get_suptitle().startswith("Digits, sample 21")
    assert [axes.get_title() for axes in networks.axes[:2]] == ["FCN", "ResNet"]


def test_top_vulnerable_prints_counts_of_the_first_ranks(draw, study):
    panels = draw("top_vulnerable", fpr=0.01, count=9).get_axes()
    assert [axes.get_title() for axes in panels][:3] == ["FCN AOF seed 0", "FCN AOF seed 1", "FCN AOF seed 2"]
    assert len(panels) == 6 and all(len(axes.images) == 9 for axes in panels)
    counts = pd.read_csv(run_folder(study, "fcn", "aof") / "samples.csv").query("fpr == 0.01").sort_values("rank")
    expected = [f"{row.tp} / {row.fp}" for row in counts.head(9).itertuples()]
    assert [text.get_text() for text in panels[0].texts] == expected
    with hdf5.read(data_file(study), "data") as file:
        first = file["pool/x"][counts["sample"].iloc[0], 0] / 16
    np.testing.assert_allclose(panels[0].images[0].get_array(), first)


def test_a_name_breaks_between_words_and_not_before_its_seed():
    assert in_lines("FCN batch dropout seed 0", 22) == "FCN batch dropout\nseed 0"
    assert in_lines("CIFAR-10 EfficientNetV2-S", 14) == "CIFAR-10\nEfficientNetV2-S"
    assert in_lines("FCN AOF seed 0", 22) == "FCN AOF seed 0"


def test_pictures_need_images(draw, tmp_path):
    with hdf5.create(tmp_path / "table.h5", "data", {"scale": 1.0}) as file:
        file["pool/x"], file["pool/y"] = np.zeros((5, 3)), np.zeros(5)
    with pytest.raises(ConfigError, match="holds no images to show"):
        draw("top1", data=tmp_path / "table.h5")


def test_top1_shows_each_runs_sample_in_all_runs(draw, study):
    axes = draw("top1").get_axes()[0]
    assert sum(len(line.get_xdata()) for line in axes.lines if line.get_marker() == "o") == 9
    top = pd.read_csv(agreement_folder(study) / "top1.csv").query("gap == 'median' and source == run")
    np.testing.assert_allclose(axes.lines[0].get_ydata(), top["vulnerability"])
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == [f"seed {seed}\n#{sample}" for seed, sample in enumerate(top["sample"])]


def test_rank_bins_has_a_mark_per_run_and_bin(draw):
    for axes in draw("rank_bins").get_axes():
        marks = [line for line in axes.lines if line.get_marker() == "o"]
        assert [len(line.get_xdata()) for line in marks] == [10, 10, 10]
        assert [label.get_text() for label in axes.get_xticklabels()][:2] == ["0–2", "2–3"]


def test_chance_in_the_rankings_is_that_of_permuted_membership(draw, study):
    null = [pd.read_csv(run_folder(study, "fcn", "aof", seed) / "null_gaps.csv") for seed in RUNS["fcn", "aof"]]
    line = next(line for line in draw("top1", gap="mean").get_axes()[0].lines if line.get_linestyle() == ":")
    np.testing.assert_allclose(line.get_ydata(), np.mean([table["mean"].max() for table in null]))
    panel = draw("rank_bins").get_axes()[0]
    (steps,) = [patch for patch in panel.patches if patch.get_label() == "chance"]
    first = [np.sort(table["median"])[::-1][:5].mean() for table in null]
    assert steps.get_data().values[0] == pytest.approx(np.mean(first))


def test_errors_name_what_is_wrong_and_what_is_allowed(study, tmp_path):
    with pytest.raises(ConfigError, match="figures: unknown 'rocs', allowed: agreement, displacement"):
        plot("rocs", [study], tmp_path / "rocs.pdf")
    with pytest.raises(ConfigError, match=r"figures.roc: unknown option 'fpr', allowed: none"):
        plot("roc", folders_of(study, "roc"), tmp_path / "roc.pdf", fpr=0.01)
    with pytest.raises(ConfigError, match=r"figures.top_vulnerable: needs the option 'data'"):
        plot("top_vulnerable", [study], tmp_path / "x.pdf")
    with pytest.raises(ConfigError, match="attack: no results for onlin, there are: online,"):
        plot("thresholds", folders_of(study, "thresholds"), tmp_path / "x.pdf", attack="onlin")
    with pytest.raises(ConfigError, match="2 folders are given .* but this shows one comparison: give one"):
        plot("agreement", [agreement_folder(study)] * 2, tmp_path / "x.pdf")
    with pytest.raises(ConfigError, match=r"fpr: no results at 0.5"):
        plot("support", folders_of(study, "support"), tmp_path / "support.pdf", fpr=0.5)
    with pytest.raises(ConfigError, match="support: no results for 6, there are: 1, 2, 3, 4, 5, 10"):
        plot("agreement", [agreement_folder(study)], tmp_path / "x.pdf", support=6)
    with pytest.raises(ConfigError, match="count: 0 is not allowed"):
        plot("top_vulnerable", [agreement_folder(study)], tmp_path / "x.pdf", data=data_file(study), count=0)
    with pytest.raises(ConfigError, match="sample: 9999 is not in the pool of 240, allowed: 0 to 239"):
        plot("in_out", folders_of(study, "in_out"), tmp_path / "x.pdf", sample=9999, data=data_file(study))
    with pytest.raises(ConfigError, match="at least one result folder"):
        plot("roc", [], tmp_path / "roc.pdf")
    with pytest.raises(StoreError, match=r"scores.h5 does not exist|shadows.h5 does not exist"):
        plot("roc", [tmp_path], tmp_path / "roc.pdf")
    assert not list(tmp_path.iterdir())


def test_figures_import_no_torch():
    modules = ", ".join(f"lira.report.figures.{name}" for name in names("lira.report.figures"))
    code = f"import sys, {modules}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "torch" not in loaded


SEVEN = [f"digits/fcn/variant{number}" for number in range(7)]


def test_agreement_of_more_variants_than_colours():
    rows = [("identical", "")] + [(f"+{m} different", variant * (m == 1)) for m in range(1, 8) for variant in SEVEN]
    sets = pd.DataFrame(rows, columns=["scenario", "variants"]).drop_duplicates()
    sets = sets.assign(k=2, jaccard=0.5, intersection=1.0, union=2.0)
    panels = canvas(7, 2).subplots(1, 3)
    lines(panels, sets)
    assert len(panels[0].lines) == len(sets) == 1 + 7 + 6

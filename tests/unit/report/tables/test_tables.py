"""Tables against numbers computed another way, what unresolved cells say, and that the three files agree."""

import re
import shutil
import subprocess
from base64 import b64decode
from html import unescape

import h5py
import numpy as np
import pandas as pd
import pytest
from scipy.stats import trim_mean
from synthetic_study import FPRS, PRIORS, RUNS, agreement_folder, finish_run, run_folder

from lira.attacks.lira import score_file
from lira.core.errors import ConfigError, StoreError
from lira.evaluation.controls import gaussian_world
from lira.report.labels import percent
from lira.report.tables import Table, names, tabulate
from lira.report.tables._text import latex, to_tex
from lira.storage import hdf5
from lira.storage.run import write_csv

MAIN = [key for key in RUNS if key[1] in ("baseline", "aof", "tl")]
ALL = [
    "ablation",
    "benchmarks",
    "calibrated",
    "optimistic",
    "provenance",
    "rank_agreement",
    "records",
    "robustness",
    "transfer",
    "utility",
]


@pytest.fixture
def make(study, tmp_path):
    """Writes a table of the study's main runs, or of the folders given; returns its csv and the path of it."""

    def make(name, folders=None, **options):
        if folders is None:
            folders = [agreement_folder(study)] if name == "rank_agreement" else [run_folder(study, *k) for k in MAIN]
        path = tmp_path / f"{name}.csv"
        tabulate(name, folders, path, **options)
        return pd.read_csv(path, keep_default_na=False, na_values=[""]), path

    return make


def rows_of(path):
    """Cells of the Markdown table."""
    lines = [line for line in path.with_suffix(".md").read_text().splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[:1] + lines[2:]]


def test_names():
    assert names() == ALL


@pytest.mark.parametrize("name", ALL)
def test_the_files_agree(make, name):
    data, path = make(name)
    shown = rows_of(path)
    body = tex_rows(path.with_suffix(".tex").read_text())
    assert len(shown) - 1 == len(body)
    for cells, in_tex in zip(shown[1:], body, strict=True):
        assert " ".join(in_tex) == " ".join(map(to_tex, cells))
    assert name == "robustness" or len(data) % len(body) == 0
    page = path.with_suffix(".html").read_text()
    in_html = [re.findall(r"<t[dh].*?>(.*?)</t[dh]>", row) for row in re.findall(r"<tr>.*?</tr>", page)]
    assert [[unescape(re.sub("<.*?>", "", cell)) for cell in row] for row in in_html] == shown
    assert b64decode(re.search(r"base64,(\S+)\"", page)[1]) == path.read_bytes()


def tex_rows(tex):
    """Cells of all tabulars: a run's line above put before its rows, and what is blank as in the row above."""
    rows = []
    for body in re.findall(r"\\midrule\n(.*?)\\bottomrule", tex, re.S):
        above, last = [], None
        for line in body.strip().splitlines():
            if group := re.match(r"\\multicolumn.*\\emph{(.*)}}", line):
                above, last = [group[1]], None
                continue
            cells = [cell.strip() for cell in re.split(r"(?<!\\)&", line.removesuffix(r"\\"))]
            last = [old if new == "" else new for old, new in zip(last or cells, cells, strict=True)]
            rows.append([*above, *last])
    return rows


def test_a_long_table_is_divided_between_runs_for_latex():
    text = pd.DataFrame(
        [(f"d{i}", f"a{j}", "1") for i in range(9) for j in range(9)], columns=["Dataset", "Attack", "N"]
    )
    tex = latex(Table(text, text, 2))
    assert tex.count(r"\begin{tabular}{lr}") == 2
    assert tex_rows(tex) == [[f"d{i}", f"a{j}", r"\num{1}"] for i in range(9) for j in range(9)]


def test_a_long_table_of_one_run_is_divided_too():
    text = pd.DataFrame([(f"a{j}", "1") for j in range(120)], columns=["Attack", "N"])
    tex = latex(Table(text, text, 1))
    assert tex.count(r"\begin{tabular}{lr}") == 3
    assert tex_rows(tex) == [[f"a{j}", r"\num{1}"] for j in range(120)]


@pytest.mark.campaign
def test_latex_compiles_every_table(make, tmp_path):
    if not shutil.which("pdflatex"):
        pytest.skip("no pdflatex here: apt-get install texlive-latex-recommended texlive-science")
    files = [rf"\scriptsize\input{{{make(name)[1].with_suffix('.tex')}}}" for name in ALL]
    floats = [rf"\begin{{table*}}{file}\end{{table*}}\clearpage" for file in files]
    for columns, packages, inputs in (
        ("twocolumn", "booktabs,siunitx", floats),
        ("twocolumn", "booktabs,siunitx,graphicx", floats),
        ("onecolumn", "booktabs,siunitx,graphicx", files),
    ):
        lines = [rf"\documentclass[{columns}]{{article}}", rf"\usepackage{{{packages}}}", r"\begin{document}", *inputs]
        (tmp_path / "all.tex").write_text("\n\n".join([*lines, r"\end{document}"]))
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:]
        assert "Missing character" not in done.stdout
        assert "Overfull" not in done.stdout or "graphicx" not in packages


@pytest.mark.parametrize("name", ALL)
def test_same_results_same_bytes(make, name):
    _, path = make(name)
    first = [path.with_suffix(suffix).read_bytes() for suffix in (".csv", ".md", ".tex", ".html")]
    make(name)
    assert first == [path.with_suffix(suffix).read_bytes() for suffix in (".csv", ".md", ".tex", ".html")]


def test_utility(make, study):
    data, path = make("utility")
    with hdf5.read(run_folder(study, "resnet", "aof") / "shadows.h5", "shadows") as file:
        train, test = file["utility/train_loss"][:], file["utility/test_loss"][:]
        accuracy = file["utility/test_accuracy"][:]
    row = data.query("architecture == 'resnet' and regime == 'aof'").iloc[0]
    assert row["loss_ratio_mean"] == pytest.approx(np.mean(test / train))
    assert row["loss_ratio_std"] == pytest.approx(np.std(test / train, ddof=1))
    assert row["test_accuracy_mean"] == pytest.approx(100 * accuracy.mean())
    expected = f"{100 * accuracy.mean():.2f} ± {100 * accuracy.std(ddof=1):.2f}"
    assert ["Digits", "ResNet", "AOF"] in [cells[:3] for cells in rows_of(path) if expected in cells]


def test_optimistic(make, study):
    data, path = make("optimistic")
    metrics = pd.read_csv(run_folder(study, "fcn", "aof") / "metrics.csv")
    chosen = metrics.query("attack == 'offline' and mode == 'target' and fpr == 0.01 and prior == 0.5")
    row = data.query("architecture == 'fcn' and regime == 'aof' and attack == 'offline' and fpr == 0.01").iloc[0]
    assert row["tpr_mean"] == pytest.approx(100 * chosen["tpr"].mean())
    assert row["tpr_std"] == pytest.approx(100 * chosen["tpr"].std(ddof=1))
    assert row["auc_mean"] == pytest.approx(100 * chosen["auc"].mean())
    baseline = data.query("architecture == 'fcn' and regime == 'baseline' and attack == 'offline' and fpr == 0.01")
    assert row["reduction"] == pytest.approx(baseline["tpr_mean"].iloc[0] / row["tpr_mean"])
    assert data.query("regime == 'baseline'")["reduction"].isna().all()
    assert list(dict.fromkeys(data["regime"])) == ["baseline", "aof", "tl"]
    assert f"{row['reduction']:.2f}×" in path.with_suffix(".md").read_text()


def test_reduction_falls_back_to_the_other_architecture(make, study):
    folders = [run_folder(study, "resnet", "tl"), run_folder(study, "fcn", "baseline")]
    data, _ = make("optimistic", folders)
    tl, baseline = (data.query("regime == @regime and attack == 'online'") for regime in ("tl", "baseline"))
    expected = baseline["tpr_mean"].to_numpy() / tl["tpr_mean"].to_numpy()
    np.testing.assert_allclose(tl["reduction"], expected)
    alone, _ = make("optimistic", folders[:1])
    assert alone["reduction"].isna().all()


def test_what_the_pool_cannot_resolve_says_so(make):
    data, path = make("optimistic")
    assert dict(zip(data["fpr"], data["resolution"], strict=True)) == {0.001: "TPR at 0 FP", 0.01: "few FP"}
    np.testing.assert_allclose(data["expected_false_positives"], 120 * data["fpr"], rtol=0.05)
    shown = rows_of(path)
    low, high = (shown[0].index(f"TPR (%) at {percent(fpr)} FPR") for fpr in FPRS)
    for cells in shown[1:]:
        assert cells[low].split(" ‡")[0].endswith(" at 0 FP") and cells[high].split(" ‡")[0].endswith("†")
    text = path.with_suffix(".md").read_text()
    assert "\n\n0 FP: " in text and "\n\n†: " in text
    assert r"\textsuperscript{\dag}: fewer than five" in path.with_suffix(".tex").read_text()


def test_unresolved_shadow_thresholds_are_not_called_zero_false_positives(make):
    _, path = make("calibrated", fpr=0.001)
    shown = rows_of(path)
    mode, rates = shown[0].index("Threshold"), shown[0].index("FPR′ (%)")
    for cells in shown[1:]:
        assert (
            cells[rates]
            .split(" ‡")[0]
            .endswith({"target": "0.000 ± 0.000 at 0 FP", "shadow": " τ at 0 FP"}[cells[mode]])
        )


def test_calibrated(make, study):
    data, path = make("calibrated", fpr=0.01)
    metrics = pd.read_csv(run_folder(study, "resnet", "tl") / "metrics.csv")
    chosen = metrics.query("attack == 'online' and mode == 'shadow' and fpr == 0.01")
    row = data.query("architecture == 'resnet' and regime == 'tl' and attack == 'online' and mode == 'shadow'").iloc[0]
    once = chosen[chosen["prior"] == 0.1]
    assert row["fpr_mean"] == pytest.approx(100 * once["fpr_achieved"].mean())
    assert row["fpr_median"] == pytest.approx(100 * once["fpr_achieved"].median())
    assert row["fpr_trimmed_mean"] == pytest.approx(100 * trim_mean(once["fpr_achieved"], 0.1))
    counts = once[["tp", "fn", "fp", "tn"]].sum()
    tpr, fpr = counts["tp"] / (counts["tp"] + counts["fn"]), counts["fp"] / (counts["fp"] + counts["tn"])
    for prior in PRIORS:
        ppv = chosen[chosen["prior"] == prior]["ppv"]
        name = f"ppv_{100 * prior:g}pct"
        assert row[f"{name}_mean"] == pytest.approx(100 * np.nanmean(ppv))
        assert row[f"{name}_targets"] == ppv.notna().sum()
        assert row[f"{name}_undefined"] == ppv.isna().sum()
        assert row[f"{name}_pooled"] == pytest.approx(100 * prior * tpr / (prior * tpr + (1 - prior) * fpr))
    assert "global" not in set(data.query("mode == 'shadow'")["attack"])
    assert "Thresholds are set for an FPR of 1 %." in path.with_suffix(".md").read_text()


def test_what_a_mean_can_carry(make, study):
    """Against numbers computed here, from the rates of each target."""
    data, _ = make("optimistic")
    row = data.query("architecture == 'fcn' and regime == 'aof' and attack == 'online' and fpr == 0.01").iloc[0]
    same = "attack == 'online' and mode == 'target' and fpr == 0.01 and prior == 0.5"
    tpr = 100 * pd.read_csv(run_folder(study, "fcn", "aof") / "metrics.csv").query(same)["tpr"].to_numpy()
    assert row["tpr_median"] == pytest.approx(np.median(tpr))
    assert row["tpr_trimmed_mean"] == pytest.approx(trim_mean(tpr, 0.1))
    shifts = [tpr.mean() - np.delete(tpr, target).mean() for target in range(len(tpr))]
    assert row["tpr_influence_target"] == np.argmax(np.abs(shifts))
    assert row["tpr_influence"] == pytest.approx(shifts[np.argmax(np.abs(shifts))])
    errors = [np.delete(tpr, target).std(ddof=1) / np.sqrt(len(tpr) - 1) for target in range(len(tpr))]
    flagged = " ".join(str(target) for target in np.flatnonzero(np.abs(shifts) > errors))
    assert ("" if pd.isna(row["tpr_influential"]) else row["tpr_influential"]) == flagged
    assert row["tpr_low"] < row["tpr_mean"] < row["tpr_high"]
    controls = pd.read_csv(run_folder(study, "fcn", "aof") / "controls.csv").query(same)
    assert row["tpr_null"] == pytest.approx(100 * controls["tpr"].mean())
    assert row["auc_null"] == pytest.approx(100 * controls["auc"].mean())


def test_robustness(make, study):
    data, path = make("robustness", fpr=0.01)
    assert len(data.query("regime == 'tl' and architecture == 'fcn'")) == (4 * 2 + 1) * (2 + 2 * len(PRIORS)) + 5 * 2
    assert set(data["fpr"].dropna()) == {0.01}
    row = data.query("architecture == 'resnet' and regime == 'tl' and attack == 'online' and mode == 'shadow'")
    row = row.query("metric == 'ppv' and prior == 0.01").iloc[0]
    shown = rows_of(path)
    (cells,) = [cells for cells in shown if cells[1:4] == ["ResNet", "TL", "PPV (%)"]]
    assert cells[shown[0].index("95 % interval")] == f"[{row['low']:.3f}, {row['high']:.3f}]"
    assert cells[shown[0].index("Mean ± std")].startswith(f"{row['mean']:.3f} ± {row['std']:.3f}†")
    assert cells[shown[0].index("Median")] == f"{row['median']:.3f}"
    assert cells[shown[0].index("Trimmed mean")] == f"{row['trimmed_mean']:.3f}"
    assert cells[shown[0].index("Moved most by")] == f"{row['influence_target']:.0f} ({row['influence']:+.3f})"
    assert cells[shown[0].index("Chance")] == f"{row['null']:.3f}"
    assert [cells[3] for cells in shown[1:7]] == [
        "AUC (%)", "TPR (%)", "TPR′ (%)", "FPR′ (%)", "PPV (%)", "PPV, pooled (%)",
    ]  # fmt: skip


def test_a_broken_target_is_named_where_it_carries_a_mean(make, study, tmp_path):
    """Target 5 flags a third of its non-members: it makes the mean FPR′, and the tables say so."""
    broken = tmp_path / "seed0"
    broken.mkdir()
    for name in ("shadows.h5", "scores.h5"):
        (broken / name).write_bytes((run_folder(study, "fcn", "aof") / name).read_bytes())
    with h5py.File(broken / "scores.h5", "r+") as file:
        scores, outside = file["online"][5], np.flatnonzero(~file["member"][5])
        scores[outside[::3]] = 1000
        file["online"][5] = scores
    finish_run(broken)
    data, path = make("calibrated", [broken], fpr=0.01)
    row = data.query("attack == 'online' and mode == 'shadow'").iloc[0]
    assert str(row["fpr_influential"]) in ("5", "5.0") and row["fpr_influence_target"] == 5
    assert row["fpr_mean"] > 2 * row["fpr_trimmed_mean"]
    shown = rows_of(path)
    fpr = shown[0].index("FPR′ (%)")
    cells = {(cells[3], cells[4]): cells[fpr] for cells in shown[1:]}
    assert cells["LiRA (online)", "shadow"].endswith("‡5")
    assert not cells["LiRA (offline)", "target"].endswith("‡5")
    assert "\n\n‡: the mean rests on the target named here" in path.with_suffix(".md").read_text()
    assert r"\textsuperscript{\ddag}\num{5} &" in path.with_suffix(".tex").read_text()
    _, path = make("robustness", [broken], fpr=0.01)
    shown = rows_of(path)
    (cells,) = [cells for cells in shown if cells[3] == "FPR′ (%)"]
    assert cells[4].endswith("‡5") and cells[shown[0].index("Moved most by")].startswith("5 (+")


def test_at_chance_the_intervals_hold_the_null_and_above_it_they_do_not(make, study, tmp_path):
    phi, member = gaussian_world(24, 500, 0.0, seed=2)
    attributes = {"study": "chance", "dataset": "digits", "architecture": "fcn", "regime": "aof", "seed": 0}
    with hdf5.create(tmp_path / "run" / "shadows.h5", "shadows", attributes) as file:
        file["phi"], file["member"] = phi.astype(np.float32), member
    score_file(tmp_path / "run" / "shadows.h5", tmp_path / "run" / "scores.h5")
    finish_run(tmp_path / "run")
    data, _ = make("robustness", [tmp_path / "run"], fpr=0.01)
    rates = data[data["metric"].isin(["tpr", "fpr_achieved"]) & (data["mode"] == "shadow")]
    assert ((rates["low"] <= rates["null"]) & (rates["null"] <= rates["high"])).mean() >= 0.75
    data, _ = make("robustness", [run_folder(study, "fcn", "baseline")], fpr=0.01)
    tpr = data.query("metric == 'tpr' and attack == 'online'")
    assert (tpr["low"] > tpr["null"]).all()


def test_calibrated_defaults_to_the_largest_fpr(make):
    assert set(make("calibrated")[0]["fpr"]) == {0.01}


def test_benchmarks_lists_each_recipe_with_its_seeds(make, study):
    data, path = make("benchmarks", [run_folder(study, *key, seed) for key, seeds in RUNS.items() for seed in seeds])
    assert len(data) == len(RUNS)
    row = data.query("architecture == 'fcn' and regime == 'aof'").iloc[0]
    assert (row["seeds"], row["pool"], row["shadow_models"], row["classes"]) == ("0 1 2", 240, 16, 10)
    assert row["augment"] == "FLP+CRP"
    assert "CRP crop, FLP flip." in path.with_suffix(".md").read_text()


def test_seeds_are_shown_where_a_run_has_several(make, study):
    _, path = make("utility", [run_folder(study, "fcn", "aof", seed) for seed in (0, 1, 2)])
    shown = rows_of(path)
    assert [cells[shown[0].index("Seed")] for cells in shown[1:]] == ["0", "1", "2"]
    _, path = make("utility")
    assert "Seed" not in rows_of(path)[0]


def test_ablation_keeps_the_order_given(make, study):
    folders = [run_folder(study, "fcn", regime) for regime in ("tl", "baseline", "aof")]
    data, path = make("ablation", folders, fpr=0.01)
    assert list(data["regime"]) == ["tl", "baseline", "aof"]
    assert list(data["augment"]) == ["FLP+CRP", "none", "FLP+CRP"]
    metrics = pd.read_csv(folders[0] / "metrics.csv")
    chosen = metrics.query("attack == 'online_fixed' and mode == 'target' and fpr == 0.01 and prior == 0.5")
    assert data["tpr_mean"].iloc[0] == pytest.approx(100 * chosen["tpr"].mean())
    assert "Architecture" not in rows_of(path)[0]


def test_transfer(make):
    data, path = make("transfer")
    assert dict(zip(data["regime"], data["start"], strict=True)) == {
        "baseline": "scratch",
        "aof": "scratch",
        "tl": "public",
    }
    assert len(rows_of(path)) - 1 == len(MAIN) and len(data) == len(FPRS) * len(MAIN)


def test_rank_agreement(make, study):
    data, path = make("rank_agreement")
    pairs = pd.read_csv(agreement_folder(study) / "topq.csv").query("gap == 'median' and q == 5")
    row = data.query("gap == 'median' and q == 5").iloc[0]
    assert row["jaccard_mean"] == pytest.approx(pairs["jaccard"].mean())
    assert row["jaccard_std"] == pytest.approx(pairs["jaccard"].std(ddof=1))
    assert (row["size"], row["pairs"], row["runs"]) == (12, 3, 3)
    sets = [
        pd.read_csv(run_folder(study, "fcn", "aof", seed) / "samples.csv").query("fpr == 0.01 and tp >= 1 and fp == 0")
        for seed in (0, 1, 2)
    ]
    flagged = data.query("fpr == 0.01 and zero_fp == True").iloc[0]
    assert flagged["size"] == pytest.approx(np.mean([len(chosen) for chosen in sets]))
    assert flagged["all_union"] == len(set().union(*(chosen["sample"] for chosen in sets)))
    assert "at 0 FP" in path.with_suffix(".md").read_text()
    assert row["jaccard_null"] == pytest.approx(0.05 / (2 - 0.05))
    null = pd.read_csv(agreement_folder(study) / "null_agreement.csv").query(
        "scenario == 'identical' and fpr == 0.01 and zero_fp and support == 1"
    )
    chance = [pd.read_csv(run_folder(study, "fcn", "aof", seed) / "null_samples.csv") for seed in (0, 1, 2)]
    sizes = [len(table.query("fpr == 0.01 and tp >= 1 and fp == 0")) for table in chance]
    assert flagged["size_null"] == pytest.approx(np.mean(sizes))
    assert list(flagged[["jaccard_null", "all_jaccard_null"]]) == pytest.approx(list(null["jaccard"]))
    only, _ = make("rank_agreement", gap="mean")
    assert set(only["gap"].dropna()) == {"mean"}


def test_an_option_without_a_default_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr("lira.report.tables.utility.table", lambda folders, needed, fpr=None: None)
    with pytest.raises(ConfigError, match=r"tables.utility: needs the option 'needed'"):
        tabulate("utility", [tmp_path], tmp_path / "x.csv", fpr=0.1)


def test_errors_name_what_is_wrong_and_what_is_allowed(make, study, tmp_path):
    with pytest.raises(ConfigError, match="unknown 'utilty', allowed: ablation, benchmarks"):
        make("utilty")
    with pytest.raises(ConfigError, match=r"tables.utility: unknown option 'fpr', allowed: none"):
        make("utility", fpr=0.01)
    with pytest.raises(ConfigError, match=r"fpr: no results at 0.5, there are: 0.001, 0.01"):
        make("calibrated", fpr=0.5)
    for name in ("ablation", "robustness", "transfer"):
        with pytest.raises(ConfigError, match="attack: no results for onlin, there are: online,"):
            make(name, attack="onlin")
    with pytest.raises(ConfigError, match="prior: no results for 0.3, there are: "):
        make("robustness", prior=0.3)
    with pytest.raises(ConfigError, match="gap: 'max' is not allowed, allowed: median, mean"):
        make("rank_agreement", gap="max")
    with pytest.raises(ConfigError, match="support: no results for 6, there are: 1, 2, 3, 4, 5, 10"):
        make("rank_agreement", support=6)
    with pytest.raises(ConfigError, match="at least one result folder"):
        make("utility", [])
    with pytest.raises(StoreError, match=r"shadows.h5 does not exist"):
        make("utility", [tmp_path])
    with pytest.raises(StoreError, match=r"topq.csv does not exist"):
        make("rank_agreement", [tmp_path / "agreement" / "digits" / "fcn" / "aof"])
    assert not list(tmp_path.iterdir())


def test_options_that_are_none_are_not_given(make):
    assert len(make("utility", fpr=None)[0]) == len(MAIN)


@pytest.mark.parametrize("name", ["optimistic", "calibrated", "robustness", "transfer", "ablation"])
def test_runs_of_different_fprs_do_not_stand_side_by_side(make, study, tmp_path, name):
    one, other = (shutil.copytree(run_folder(study, *key), tmp_path / str(i)) for i, key in enumerate(MAIN[:2]))
    rows = pd.read_csv(other / "summary.csv", keep_default_na=False)
    write_csv(other / "summary.csv", rows[rows["fpr"] != str(max(FPRS))])
    with pytest.raises(ConfigError, match=r"fpr: runs of different FPRs \(.*\) cannot stand side by side"):
        make(name, [one, other])

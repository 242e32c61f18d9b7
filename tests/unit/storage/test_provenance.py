"""Every result says where it comes from, even as a copy; results that do not belong together are not mixed silently."""

import contextlib
import json
import shutil
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from receipts import receipt_for
from synthetic_study import run_folder

from lira.config import RECIPE_VERSION, Architecture, Recipe, RunDescription, TrainingSettings
from lira.core.errors import StoreError
from lira.evaluation.ranks import measure_ranks
from lira.report.plot import plot
from lira.report.tabulate import tabulate
from lira.shadows.gather import gather_shadows
from lira.storage import hdf5
from lira.storage.csv_files import COLUMNS, write_csv
from lira.storage.identity import models_identity
from lira.storage.models import models_file
from lira.storage.provenance import as_text, differences, duplicates, make_record, runs_of, trace
from lira.storage.run import RUN_KEYS, Run

MADE = {"study": "s", "dataset": "d", "architecture": "a", "regime": "baseline", "recipe_version": 1}
MADE |= {"protocol": "artifact", "device": "cpu", "versions": {"torch": "2.6", "lira": "1"}}


def run(folder, seed=0, **changes):
    """A run of two models of which nothing but their utility is known."""
    attributes = MADE | {"seed": seed, "recipe": {"epochs": 3, "dropout": seed / 10}, "sha256": f"{seed}"} | changes
    with hdf5.create(folder / "shadows.h5", "shadows", attributes) as file:
        file["member"] = np.eye(2, dtype=bool)
        for name in ("train_loss", "train_accuracy", "test_loss", "test_accuracy"):
            file[f"utility/{name}"] = [0.25, 0.5]
    return folder


def change(folder, **attributes):
    """Writes a run's files with other attributes."""
    for kind in ("shadows", "scores"):
        path = folder / f"{kind}.h5"
        with h5py.File(path, "r+") as file:
            path.unlink()
            with hdf5.create(path, kind, dict(file.attrs) | attributes) as changed:
                for name in file:
                    file.copy(name, changed)


@pytest.fixture
def table(tmp_path):
    """A table of two runs, in the layout of a study."""
    results = tmp_path / "results" / "s"
    output = results / "paper" / "tables" / "utility.csv"
    tabulate("utility", [run(results / "runs" / str(seed), seed) for seed in (0, 1)], output)
    return output


def test_duplicates_of_the_public_part_are_said_of_runs_that_are_fine_tuned(tmp_path):
    recipes = {"tl": {"start": "public"}, "aof": {"start": "scratch"}}
    runs = [Run(run(tmp_path / name, recipe=recipe, duplicates={"public": 3})) for name, recipe in recipes.items()]
    (said,) = duplicates(runs)
    assert "0 of the test set one in the pool, 3 of those that are pretrained on one in the pool): a model" in said
    assert duplicates(runs[1:]) == []


def test_a_table_names_its_runs_and_what_they_share(table):
    found = trace(table.with_suffix(".md"))
    assert trace(table) == trace(table.with_suffix(".tex")) == trace(table.with_suffix(".html")) == found
    assert found["made"] == {"from": "tables.utility", "options": {}}
    assert found["shared"]["recipe"] == {"epochs": 3} and found["shared"]["device"] == "cpu"
    assert found["shared"]["recipe_version"] == 1 and found["shared"]["versions"]["torch"] == "2.6"
    assert found["runs"] == {
        f"results/s/runs/d/a/baseline/seed{seed}/shadows.h5": {
            "recipe": {"dropout": seed / 10},
            "seed": seed,
            "sha256": f"{seed}",
        }
        for seed in (0, 1)
    }
    assert found["by"]["versions"]["numpy"] == np.__version__ and found["by"]["revision"]


def test_a_copy_is_known_by_its_content(table, tmp_path):
    results = tmp_path / "results"
    copy = shutil.copy(table, tmp_path / "from_a_mail.csv")
    assert trace(copy, results) == trace(table)
    with pytest.raises(StoreError, match="from_a_mail.csv does not say where it comes from, and no file of"):
        trace(copy, tmp_path / "nowhere")
    copy.write_text(copy.read_text().replace("0.375", "0.376"))
    with pytest.raises(StoreError, match="no file of"):
        trace(copy, results)
    table.write_text("d,a\n")
    with pytest.raises(StoreError, match="utility.csv does not say"):
        trace(table, results)


def test_hdf5_files_and_csv_of_a_run(table, tmp_path):
    folder = tmp_path / "results" / "s" / "runs" / "1"
    assert trace(folder / "shadows.h5")["recipe"] == {"epochs": 3, "dropout": 0.1}
    rows = pd.DataFrame([Run(folder).key]).reindex(columns=[*RUN_KEYS, *COLUMNS["metrics"]])
    write_csv(folder / "metrics.csv", rows)
    found = trace(folder / "metrics.csv")
    assert list(found["runs"]) == ["results/s/runs/d/a/baseline/seed1/shadows.h5"] and "by" not in found
    with pytest.raises(StoreError, match="none.csv does not exist"):
        trace(tmp_path / "none.csv")
    with pytest.raises(StoreError, match="is a folder: give a file of it"):
        trace(tmp_path)
    for name in ("a.h5", "a.png", "a.md"):
        (tmp_path / name).write_bytes(b"\x89HDF\r\n\x1a\n" if name == "a.h5" else b"<!-- lira: {1} -->\n")
        with pytest.raises(StoreError, match=r"a\.\w+ (is damaged|does not say)"):
            trace(tmp_path / name, tmp_path / "results")


def test_what_was_changed_by_hand_is_not_believed(table, tmp_path):
    with h5py.File(tmp_path / "results" / "s" / "runs" / "1" / "shadows.h5", "r+") as file:
        file.attrs["seed"] = 77
        path = Path(file.filename)
    with pytest.raises(StoreError, match=r"shadows.h5 is damaged \(Can't trust the attributes"):
        trace(path)
    for carried in ("[1]", '{"csv": 3}'):
        (tmp_path / "a.md").write_text(f"<!-- lira: {carried} -->\n")
        with pytest.raises(StoreError, match=r"a.md (is damaged \(what it carries is no record|does not say)"):
            trace(tmp_path / "a.md", tmp_path / "none")
    foreign = path.with_name("foreign.csv")
    foreign.write_text("a\n1\n")
    with pytest.raises(StoreError, match=r"foreign.csv does not say where it comes from"):
        trace(foreign, tmp_path / "none")


def test_copies_with_any_name_are_looked_for(table, tmp_path):
    results = tmp_path / "results"
    for name in ("copy", "copy.**", "copy.[", "copy.md"):
        copy = tmp_path / name
        copy.write_bytes(b"x" * results.stat().st_size)  # as long as a folder
        with pytest.raises(StoreError, match="does not say where it comes from, and no file of"):
            trace(copy, results)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", h5py.Empty("f4")),
        ("seed", np.array([b"a", b"b"])),
        ("recipe", 3),
        ("recipe", "{"),
        ("versions", h5py.Empty("f4")),
    ],
)
def test_attributes_that_the_suite_does_not_write_are_refused(tmp_path, name, value):
    file = run(tmp_path / "0") / "shadows.h5"
    with h5py.File(file, "r+") as opened:
        opened.attrs[name] = value
        with contextlib.suppress(TypeError):
            opened.attrs[hdf5.CHECKSUM] = hdf5._checksum(opened.attrs)
    with pytest.raises(StoreError, match="shadows.h5 is damaged"):
        trace(file, tmp_path)


def test_the_command_prints_it(table):
    done = subprocess.run(["lira", "provenance", table], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == trace(table)
    done = subprocess.run(["lira", "provenance", "/dev/null"], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.startswith("error: ") and len(done.stderr.splitlines()) == 1


def test_figures_say_it_and_show_what_differs(study, tmp_path):
    folder = shutil.copytree(study, tmp_path / "study")
    runs = [run_folder(folder, "fcn", "aof", seed) / "metrics.csv" for seed in (0, 1)]
    folders = [path.parent for path in runs]
    plot("thresholds", folders, tmp_path / "plain.pdf", fpr=0.01)
    found = trace(tmp_path / "plain.png")
    assert found == trace(tmp_path / "plain.pdf")
    assert found["made"] == {"from": "figures.thresholds", "options": {"fpr": "0.01"}}
    assert [name.split("/")[-2] for name in found["runs"]] == ["seed0", "seed1"]
    change(folders[0], device="cpu", recipe_version=1)
    change(folders[1], device="an (odd) \\ device", recipe_version=1)
    plot("thresholds", folders, tmp_path / "noted.pdf", fpr=0.01)
    assert trace(tmp_path / "noted.pdf") == trace(tmp_path / "noted.png")
    with Image.open(tmp_path / "plain.png") as plain, Image.open(tmp_path / "noted.png") as noted:
        shown = np.asarray(noted.convert("L"))
        assert noted.height > plain.height * 0.95 and (shown[-60:] < 128).any()
    change(folders[1], recipe_version=2)
    for call in (
        lambda: plot("thresholds", folders, tmp_path / "refused.pdf"),
        lambda: measure_ranks(folders, tmp_path / "refused"),
    ):
        with pytest.raises(StoreError, match=r"different recipe version: 1 \(.* 0\); 2 \(.* 1\) cannot stand side"):
            call()
    assert not list(tmp_path.glob("refused*"))


@pytest.mark.parametrize(("name", "value"), [("recipe_version", 2), ("protocol", "preprint")])
def test_one_study_is_of_one_protocol_and_recipe_version(tmp_path, name, value):
    folders = [run(tmp_path / "0"), run(tmp_path / "1", 1, **{name: value})]
    with pytest.raises(StoreError, match=f"{name.replace('_', ' ')}.* cannot stand side by side"):
        tabulate("utility", folders, tmp_path / "t.csv")
    assert not list(tmp_path.glob("t.*"))
    folders[1] = run(tmp_path / "2", 1, study="other", **{name: value})
    tabulate("utility", folders, tmp_path / "t.csv")
    for suffix in (".md", ".tex"):
        assert f"Made with different {name.replace('_', ' ')}:" in (tmp_path / "t").with_suffix(suffix).read_text()
    assert "Made with different study: s (d a baseline 0); other (d a baseline 1)." in (tmp_path / "t.md").read_text()
    with pytest.raises(StoreError, match="cannot stand side by side"):
        differences(runs_of(folders), compared=True)


def test_other_versions_and_devices_are_named(tmp_path):
    folders = [run(tmp_path / "0"), run(tmp_path / "1", 1, versions={"torch": "2.7", "lira": "1"}, device="H100")]
    tabulate("utility", folders, tmp_path / "t.csv")
    text = (tmp_path / "t.md").read_text()
    assert "Made with different torch: 2.6 (d a baseline 0); 2.7 (d a baseline 1)." in text
    assert "Made with different device: cpu (d a baseline 0); H100 (d a baseline 1)." in text
    assert "different lira" not in text and "different study" not in text
    assert not differences(runs_of(folders[:1]))
    mixed = [Run(run(tmp_path / "2", device="A100, H100"))]
    assert differences(mixed) == ["Made with different device: A100 (d a baseline 0); H100 (d a baseline 0)."]


def test_imported_runs_are_named_and_need_no_protocol(tmp_path):
    own, foreign = run(tmp_path / "0"), run(tmp_path / "1", 1, imported="x.npz", recipe_version=9, device="unknown")
    assert differences(runs_of([own, foreign])) == ["Imported, made elsewhere: d a baseline 1."]
    assert not differences(runs_of([foreign]))


def test_a_study_of_imported_runs_alone_says_that_nothing_was_trained(tmp_path):
    foreign, other = (run(tmp_path / f"{k}", k, imported="x.npz", remarks=["6 of 8 models"]) for k in (0, 1))
    assert differences(runs_of([foreign, other])) == ["Imported (d a baseline 0 and 1 more): 6 of 8 models."]
    tabulate("provenance", [foreign, other], tmp_path / "p.csv")
    nothing = "nothing on this machine: all scores were imported"
    assert f"Trained: {nothing}" in (tmp_path / "p.md").read_text() and trace(tmp_path / "p.csv")["trained"] == nothing
    tabulate("provenance", [foreign, run(tmp_path / "2", 2)], tmp_path / "p.csv")
    assert "Trained:" not in (tmp_path / "p.md").read_text() and "trained" not in trace(tmp_path / "p.csv")


def test_the_table_has_a_row_per_run_and_a_dash_for_what_is_not_known(tmp_path):
    made = {"revision": f"{'4f' * 20}-dirty", "data_sha256": "ab" * 32, "sha256": "cd" * 32}
    tabulate("provenance", [run(tmp_path / "0", **made), run(tmp_path / "1", 1)], tmp_path / "p.csv")
    data = pd.read_csv(tmp_path / "p.csv")
    assert list(data["revision"].dropna()) == [made["revision"]] and list(data["sha256"]) == [made["sha256"], "1"]
    first, second = ([c.strip() for c in row.split("|")] for row in (tmp_path / "p.md").read_text().splitlines()[2:4])
    head = [c.strip() for c in (tmp_path / "p.md").read_text().splitlines()[0].split("|")]
    first, second = (dict(zip(head, cells, strict=True)) for cells in (first, second))
    assert (first["Seed"], second["Seed"], first["Models"], first["Recipe version"]) == ("0", "1", "2", "1")
    assert first["Git revision"] == "4f4f4f4f4f4f-dirty" and first["Data"] == "ab" * 6
    assert first["φ and membership"] == "cd" * 6 and first["torch"] == "2.6" and first["Device"] == "cpu"
    assert second["Git revision"] == second["Data"] == second["h5py"] == "–"


def test_no_value_ends_the_comment(tmp_path):
    text = as_text(make_record("x --> <script>", {}, [Run(run(tmp_path / "0", imported="-->\n%"))]))
    assert "-->" not in text and "\n" not in text and json.loads(text)["shared"]["imported"] == "-->\n%"


SETTINGS = TrainingSettings(
    architecture=Architecture(family="fcn"),
    recipe=Recipe(query_views=1),
    recipe_version=RECIPE_VERSION,
    shadow_models=2,
    member_fraction=0.5,
    membership_draws="default_rng",
    store_logits=False,
    store_weights=False,
)
RUN = RunDescription(seed=0, **{name: MADE[name] for name in MADE if name in RunDescription.model_fields})


def shard(folder, first, value=None, **changes):
    """The receipt of a job of one model."""
    models = models_file(folder, first, first, models_identity(SETTINGS, 0, folder.parent / "data.h5"))
    attributes = SETTINGS.attributes(RUN) | {"data_sha256": "x", "first": first, "last": first}
    attributes |= {"device": "cpu", "revision": "r1", "versions": {"torch": "2.6", "lira": "1"}, "seconds": 1.5}
    attributes |= {"identity": models_identity(SETTINGS, 0, folder.parent / "data.h5")}
    with hdf5.create(models.path, "shard", attributes | changes) as file:
        file["phi"] = np.full((1, 3, 1), first if value is None else value, "f4")
        file["member"], file["utility/train_loss"] = np.ones((1, 3), bool), [0.0]
    return receipt_for(models)


def test_shards_of_several_machines_are_all_named(tmp_path):
    attributes = {"sha256": "x", "scale": 1.0, "classes": 2, "mean": [0.0], "std": [1.0]}
    with hdf5.create(tmp_path / "data.h5", "data", attributes) as file:
        file["pool/y"] = [0, 1, 0]

    def gathered(place, *shards):
        gather_shadows(SETTINGS, RUN, list(shards), tmp_path / "data.h5", tmp_path / place / "shadows.h5")
        return Run(tmp_path / place).attributes

    first = shard(tmp_path / "0", 0)
    second = shard(tmp_path / "1", 1, device="H100", revision="r2", versions={"torch": "2.7", "lira": "1"})
    found = gathered("several", first, second)
    assert found["device"] == "H100, cpu" and found["versions"] == {"torch": "2.6, 2.7", "lira": "1"}
    assert found["revision"] == "r1, r2" and found["protocol"] == "artifact"
    alike, other = shard(tmp_path / "a", 1), shard(tmp_path / "o", 1, value=7)
    assert gathered("alike", first, alike)["sha256"] == found["sha256"] != gathered("other", first, other)["sha256"]

"""Estimators as shadow models: the same numbers as a plain loop, the same bits from any job, and what is refused."""

import json
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from receipts import models_of, read_models
from sklearn.ensemble import RandomForestClassifier

from lira.config import RECIPE_VERSION, Dataset, RunDescription, TrainingSettings, check_section, load_study
from lira.core.errors import ConfigError, LiraError
from lira.core.plugins import code_digest
from lira.cost import Rehearsals, unit
from lira.datasets import Part, prepare_data
from lira.report.tables import utility
from lira.shadows.estimators import Records, bound_of, features, fit
from lira.shadows.gather import gather_shadows
from lira.shadows.jobs import train_shadows
from lira.shadows.membership import balanced_membership
from lira.shadows.rehearsal import rehearse_models
from lira.shadows.rng import INITIAL, generator
from lira.storage.identity import differing_settings
from lira.storage.provenance import differences
from lira.storage.run import Run
from lira.workflow import Plan

FOREST = {"estimator": "sklearn.ensemble.RandomForestClassifier", "params": {"n_estimators": 5}}
RUN = RunDescription(study="s", dataset="rows", architecture="a", regime="r", seed=3)
OWN = """
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

class Guess:
    def __init__(self, random_state, noise=0.1):
        self.rng, self.noise = np.random.default_rng(random_state), noise

    def fit(self, x, y):
        assert y.dtype.kind == "i" and set(y) == set(range(y.max() + 1)) and x.dtype == np.float64
        self.classes = y.max() + 1

    def predict_proba(self, x):
        return self.rng.dirichlet(np.ones(self.classes), len(x))

class Wide(Guess):
    def predict_proba(self, x):
        return np.ones((len(x), 7)) / 7

class Odd(Guess):
    def predict_proba(self, x):
        return super().predict_proba(x) * np.nan

class Stops(Guess):
    def fit(self, x, y):
        raise ValueError("out of memory, or so")

def piped():
    return make_pipeline(DecisionTreeClassifier(max_features=1, max_depth=1))

class Ordered(Guess):
    order = [1, 0, 2]

    def fit(self, x, y):
        super().fit(x, y)
        self.classes_ = np.array([label for label in self.order if label < self.classes])

    def predict_proba(self, x):
        return np.repeat([[0.5, 0.3, 0.2][: self.classes]], len(x), 0) / (1 if self.classes == 3 else 0.8)

class Twice(Ordered):
    order = [0, 0, 1]

class Names(Ordered):
    def fit(self, x, y):
        super().fit(x, y)
        self.classes_ = self.classes_.astype(str)

SHARED = LogisticRegression(warm_start=True, max_iter=1)

def shared():
    return SHARED

def shares():
    return make_pipeline(SHARED)

def made():
    return LogisticRegression(warm_start=True, max_iter=1)

class Locked(Guess):
    def __init__(self, random_state=None):
        super().__init__(random_state)
        self.numpy = np  # which cannot be copied

LOCKED = Locked()

def locked():
    return LOCKED

class Hard(SVC):
    pass

class Touches:
    def __init__(self, path):
        open(path, "w").close()

def touches(path):
    open(path, "w").close()
"""
ROWS = 60


def settings(models=4, test_set="nonmembers", logits=False, **architecture):
    values = {
        "recipe_version": RECIPE_VERSION,
        "architecture": {"family": "sklearn"} | (architecture or FOREST),
        "recipe": {"test_set": test_set},
        "shadow_models": models,
        "member_fraction": 0.5,
        "membership_draws": "default_rng",
        "store_logits": logits,
        "store_weights": False,
    }
    return check_section("settings", TrainingSettings, values)


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Three classes, of which the last has two rows: half of the models hold none or both of them."""
    rng = np.random.default_rng(0)
    y = np.array([0, 1] * (ROWS // 2 - 1) + [2, 2])
    np.savez(tmp_path / "rows.npz", x=3 + rng.normal(size=(ROWS, 4)) + y[:, None], y=y)
    prepare_data(
        Dataset(source="file", path=str(tmp_path / "rows.npz"), kind="tabular", pool="train"),
        None,
        0,
        tmp_path / "d.h5",
    )
    (tmp_path / "own_estimators.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path / "d.h5"


def train(data, made, first=0, last=3, folder="run"):
    output = data.parent / folder / f"{first}-{last}.json"
    train_shadows(made, RUN, data, first, last, output)
    return output


def plain(data):
    """Members, probabilities, φ and classes of the same forests, which know the suite's random states and members."""
    with h5py.File(data) as file:
        x, y = file["pool/x"][:].astype(float), file["pool/y"][:]
    x = (x - x.mean(0)) / x.std(0)
    for model, held in enumerate(balanced_membership(ROWS, 4, 0.5, RUN.seed, generator="default_rng")):
        state = generator(RUN.seed, model, INITIAL).initial_seed() % 2**31
        forest = RandomForestClassifier(n_estimators=5, random_state=state).fit(x[held], y[held])
        p = np.zeros((ROWS, 3))
        p[:, forest.classes_] = forest.predict_proba(x)
        p_true, p_other = p[np.arange(ROWS), y], np.where(np.eye(3)[y], 0, p).sum(1)
        with np.errstate(divide="ignore"):
            phi = np.log(p_true) - np.log(p_other)
        phi[np.isposinf(phi)] = np.abs(phi[np.isfinite(phi)]).max() + np.log(2)
        phi[np.isneginf(phi)] = -np.abs(phi[np.isfinite(phi)]).max()
        yield held, p, phi, y


def test_models_are_those_of_a_plain_loop(data):
    found = read_models(train(data, settings(logits=True)))
    for model, (held, p, phi, y) in enumerate(plain(data)):
        np.testing.assert_array_equal(found["member"][model], held)
        np.testing.assert_allclose(np.exp(found["logits"][model, :, 0]), p, rtol=1e-6)
        np.testing.assert_allclose(found["phi"][model, :, 0], phi, rtol=1e-6)
        for of, rows in (("train", held), ("test", ~held)):
            assert found[f"utility/{of}_loss"][model] == pytest.approx(np.log1p(np.exp(-phi[rows])).mean())
            assert found[f"utility/{of}_accuracy"][model] == (p.argmax(1) == y)[rows].mean()
        assert found["utility/clipped"][model] == np.isin(p[np.arange(ROWS), y], [0, 1]).mean() > 0
    lacking = [model for model, (held, _, _, y) in enumerate(plain(data)) if 2 not in y[held]]
    assert lacking and np.isneginf(found["logits"][lacking, :, 0, 2]).all()


def test_models_are_the_same_bit_for_bit_from_any_job(data, monkeypatch):
    whole = read_models(train(data, settings()))
    train(data, settings(), 0, 1, "shards")
    second = read_models(train(data, settings(), 2, 3, "shards"))
    for name, values in second.items():
        np.testing.assert_array_equal(values, whole[name][2:], err_msg=name)
    monkeypatch.setattr("lira.shadows.estimators.fit", None)  # all are taken over
    (data.parent / "shards" / "0-3.json").unlink(missing_ok=True)
    taken = train(data, settings(), 0, 3, "shards")
    assert len(models_of(taken)) == 2


def test_a_job_that_is_stopped_keeps_the_models_that_are_finished(data, monkeypatch):
    from lira.shadows import estimators

    fit, asked = estimators.fit, []

    def stopping(architecture, records, seed, model, pace=None):
        asked.append(model)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return fit(architecture, records, seed, model, pace)

    monkeypatch.setattr(estimators, "fit", stopping)
    with pytest.raises(KeyboardInterrupt):
        train(data, settings())
    found = read_models(train(data, settings()))
    assert asked == [0, 1, 2, 2, 3]
    for name, values in read_models(train(data, settings(), folder="again")).items():
        np.testing.assert_array_equal(values, found[name])


@pytest.mark.parametrize("name", ["Guess", "piped"])
def test_own_classes_and_pipelines_get_random_states(data, name):
    place = f"own_estimators.{name}"
    made = settings(estimator=place)
    coded = made.model_copy(update={"code": {f"own_estimators:{name}": code_digest(f"own_estimators:{name}")}})
    first, second = (read_models(train(data, coded, folder=folder))["phi"] for folder in "ab")
    np.testing.assert_array_equal(first, second)
    assert (first[0] != first[1]).any()


@pytest.mark.parametrize(
    ("estimator", "params", "said"),
    [
        ("sklearn.ensemble.RandomForest", {}, "module sklearn.ensemble has no function RandomForest$"),
        ("sklearn.ensemble.RandomForestClassifier", {"trees": 5}, "RandomForestClassifier failed: .*'trees'"),
        ("sklearn.preprocessing.StandardScaler", {}, "StandardScaler has no predict_proba: allowed are classes with"),
        ("own_estimators.Hard", {}, "own_estimators.Hard has no predict_proba"),
        ("own_estimators.Wide", {}, r"Wide.predict_proba gives \[60, 7\]: allowed is \[60, [23]\]"),
        ("own_estimators.Odd", {}, r"Odd.predict_proba gives \[nan, .* for a sample: allowed are numbers from 0 to 1"),
        (
            "own_estimators.Twice",
            {},
            r"Twice.classes_ is \[0, 0(, 1)?\]: allowed are .* 0 to [12], each once, in the order",
        ),
        ("own_estimators.Names", {}, r"Names.classes_ is \['1', '0'(, '2')?\]: allowed are the classes that fit was"),
        (
            "own_estimators.locked",
            {},
            "own_estimators.locked gives the same object in each call, which cannot be copied",
        ),
        ("own_estimators.Stops", {}, "own_estimators.Stops.fit failed: ValueError.*out of memory, or so"),
        ("sklearn.tree.DecisionTreeClassifier", {}, "gives only probabilities of 0 and 1, .*: set clip, the smallest"),
    ],
)
def test_what_cannot_be_a_shadow_model_is_refused_in_a_sentence(data, estimator, params, said):
    made = settings(estimator=estimator, params=params)
    with pytest.raises(ConfigError, match=f"^runs.rows/a/r: .*{said}"):
        train(data, made)
    found = rehearse_models(made, "rows/a/r", "spec", data, data.parent / "rehearsal.json", "cpu", 1)
    assert found.failed.startswith("runs.rows/a/r: ") and found.seconds == 0


def test_columns_are_of_the_classes_that_the_estimator_names(data):
    found = read_models(train(data, settings(logits=True, estimator="own_estimators.Ordered")))
    p = np.exp(found["logits"][:, 0, 0])
    expected = {2: [0.375, 0.625, 0], 3: [0.3, 0.5, 0.2]}
    np.testing.assert_allclose(p, [expected[np.count_nonzero(row)] for row in p], rtol=1e-6)


@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
@pytest.mark.parametrize("name", ["shared", "shares"])
def test_no_model_starts_from_another_where_a_function_shares_an_object(data, name):
    phi, plain = (
        read_models(train(data, settings(estimator=f"own_estimators.{each}"), folder=each))["phi"]
        for each in (name, "made")
    )
    np.testing.assert_array_equal(phi, plain)


def test_an_object_that_cannot_be_copied_is_used_as_it_is(data):
    guess, same = (
        read_models(train(data, settings(estimator=f"own_estimators.{each}"), folder=each))["phi"]
        for each in ("Guess", "Locked")
    )
    np.testing.assert_array_equal(guess, same)


def test_members_of_one_class_are_refused():
    pool = Part(np.zeros((6, 1)), np.array([1, 1, 1, 0, 0, 0]), 1.0, np.zeros(1), np.ones(1), 2)
    records = Records(pool, None, np.array([pool.y == 1]))
    said = "^the members of model 0 are all of class 1: sklearn.ensemble.RandomForestClassifier needs two classes"
    with pytest.raises(ConfigError, match=said):
        fit(settings().architecture, records, 0, 0)


@pytest.mark.parametrize("name", ["Touches", "touches"])
def test_a_study_file_gives_params_to_no_other_class_and_to_no_function(data, name):
    said = "has no fit and no predict_proba" if name == "Touches" else "is a function, but params are given"
    made = settings(estimator=f"own_estimators.{name}", params={"path": str(data.parent / "touched")})
    with pytest.raises(ConfigError, match=f"own_estimators.{name} {said}: allowed are"):
        train(data, made)
    assert not (data.parent / "touched").exists()


def test_a_rehearsal_says_what_a_model_takes(data):
    found = rehearse_models(settings(), "rows/a/r", "spec", data, data.parent / "rehearsal.json", "cpu", 1)
    assert not found.failed and found.device == "cpu" and found.seconds > 0 and found.memory > 10
    assert found.disk == 2 * 5 * ROWS + 41 * ROWS


def test_features_are_normalised_by_channel_and_flattened():
    x = np.arange(48, dtype=np.uint8).reshape(2, 3, 2, 4)
    mean, std = np.array([0.1, 0.2, 0.3]), np.array([1.0, 2.0, 4.0])
    rows = features(Part(x, np.zeros(2, int), 255.0, mean, std, 2)).x
    assert rows.shape == (2, 24) and rows.dtype == np.float64
    assert rows[1, 8 + 5] == pytest.approx((x[1, 1, 1, 1] / 255 - 0.2) / 2)


def test_clipping_has_a_default_and_a_setting():
    phi = np.array([-np.inf, -1.5, 0.5, np.inf])
    assert bound_of(phi, None, "") == pytest.approx(1.5 + np.log(2))
    assert bound_of(np.zeros(2), None, "") == pytest.approx(np.log(2))
    assert bound_of(phi, 0.25, "") == bound_of(phi[[0, 3]], 0.25, "") == pytest.approx(np.log(3))
    with pytest.raises(ConfigError, match="set clip"):
        bound_of(phi[[0, 3]], None, "")


@pytest.mark.parametrize(
    ("clip", "said"),
    [(None, "of 0 or 1, where 0 was taken as half of"), (0.2, "below 0.2 or above 0.8, and were clipped to these")],
)
def test_tables_say_which_share_was_clipped(data, clip, said):
    made = settings(**FOREST, clip=clip)
    output = data.parent / "results/s/runs/rows/a/r/seed3/shadows.h5"
    gather_shadows(made, RUN, [train(data, made)], data, output)
    run = Run(output.parent)
    share = run.utility["clipped"].mean()
    assert 0 < share < 1
    assert differences([run]) == [
        f"Trained (rows a r 3): {100 * share:.3g} % of the values of φ are of "
        f"probabilities {run.attributes['remarks'][0].split('probabilities ')[1]}."
    ]
    assert said in run.attributes["remarks"][0]
    assert run.recipe["test_set"] == "nonmembers" and run.recipe["epochs"] is None
    shown = utility.table([run]).text["φ clipped (%)"].item()
    assert float(shown.split(" ±")[0]) == pytest.approx(100 * share, abs=0.01)
    assert "sklearn" in run.attributes["versions"] and not differing_settings(made, run.attributes)
    assert differing_settings(settings(**FOREST, clip=0.3), run.attributes) == ["architecture"]


def study(protocol="artifact", recipe=None, architecture=None, **changes):
    return load_study(
        {
            "study": "s",
            "protocol": protocol,
            "shadow_models": 8,
            "datasets": {"rows": {"source": "synthetic", "test": 100, "pool": "train"}},
            "architectures": {"forest": {"family": "sklearn"} | FOREST | (architecture or {})},
            "regimes": {"r": recipe or {}},
            "runs": {"rows/forest/r": {}},
        }
        | changes
    )


def test_jobs_of_estimators_ask_for_no_gpu_in_a_study_that_has_one(tmp_path):
    architectures = {"forest": {"family": "sklearn"} | FOREST, "net": {"family": "fcn"}}

    def of(*names):
        return study(device="cuda", architectures=architectures, runs={f"rows/{name}/r": {} for name in names})

    rehearsals = Rehearsals(Plan(of("forest", "net"), results=tmp_path))
    for architecture, device, gpus in (("forest", "cpu", 0), ("net", "cuda", 1)):
        job = SimpleNamespace(dataset="rows", architecture=architecture, regime="r")
        for asked in (job, SimpleNamespace(name=f"rows/{architecture}/r")):
            assert (rehearsals.device(asked), rehearsals.gpus(asked)) == (device, gpus)
    assert [unit(of(*names)) for names in (["forest", "net"], ["forest"], ["net"])] == ["GPU/Core", "Core", "GPU"]


@pytest.mark.parametrize("protocol", ["artifact", "preprint"])
def test_what_is_stored_of_a_recipe_is_what_is_asked(protocol):
    asked = study(protocol).training_settings("rows/forest/r")
    assert not differing_settings(asked, json.loads(json.dumps(asked.attributes(RUN))))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"recipe": {"epochs": 5}}, "^runs.rows/forest/r: epochs means nothing for forest, an estimator: allowed of a"),
        ({"recipe": {"dropout": 0.1, "augment": ["mixup"]}}, "augment, dropout mean nothing for forest"),
        ({"runs": {"rows/forest/r": {"query_views": 1}}}, "query_views means nothing"),
        ({"store_weights": True}, "^store_weights is true: allowed is false, as runs.rows/forest/r trains estimators"),
        ({"architecture": {"params": {"random_state": 0}}}, "params.random_state is given: leave it out"),
        ({"architecture": {"params": {"C": float("nan")}}}, "params is .*: allowed are text, finite numbers"),
        ({"architecture": {"estimator": None}}, "estimator is missing: sklearn needs a class"),
        ({"architecture": {"estimator": "Forest"}}, "forest.estimator is 'Forest': allowed is the path of a class"),
        ({"architecture": {"clip": 0.5}}, "clip"),
        ({"architecture": {"family": "fcn"}}, "estimator is 'sklearn.*': fcn takes none, sklearn does"),
    ],
)
def test_what_means_nothing_is_refused_before_anything_runs(changes, said):
    assert study(recipe={"test_set": "nonmembers"}).recipe_of("rows/forest/r").test_set == "nonmembers"
    with pytest.raises(LiraError, match=said):
        study(**changes)

import itertools

import numpy as np
import pandas as pd
import pytest
from synthetic_study import FPRS, run_folder

from lira.evaluation.attack_overlap import attack_overlap, detections_by_attack, independent, measure_overlap
from lira.storage.csv_files import COLUMNS, read_csv
from lira.storage.run import RUN_KEYS

ATTACKS = ["online", "rmia", "mine"]


def world(targets=8, samples=60, seed=0):
    """Scores of three attacks, of which two are much alike, thresholds and membership."""
    rng = np.random.default_rng(seed)
    member = rng.permuted(np.arange(targets)[:, None] < np.full((1, samples), targets // 2), axis=0)
    base = rng.normal(size=member.shape) + member
    scores = {"online": base, "rmia": base + 0.3 * rng.normal(size=member.shape), "mine": rng.normal(size=member.shape)}
    return scores, {name: np.full(targets, 1.5) for name in scores}, member


def sets_of(scores, thresholds, member, support, without=None):
    """The detections, or with a support the records, that each attack flags, as Python sets."""
    targets = [target for target in range(len(member)) if target != without]
    found = {}
    for name, values in scores.items():
        hits = [
            (t, j)
            for t in targets
            for j in range(member.shape[1])
            if member[t, j] and values[t, j] >= thresholds[name][t]
        ]
        records = [j for _, j in hits]
        found[name] = set(hits) if support is None else {j for j in records if records.count(j) >= support}
    return found


def plainly(sets, chosen):
    inside = set.intersection(*(sets[name] for name in chosen))
    union = set.union(*(sets[name] for name in chosen))
    others = set().union(*(flagged for name, flagged in sets.items() if name not in chosen))
    return len(inside), len(inside - others), len(inside) / len(union) if union else np.nan, len(union)


@pytest.mark.parametrize("support", [None, 1, 2])
def test_it_is_what_python_sets_give(support):
    scores, thresholds, member = world()
    found = attack_overlap(detections_by_attack(scores, thresholds, member), member, ATTACKS, (1, 2))
    rows = found[found["unit"] == "detections"] if support is None else found[found["support"] == support]
    assert (rows["unit"] == ("detections" if support is None else "records")).all()
    sets = sets_of(scores, thresholds, member, support)
    left = [sets_of(scores, thresholds, member, support, without=target) for target in range(len(member))]
    for row in rows.itertuples():
        chosen = row.attacks.split()
        expected = plainly(sets, chosen)
        np.testing.assert_allclose((row.intersection, row.exactly, row.jaccard, row.union), expected)
        again = np.array([plainly(one, chosen) for one in left])
        error = np.sqrt((len(left) - 1) / len(left) * ((again - again.mean(axis=0)) ** 2).sum(axis=0))
        for place, name in enumerate(("intersection", "exactly", "jaccard")):
            most = 1 if name == "jaccard" else np.inf
            least = 1 / max(expected[3], 1) if name == "jaccard" else 1
            error[place] = max(error[place], least)
            ends = np.clip(expected[place] + np.array([-1.959964, 1.959964]) * error[place], 0, most)
            np.testing.assert_allclose((getattr(row, f"{name}_low"), getattr(row, f"{name}_high")), ends, rtol=1e-4)
    exact = {
        frozenset(group): plainly(sets, group)[1] for k in (1, 2, 3) for group in itertools.combinations(ATTACKS, k)
    }
    assert sum(rows["exactly"]) == sum(exact.values()) == len(set.union(*sets.values()))
    listed = {frozenset(names.split()) for names in rows["attacks"]}
    assert listed >= {group for group, count in exact.items() if count or len(group) != 2}
    assert rows["attacks"].is_unique and rows["number"].is_monotonic_increasing


def test_independent_attacks_of_the_same_size():
    scores, thresholds, member = world(samples=40)
    detected = detections_by_attack(scores, thresholds, member)
    found = attack_overlap(detected, member, ATTACKS, (1,)).set_index(["unit", "attacks"])
    rng, drawn = np.random.default_rng(1), []
    for _ in range(400):
        again = np.zeros_like(detected)
        for bit in range(3):
            for target, held in enumerate(member):
                again[target, held] |= rng.permutation(((detected[target, held] >> bit) & 1).astype(np.uint16)) << bit
        drawn.append(attack_overlap(again, member, ATTACKS, ()).set_index("attacks")[["intersection", "exactly"]])
    mean = sum(drawn, start=0 * drawn[0]) / len(drawn)
    for names in ("online rmia", "rmia mine", "online rmia mine"):
        row = found.loc[("detections", names)]
        np.testing.assert_allclose(row["intersection_chance"], mean.loc[names, "intersection"], rtol=0.1)
        assert row["exactly_chance"] == pytest.approx(mean.loc[names, "exactly"], rel=0.1)
    records = found.loc["records"]
    share = records.loc[ATTACKS, "intersection"].to_numpy(float) / 40
    assert records.loc["online rmia", "intersection_chance"] == pytest.approx(40 * share[0] * share[1])
    assert records.loc["online", "exactly_chance"] == pytest.approx(40 * share[0] * (1 - share[1]) * (1 - share[2]))
    either = share[0] + share[2] - share[0] * share[2]
    assert records.loc["online mine", "jaccard_chance"] == pytest.approx(share[0] * share[2] / either)
    assert independent(share, 40).sum() == pytest.approx(40)


def test_attacks_that_know_nothing_agree_by_chance_alone():
    rng, inside = np.random.default_rng(3), 0
    for _ in range(40):
        member = rng.permuted(np.arange(16)[:, None] < np.full((1, 300), 8), axis=0)
        detected = ((rng.random(member.shape) < 0.1) * 1 + (rng.random(member.shape) < 0.1) * 2).astype(
            np.uint16
        ) * member
        row = attack_overlap(detected, member, ["a", "b"], (1,)).query("unit == 'records' and attacks == 'a b'").iloc[0]
        inside += row["intersection_low"] <= row["intersection_chance"] <= row["intersection_high"]
    assert inside >= 34


def test_edges():
    scores, thresholds, member = world()
    nothing = detections_by_attack(scores, dict.fromkeys(scores, np.full(8, np.inf)), member)
    found = attack_overlap(nothing, member, ATTACKS, (1,))
    assert not nothing.any() and (found["union"] == 0).all() and found["jaccard"].isna().all()
    missing = {"online": np.full(member.shape, np.nan)}
    assert not detections_by_attack(missing, thresholds, member).any()
    alone = detections_by_attack({"online": scores["online"]}, thresholds, member)
    found = attack_overlap(alone, member, ["online"], (1, 100))
    assert found["attacks"].tolist() == ["online"] * 3 and found["exactly"].tolist()[-1] == 0
    one = attack_overlap(alone[:1], member[:1], ["online"], (1,))
    assert one["intersection"].notna().all() and one["intersection_low"].isna().all()


def test_file(study, tmp_path):
    place = run_folder(study, "fcn", "aof")
    found = pd.read_csv(place / "attack_overlap.csv")
    assert list(found) == [*RUN_KEYS, *COLUMNS["attack_overlap"]]
    assert sorted(found["fpr"].unique()) == sorted(FPRS)
    null = read_csv(place / "null_attack_overlap.csv", "null_attack_overlap").set_index(["fpr", "support", "attacks"])
    row = found[(found["fpr"] == FPRS[1]) & (found["support"] == 1)].set_index("attacks").loc["online offline"]
    for name in ("intersection", "exactly", "jaccard"):
        assert row[f"{name}_null"] == null.loc[(FPRS[1], 1, "online offline"), name]
    counts = pd.read_csv(place / "samples.csv").query(f"fpr == {FPRS[1]}")
    sizes = found[(found["fpr"] == FPRS[1]) & (found["attacks"] == "online")].set_index("support")["intersection"]
    assert sizes[1] == (counts["tp"] >= 1).sum() and sizes[3] == (counts["tp"] >= 3).sum()
    assert sizes[sizes.index.isna()].iloc[0] == counts["tp"].sum()
    assert not found["attacks"].str.contains("oracle|coin|global").any()
    measure_overlap(place / "scores.h5", place / "metrics.csv", tmp_path / "attack_overlap.csv", (7,))
    assert set(pd.read_csv(tmp_path / "attack_overlap.csv")["support"].dropna()) == {7}

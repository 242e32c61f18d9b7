from synthetic_study import RUNS, run_folder


def test_benchmarks_lists_each_recipe_with_its_seeds(make, study):
    data, path = make("benchmarks", [run_folder(study, *key, seed) for key, seeds in RUNS.items() for seed in seeds])
    assert len(data) == len(RUNS)
    row = data.query("architecture == 'fcn' and regime == 'aof'").iloc[0]
    assert (row["seeds"], row["pool"], row["shadow_models"], row["classes"]) == ("0 1 2", 240, 16, 10)
    assert row["augment"] == "FLP+CRP"
    assert "CRP crop, FLP flip." in path.with_suffix(".md").read_text()

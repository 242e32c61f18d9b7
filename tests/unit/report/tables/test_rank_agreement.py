def test_rank_agreement(make):
    data, path = make("rank_agreement")
    assert list(data["selection"].unique()) == ["Median gap", "Mean gap", "Flagged at 0.1 % FPR", "Flagged at 1 % FPR"]
    assert {"top 5 %", "tp ≥ 1", "tp ≥ 1, fp = 0"} < set(data["set"])
    assert set(data["reference"]) == {"Digits FCN AOF"}
    assert "at 0 FP" in path.with_suffix(".md").read_text()
    only, _ = make("rank_agreement", gap="mean")
    assert set(only["gap"].dropna()) == {"mean"}

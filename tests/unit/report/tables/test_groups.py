"""The table of classes, against the run's own file."""

from synthetic_study import run_folder
from table_files import rows_of

from lira.report.numbers import span
from lira.storage.run import Run


def test_groups(make, study):
    data, path = make("groups", [run_folder(study, "fcn", "baseline")])
    groups = Run(run_folder(study, "fcn", "baseline")).groups
    assert set(data["by"]) == {"class"} and len(data) == (groups["fpr"] == 0.01).sum()
    heading, whole, *classes = rows_of(path)
    assert whole[heading.index("Group")] == "all" and len(classes) == 10
    first = dict(zip(heading, classes[0], strict=True))
    rows = groups.query("fpr == 0.01 and attack == 'online' and group == @first['Group']").set_index(
        ["metric", "prior"]
    )
    tpr, ppv = rows.loc["tpr"].iloc[0], rows.loc["ppv_pooled", 0.01]
    assert first["TPR′ (%)"] == f"{100 * tpr['value']:.2f} {span(100 * tpr['low'], 100 * tpr['high'], '{:.2f}'.format)}"
    assert first["p, TPR′"] == f"{tpr['p_value']:.3f}" and first["Samples"] == str(tpr["samples"])
    assert first["PPV (%)"].startswith(f"{100 * ppv['value']:.2f} [")

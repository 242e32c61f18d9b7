"""Single records: how often the attack detects them in each run, and the PPV of a flag at each prior."""

from collections.abc import Sequence

from lira.evaluation.records import delta_of
from lira.report.catalogue import Entry
from lira.report.labels import percent, show
from lira.report.numbers import means, numbers, ppv
from lira.report.records import COUNT, cards_of, of_all, priors_of
from lira.report.runs import in_order
from lira.report.table import Table
from lira.storage.run import Run

ENTRY = Entry(
    title="The most exposed records, in numbers",
    category="Answer",
    drawn_from="network seeds",
    files=("samples.csv", "metrics.csv", "privacy.csv"),
    caption=(
        "The records that most runs find highly vulnerable (fp = 0, tp ≥ 1) at the smallest FPR that their pools "
        "resolve, with a row per run and attack: how many of the models trained with the record flag it, how many of "
        "those trained without it, what a flag is worth at each prior with its lower bound, and the largest ε that the "
        "counts refute. ``lira record`` shows any other record."
    ),
)

CALLED = {"id": "ID", "class_name": "Class", "group": "Group"}
"""What a record may be called besides its index in the pool."""

CHOSEN = (
    "The records were picked as the most exposed of the whole pool, and the bounds of the PPV do not allow for that "
    "choice: each holds for a record named beforehand; for the most extreme of many, the confidence is below 95 %. "
    "Those on ε hold for all records and attacks of a run together."
)
"""Note on records that were not named."""


def table(runs: Sequence[Run], sample: int | None = None, fpr: float | None = None, count: int = COUNT) -> Table:
    """Makes a row per record, run and attack: φ in and out, detections, false alarms, and PPV with its lower bound.

    Args:
        runs: The runs of one pool.
        sample: Index in the pool; the most exposed records if not given.
        fpr: Target FPR; the smallest that the pools resolve if not given.
        count: Number of records to show if none is named.
    """
    data = cards_of(in_order(runs), sample, fpr, count)
    named = {"record": "Record", **{name: title for name, title in CALLED.items() if name in data}, "run": "Run"}
    text = data[[*named]].astype(str).set_axis([*named.values()], axis=1)
    attacks = list(dict.fromkeys(data["attack"]))
    if len(attacks) > 1:
        text["Attack"] = data["attack"].map(show)
    keys = len(text.columns)
    for side in ("in", "out"):
        text[f"φ {side}"] = means(data, f"phi_{side}", 2)
    text["Detected"] = of_all(data["tp"], data["fn"])
    text["False alarms"] = of_all(data["fp"], data["tn"])
    for prior in priors_of(data):
        pairs = data[[f"ppv_{prior:g}", f"least_{prior:g}"]].itertuples(index=False)
        text[f"PPV (%) at π = {percent(prior)}"] = [ppv(*pair) for pair in pairs]
    text["ε ≥"] = numbers(data["epsilon"], 2)
    first = data.iloc[0]
    note = (
        f"{show(first['dataset'])}, {' and '.join(map(show, attacks))} at the shadow models' thresholds for "
        f"{percent(first['fpr'])} FPR. "
        "Detected: models trained with the record that flag it; false alarms: models trained without it that do. "
        "PPV: of this record's own rates; ≥: its lower bound at 95 % confidence. ε ≥: the largest ε that the counts "
        f"refute at δ = {delta_of(runs[0]):g}; 0 refutes nothing."
    )
    return Table(data, text, keys, [note] if sample is not None else [note, CHOSEN])

"""The building blocks of a study: datasets, architectures, augmentations, and the presets of the protocols."""

from collections.abc import Iterable
from typing import Any, Literal, get_args

RECIPE_VERSION = 9
"""Part of every training job's parameters: raise it when a change to the code may change a model."""

MOST_RUNS = 20
"""Largest number of runs (seeds and variants) in one comparison, which counts all subsets of them."""

DATASETS: dict[str, str | None] = {
    "digits": "image",
    "cifar10": "image",
    "cifar100": "image",
    "gtsrb": "image",
    "purchase100": "tabular",
    "location30": "tabular",
    "synthetic": "tabular",
    "file": None,
}
"""Datasets that the suite can load, and the type of their samples; for a file or a function, ``kind`` states it."""

RAW = ("cifar10", "cifar100", "gtsrb", "purchase100", "location30")
"""Datasets whose raw files are checked and, except for purchase100, downloaded."""

FAMILIES = {"fcn": "tabular", "resnet": "image", "wideresnet": "image", "timm": "image", "sklearn": "tabular"}
"""Architecture families and the samples that they accept; with ``flatten``, fcn and sklearn accept images too."""

IN_COHORTS = ("fcn", "resnet", "wideresnet")
"""Families whose models can be trained together as one batched computation."""

OF_ESTIMATORS = ("test_set", "query_views")
"""What the recipe of an estimator says, of family sklearn; it has one view."""

ESTIMATOR = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$"

Augmentation = Literal["flip", "crop", "rotate", "jitter", "cutout", "cutmix", "mixup"]
AUGMENTATIONS: dict[str, str] = dict.fromkeys(get_args(Augmentation), "image") | {"mixup": "any"}
"""Augmentations and the samples that they accept."""

DELTA = 1e-5
"""δ of bounds on ε, unless a study says another."""

PAPER_ATTACKS = ("online", "online_fixed", "offline", "offline_fixed", "global")
ATTACKS = (
    *PAPER_ATTACKS,
    *("rmia", "rmia_offline", "base", "base_offline", "moderated", "offline_moderated", "reference"),
)
"""The suite's attacks, in the order of tables; a study that names none has the paper's."""

SUPPORTS = (1, 2, 3, 4, 5, 10, 20, 64)
"""Fewest detections from which a record counts as flagged; a study that names none has these."""

AUDITED = ("summary.csv", "records.csv", "groups.csv", "audit.json")
"""What the audit of a given model writes, besides its page."""

FUNCTION = r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$"
"""Pattern of the user's own dataset, architecture or attack; :data:`FORM` describes it in messages."""

FORM = "package.module:function"

PUBLISHED = {"offline": "two-sided", "cut": True, "rank_samples": 50_000}
"""Options of the study that are the same in both codes, with their values there."""

PROTOCOLS: dict[str, dict[str, dict[str, Any]]] = {
    "artifact": {
        "study": PUBLISHED | {"pool": "train", "membership_draws": "default_rng"},
        "recipe": {
            "query_batchnorm": "batch",
            "query_dropout": True,
            "query_stride": 1,
            "test_set": "test",
            "crop_padding": "zeros",
        },
    },
    "preprint": {
        "study": PUBLISHED | {"pool": "train+test", "membership_draws": "legacy"},
        "recipe": {
            "query_batchnorm": "running",
            "query_dropout": False,
            "query_stride": 2,
            "test_set": "nonmembers",
            "crop_padding": "reflect",
        },
    },
}
"""Options in which the released code and the preprint's code differ, as defaults of the study and its recipes.

Each option can be set by itself. Where both codes differ from the paper's text (CutMix and rotation on half of the
batches and images, MixUp's Beta(1, 1), one-sided offline attacks), the text's value is an option too.
"""

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$"
LONGEST_NAME = 40  # characters: the name of a file has three names and more, and file systems allow 255
NAMED = f"up to {LONGEST_NAME} letters, digits and _ . + -, of which the first is a letter or a digit"
ACTIVE = "<>\"'`$;&|*?!\\{}"  # shells, HTML or Snakemake may act on these characters, so that paths have none


def main_attack(attacks: Iterable[str]) -> str:
    """Returns the attack that counts and ranks of records are of: online, or the first that has shadow models."""
    names = list(attacks)
    return "online" if "online" in names else next((name for name in names if name not in ("global", "member")), "")

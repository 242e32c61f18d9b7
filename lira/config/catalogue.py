"""What a study can be made of: datasets, architectures, augmentations, and the presets of the protocol."""

RECIPE_VERSION = 6
"""Goes into every training job's parameters: raise it when a change to the code may change a model."""

MOST_RUNS = 20
"""Runs in one comparison, seeds and variants: all choices of them are counted."""

DATASETS = {
    "digits": "image",
    "cifar10": "image",
    "cifar100": "image",
    "gtsrb": "image",
    "purchase100": "tabular",
    "synthetic": "tabular",
    "file": None,
}
"""Datasets the suite can load and what their samples are; a file or a function says it itself with ``kind``."""

RAW = ("cifar10", "cifar100", "gtsrb", "purchase100")
"""Datasets whose raw files are looked for, checked and, but for purchase100, downloaded."""

FAMILIES = {"fcn": "tabular", "resnet": "image", "wideresnet": "image", "timm": "image"}
"""Architecture families and the samples they take; ``flatten`` lets images into a tabular one."""

IN_COHORTS = ("fcn", "resnet", "wideresnet")
"""Families of which several models can be trained as one batched computation."""

AUGMENTATIONS = {
    "flip": "image",
    "crop": "image",
    "rotate": "image",
    "jitter": "image",
    "cutout": "image",
    "cutmix": "image",
    "mixup": "any",
}
"""Augmentations and the samples they take."""

FUNCTION = r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$"
"""A user's own dataset, architecture or attack, as :data:`FORM` says."""

FORM = "package.module:function"

PROTOCOLS = {
    "artifact": {
        "study": {"pool": "train", "membership_draws": "default_rng", "offline": "two-sided"},
        "recipe": {
            "query_batchnorm": "batch",
            "query_dropout": True,
            "query_stride": 1,
            "test_set": "test",
            "crop_padding": "zeros",
        },
    },
    "preprint": {
        "study": {"pool": "train+test", "membership_draws": "legacy", "offline": "two-sided"},
        "recipe": {
            "query_batchnorm": "running",
            "query_dropout": False,
            "query_stride": 2,
            "test_set": "nonmembers",
            "crop_padding": "reflect",
        },
    },
}
"""What the released code and the preprint's code do differently, as defaults of the study and of every recipe.

Each option can be set on its own; where both codes differ from the paper's text (CutMix and rotation on half of the
batches and images, MixUp's Beta(1, 1), one-sided offline attacks), the text's value is an option too.
"""

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$"
LONGEST_NAME = 40
"""Characters: the name of a file holds three names and more, and file systems allow 255."""

ACTIVE = "<>\"'`$;&|*?!\\{}"
"""Characters that shells, HTML or Snakemake may act on: no path of a study has one."""

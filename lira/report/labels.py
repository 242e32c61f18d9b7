"""How tables and figures show the names of a study, and in which order."""

from collections.abc import Mapping

ATTACKS = {
    "online": "LiRA (online)",
    "online_fixed": "LiRA (online, fixed variance)",
    "offline": "LiRA (offline)",
    "offline_fixed": "LiRA (offline, fixed variance)",
    "global": "Global threshold",
    "rmia": "RMIA",
    "rmia_offline": "RMIA (offline)",
    "base": "BASE",
    "base_offline": "BASE (offline)",
    "moderated": "LiRA (moderated)",
    "offline_moderated": "LiRA (offline, moderated)",
    "reference": "Attack-R",
    "best": "Best attack",
}
REGIMES = {"baseline": "Baseline", "weak": "Weak", "aof": "AOF", "tl": "TL"}
AUGMENTATIONS = {
    "crop": "CRP",
    "flip": "FLP",
    "rotate": "ROT",
    "cutout": "CUT",
    "jitter": "JTR",
    "mixup": "MIX",
    "cutmix": "CMX",
}
NAMES = {
    "digits": "Digits",
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "gtsrb": "GTSRB",
    "purchase100": "Purchase-100",
    "location30": "Location-30",
    "sgd": "SGD",
    "adamw": "AdamW",
    "fcn": "FCN",
    "resnet": "ResNet",
    "resnet18": "ResNet-18",
    "resnet18_imagenet": "ResNet-18 (ImageNet stem)",
    "wrn28_2": "WRN-28-2",
    "wrn28-2": "WRN-28-2",
    "efficientnetv2_s": "EfficientNetV2-S",
    "efficientnetv2_rw_s": "EfficientNetV2-S",
}
GAPS = {"median": "Median gap", "mean": "Mean gap"}
MEASURES = {"jaccard": "Jaccard (%)", "intersection": "Intersection (samples)", "union": "Union (samples)"}


def show(name: str) -> str:
    """Returns how readers see a name; underscores become spaces in names that the suite does not know."""
    return ATTACKS.get(name) or REGIMES.get(name) or NAMES.get(name, name.replace("_", " "))


def percent(fraction: float) -> str:
    """Writes a fraction in percent, as the paper does: ``1e-05`` becomes ``0.001 %``."""
    return f"{round(100 * fraction, 10):.10f}".rstrip("0").rstrip(".") + " %"


def augmentations(recipe: Mapping) -> str:
    """Abbreviates a recipe's augmentations as the paper does, e.g. ``CRP+FLP``; ``–`` if they are not known."""
    if recipe["augment"] is None:
        return "–"
    return "+".join(AUGMENTATIONS.get(name, name) for name in recipe["augment"]) or "none"


def regime_order(regime: str) -> int:
    """Returns the position of a regime in tables and legends; those that the paper does not name come last."""
    return list(REGIMES).index(regime) if regime in REGIMES else len(REGIMES)

"""The paper's published numbers, all of the ``preprint`` protocol; each file's first line says where they stand."""

from importlib.resources import files
from typing import NamedTuple

import pandas as pd


class Published(NamedTuple):
    """One of the paper's tables.

    Attributes:
        place: Where it stands in the paper, e.g. ``Table 2``.
        source: First line of the file: paper, place, what the numbers are.
        rows: The numbers, rates in percent.
    """

    place: str
    source: str
    rows: pd.DataFrame


def published(name: str) -> Published:
    """Published numbers by name: ``utility optimistic calibrated ablation transfer support agreement loss_ratio``."""
    with (files(__name__) / f"{name}.csv").open(encoding="utf-8") as lines:
        source = lines.readline().removeprefix("# ").strip()
        rows = pd.read_csv(lines)
    place = source.split(", ", 1)[1].split(":")[0].split(", ")[0]
    return Published(place, source, rows)

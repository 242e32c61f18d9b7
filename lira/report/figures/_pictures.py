"""Draws samples of the pool as pictures."""

from collections.abc import Iterable
from math import ceil, sqrt
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Num
from matplotlib.axes import Axes

from lira.core.errors import ConfigError
from lira.report.figures._style import Style
from lira.storage import hdf5
from lira.storage.run import Run


class Pictures:
    """The pool of a data file as pictures.

    Args:
        data: The file.
        runs: Runs whose pool it must hold.
        tabular: Whether samples that are no images may be shown as a grid of their features.

    Raises:
        ConfigError: Its samples are no images, or it holds another pool than a run.
        StoreError: The file is missing.
    """

    def __init__(self, data: Path | str, runs: Iterable[Run] = (), tabular: bool = False):
        self.data = data
        with hdf5.read(data, "data") as file:
            self.images = file["pool"]["x"].ndim == 4
            self.scale, labels = float(file.attrs["scale"]), file["pool/y"][:]
        if not self.images and not tabular:
            raise ConfigError(f"data: {data} holds no images to show")
        for run in runs:
            if run.labels is not None and not np.array_equal(run.labels, labels):
                raise ConfigError(f"data: {data} holds another pool than that of {run.folder}")

    def draw(self, axes: Axes, sample: int, **where: Any) -> None:
        """Draws one sample; in a grey one, high values are dark. ``where`` goes to ``imshow``."""
        with hdf5.read(self.data, "data") as file:
            x = file["pool"]["x"][sample]
        if not self.images:
            axes.imshow(in_square(x), interpolation="nearest", cmap="gray_r", **where)
            return
        picture = np.moveaxis(x / self.scale, 0, -1)
        grey: Style = {"cmap": "gray_r", "vmin": 0, "vmax": 1} if picture.shape[-1] == 1 else {}
        axes.imshow(picture.squeeze(), interpolation="nearest", **grey, **where)


def in_square(features: Num[np.ndarray, " feature"]) -> Num[np.ndarray, "row column"]:
    """Arranges features row by row in a square; NaN fills the rest."""
    side = ceil(sqrt(features.size))
    padded = np.full(side * side, np.nan)
    padded[: features.size] = features
    return padded.reshape(side, side)

"""Pictures of pool samples."""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from matplotlib.axes import Axes

from lira import store
from lira.errors import ConfigError


class Pictures:
    """The pool of a data file as pictures.

    Raises:
        ConfigError: its samples are no images.
        StoreError: the file is missing.
    """

    def __init__(self, data: Path | str):
        with store.read(data, "data") as file:
            self.x: UInt8[np.ndarray, "sample channel height width"] = file["pool"]["x"][:]
            self.scale = float(file.attrs["scale"])
        if self.x.ndim != 4:
            raise ConfigError(f"data: {data} holds no images to show")

    def draw(self, axes: Axes, sample: int, **where) -> None:
        """Draws one sample, dark on light if it is grey; ``where`` goes to ``imshow``."""
        picture = np.moveaxis(self.x[sample] / self.scale, 0, -1)
        grey = {"cmap": "gray_r", "vmin": 0, "vmax": 1} if picture.shape[-1] == 1 else {}
        axes.imshow(picture.squeeze(), interpolation="nearest", **grey, **where)

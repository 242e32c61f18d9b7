import numpy as np
import pytest

from lira.core.errors import ConfigError
from lira.storage import hdf5


def test_pictures_need_images(draw, tmp_path):
    with hdf5.create(tmp_path / "table.h5", "data", {"scale": 1.0}) as file:
        file["pool/x"], file["pool/y"] = np.zeros((5, 3)), np.zeros(5)
    with pytest.raises(ConfigError, match="holds no images to show"):
        draw("top1", data=tmp_path / "table.h5")

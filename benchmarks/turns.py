"""A cohort's convolutions at once against one model after the other, by the size of images and networks.

Prints samples per second of one thread, which ``lira.shadows.models.turns.LARGE`` follows.
"""

import argparse
from functools import partial

from training_speed import Benchmark, Ours, contest

from lira.config import Architecture, Recipe
from lira.shadows.models import turns
from lira.shadows.training.device import lease

SIZES = {  # pixels and channels of an image, widths of a residual network
    (8, 1): [(8, 16), (16, 32), (32, 64)],
    (12, 1): [(8, 16), (16, 32), (32, 64)],
    (16, 3): [(8, 16, 32), (16, 32, 64)],
    (20, 1): [(8, 16), (16, 32), (32, 64)],
    (28, 1): [(8, 16, 32), (16, 32, 64)],
    (32, 3): [(8, 16, 32), (16, 32, 64)],
}


def run(ours: Ours, large: float, steps: int) -> int:
    """Trains for some steps with another limit between both ways; returns the number of samples."""
    turns.LARGE = large
    return ours.run(steps)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cohorts", nargs="+", type=int, default=[4, 16])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--precision", nargs="+", default=["float32", "bf16"])
    parser.add_argument("--steps", type=int, default=4)
    chosen = parser.parse_args()
    limit = turns.LARGE
    print("| pixels | widths | values | precision | cohort | at once | in turns | ratio | chosen |")
    print("|---" * 9 + "|", flush=True)
    with lease("cpu"):
        for (pixels, channels), networks in SIZES.items():
            recipe = Recipe(batch_size=chosen.batch, augment=["crop"])
            for widths in networks:
                architecture, values = Architecture(family="resnet", widths=list(widths)), widths[0] * pixels**2
                shape = (channels, pixels, pixels)
                benchmark = Benchmark(f"{pixels} px", architecture, recipe, shape, 10, 1000)
                for precision in chosen.precision:
                    for models in chosen.cohorts:
                        ours = Ours(benchmark, models, precision=precision)
                        ways = {name: partial(run, ours, at) for name, at in (("once", float("inf")), ("turns", 0))}
                        rates = contest({name: partial(way, chosen.steps) for name, way in ways.items()})
                        row = [pixels, ", ".join(map(str, widths)), values, precision, models]
                        row += [f"{rates['once']:,.0f}", f"{rates['turns']:,.0f}"]
                        row += [f"{rates['once'] / rates['turns']:.2f}", "turns" if values >= limit else "at once"]
                        print("|", " | ".join(map(str, row)), "|", flush=True)


if __name__ == "__main__":
    main()

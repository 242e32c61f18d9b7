from itertools import combinations

from matplotlib.figure import Figure

from lira.report.figures._style import ATTACKS, attack_colours, dashes, in_lines, plain


def test_a_name_breaks_between_words_and_not_before_its_seed():
    assert in_lines("FCN batch dropout seed 0", 22) == "FCN batch dropout\nseed 0"
    assert in_lines("CIFAR-10 EfficientNetV2-S", 14) == "CIFAR-10\nEfficientNetV2-S"
    assert in_lines("FCN AOF seed 0", 22) == "FCN AOF seed 0"


def test_an_own_attack_looks_like_no_other_and_alike_in_every_figure():
    own = ["mine", "a", "zz"]
    colours = attack_colours([*own, "rmia", "best"])
    looks = {name: (colours[name], dashes(name)) for name in [*ATTACKS, *own]}
    assert all(looks[one] != looks[other] for one, other in combinations(looks, 2))
    assert not {colours[name] for name in own} & set(ATTACKS.values())
    assert colours == attack_colours(["best", *own[::-1]])


def test_dollars_in_a_name_are_no_mathematics():
    drawn = Figure()
    drawn.text(0, 0, plain("$5_$"))
    drawn.canvas.draw()  # raises where this is mathematics
    assert plain("$10k-$20k") == r"\$10k-\$20k" and plain(5) == "5"

from lira.report.figures._style import in_lines


def test_a_name_breaks_between_words_and_not_before_its_seed():
    assert in_lines("FCN batch dropout seed 0", 22) == "FCN batch dropout\nseed 0"
    assert in_lines("CIFAR-10 EfficientNetV2-S", 14) == "CIFAR-10\nEfficientNetV2-S"
    assert in_lines("FCN AOF seed 0", 22) == "FCN AOF seed 0"

"""timm's models: dropout, published weights, and what is said where they cannot be had."""

import numpy as np
import pytest
import timm
import torch
from small_networks import started

from lira.config import Architecture
from lira.core.errors import ConfigError, DataError
from lira.shadows.models import build
from lira.shadows.models.pretrained import normalisation

TINY = Architecture(family="timm", name="test_efficientnet")


def test_unknown_models_and_stems_are_refused():
    with pytest.raises(ConfigError, match="timm has no model 'resnet19', but .*resnet18"):
        build(Architecture(family="timm", name="resnet19"), 1, (3, 32, 32), 10, 0.0)
    with pytest.raises(ConfigError, match="timm has no weights 'resnet18.a1_in1kk': allowed are 'resnet18.a1_in1k', "):
        build(Architecture(family="timm", name="resnet18.a1_in1kk"), 1, (3, 32, 32), 10, 0.0)
    with pytest.raises(ConfigError, match="stem: small needs a ResNet of timm .* or a conv_stem, unlike test_vit"):
        build(Architecture(family="timm", name="test_vit", stem="small"), 1, (3, 160, 160), 10, 0.0)


@pytest.mark.parametrize(("name", "times"), [("test_efficientnet", 2), ("resnet18", 4)])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_small_stem_keeps_the_size_of_the_image(name, times, channels):
    """As the released code has it: a 3x3 convolution of stride 1, and of ResNets no max-pool."""
    sizes = []
    for stem in ("original", "small"):
        architecture = Architecture(family="timm", name=name, stem=stem)
        network, weights = started(architecture, [0], (channels, 32, 32))
        _, others = started(architecture, [1], (channels, 32, 32))
        features = network.factory().eval().forward_features(torch.zeros(1, channels, 32, 32))
        sizes.append(features.shape[-1])
    (place,) = {"conv1", "conv_stem"} & dict(network.module.named_children()).keys()
    first, second = weights[f"module.{place}.weight"], others[f"module.{place}.weight"]
    assert sizes[1] == times * sizes[0] and first.shape[2:] == (channels, 3, 3)
    assert not torch.equal(first, second)


def test_dropout_of_a_timm_model_is_that_of_its_head_and_of_its_paths():
    network, _ = started(Architecture(family="timm", name="resnet18"), [0], (3, 32, 32), dropout=0.25)
    assert network.module.drop_rate == 0.25
    paths = [layer.drop_prob for layer in network.modules() if type(layer).__name__ == "DropPath"]
    assert max(paths) == pytest.approx(0.25)
    build(Architecture(family="timm", name="test_vit"), 1, (3, 160, 160), 10, 0.1)


@pytest.fixture(params=["pt", "safetensors"])
def weights_file(request, tmp_path):
    """Weights of another random start, with timm's 1000 classes."""
    from safetensors.torch import save_file

    torch.manual_seed(7)
    state = timm.create_model("test_efficientnet").state_dict()
    path = tmp_path / f"weights.{request.param}"
    save_file(state, path) if request.param == "safetensors" else torch.save(state, path)
    return path, state


def test_pretrained_weights_of_a_file_with_a_new_classifier(weights_file):
    path, state = weights_file
    architecture = TINY.model_copy(update={"weights": str(path)})
    _, first = started(architecture, [0], (3, 32, 32), pretrained=True)
    _, second = started(architecture, [1], (3, 32, 32), pretrained=True)
    for name, value in state.items():
        same = torch.equal(first[f"module.{name}"][0], value) if not name.startswith("classifier") else None
        assert same is not False, name
    assert first["module.classifier.weight"].shape[:2] == (1, 4)
    assert not torch.equal(first["module.classifier.weight"], second["module.classifier.weight"])
    _, grey = started(architecture, [0], (1, 32, 32), pretrained=True)
    torch.testing.assert_close(grey["module.conv_stem.weight"][0], state["conv_stem.weight"].sum(1, keepdim=True))
    _, scratch = started(architecture, [0], (3, 32, 32))
    assert not torch.equal(scratch["module.conv_stem.weight"][0], state["conv_stem.weight"])


def test_unusable_weights_are_refused(tmp_path):
    def start(path, name="test_efficientnet"):
        build(Architecture(family="timm", name=name, weights=str(path)), 1, (3, 32, 32), 4, 0.0, pretrained=True)

    with pytest.raises(DataError, match="missing.pt is not a file; on a machine with internet get https://huggingface"):
        start(tmp_path / "missing.pt")
    (tmp_path / "broken.pt").write_bytes(b"broken")
    with pytest.raises(DataError, match="broken.pt is neither a safetensors file nor"):
        start(tmp_path / "broken.pt")
    torch.save(timm.create_model("test_resnet").state_dict(), tmp_path / "other.pt")
    with pytest.raises(DataError, match="other.pt is not of test_efficientnet: it has no conv_stem.weight"):
        start(tmp_path / "other.pt")


def test_without_internet_the_error_says_what_to_get_and_which_key_to_set(monkeypatch):
    def offline(*arguments, **options):
        raise OSError("We couldn't connect")

    monkeypatch.setattr(timm.models._builder, "load_state_dict_from_hf", offline)
    with pytest.raises(DataError) as error:
        build(Architecture(family="timm", name="efficientnetv2_rw_s"), 1, (3, 32, 32), 4, 0.0, pretrained=True)
    assert str(error.value) == (
        "the pretrained weights of efficientnetv2_rw_s cannot be downloaded (We couldn't connect); on a machine with "
        "internet get https://huggingface.co/timm/efficientnetv2_rw_s.ra2_in1k/resolve/main/model.safetensors "
        "and set the architecture's weights to the path of the file"
    )


def test_pretrained_weights_expect_the_normalisation_of_imagenet():
    mean, std = normalisation(Architecture(family="timm", name="efficientnetv2_rw_s"), 3)
    np.testing.assert_array_equal([mean, std], [(0.485, 0.456, 0.406), (0.229, 0.224, 0.225)])
    grey = normalisation(Architecture(family="timm", name="resnet18"), 1)
    np.testing.assert_allclose(grey, [[0.449], [0.226]])

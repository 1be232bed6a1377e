"""Target models: their shapes, what attacks rely on, and their weights files."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from semsim.compat import import_torchvision
from semsim.errors import SemsimError
from semsim.io.tensors import read_metadata, write_arrays
from semsim.targets.architectures import ARCHITECTURES
from semsim.targets.device import choose_device
from semsim.targets.models import build_target, count_parameters, load_target, save_target

SMALL = {"convnet": 4, "convnet3": 4, "resnet20": 1, "mlp": 32}
SMALL |= dict.fromkeys(("vgg3", "resnet6", "squeezenet", "mobilenet"), 4)


def small_target(architecture, image_size=32, classes=5):
    """A narrow, seeded model in eval mode, whose BatchNorm statistics are not the trivial ones."""
    torch.manual_seed(3)
    target = build_target(architecture, classes, image_size, SMALL.get(architecture), (0.4, 0.5, 0.6), (0.2, 0.3, 0.2))
    target.train()(torch.rand(4, 3, image_size, image_size))
    return target.eval()


@pytest.mark.parametrize("image_size", [32, 64])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_logits_come_from_features_through_the_head(architecture, image_size):
    target = small_target(architecture, image_size)
    images = torch.rand(3, 3, image_size, image_size)
    features = target.features(images)
    assert features.shape == (3, target.network.head.in_features)
    assert target(images).shape == (3, 5)
    torch.testing.assert_close(target.network.head(features), target(images))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_images_do_not_influence_each_other_in_eval_mode(architecture):
    target, images = small_target(architecture), torch.rand(4, 3, 32, 32)
    alone = torch.cat([target(image[None]) for image in images])
    torch.testing.assert_close(target(images), alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_parameter_has_a_gradient_that_can_be_differentiated(architecture):
    target, images = small_target(architecture), torch.rand(2, 3, 32, 32, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(target(images), torch.tensor([0, 1]))
    gradients = torch.autograd.grad(loss, list(target.parameters()), create_graph=True)
    assert all(gradient.abs().sum() > 0 for gradient in gradients)
    (second,) = torch.autograd.grad(sum(gradient.square().sum() for gradient in gradients), images)
    assert second.isfinite().all() and second.abs().sum() > 0


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_no_layer_changes_what_another_has_put_out(architecture):
    target, kept = small_target(architecture), []

    def keep(module, inputs, output):
        if isinstance(output, torch.Tensor):
            kept.append((output, output.clone()))

    for module in target.modules():
        module.register_forward_hook(keep)
    target(torch.rand(2, 3, 32, 32))
    assert kept and all(torch.equal(output, copy) for output, copy in kept)


@pytest.mark.parametrize("architecture", [name for name in ARCHITECTURES if name != "vit"])
def test_layers_are_of_the_kinds_that_the_attack_engine_knows(architecture):
    known = (torch.nn.Conv2d, torch.nn.Linear, torch.nn.BatchNorm2d)
    trained = [module for module in small_target(architecture).modules() if list(module.parameters(recurse=False))]
    assert all(isinstance(module, known) for module in trained)


def test_sizes_of_the_papers_networks():
    # ResNet20-4, counted by hand: 3x3 convolutions without bias, two numbers a BatchNorm channel, 1x1 shortcuts.
    def block(inputs, outputs):
        shortcut = 0 if inputs == outputs else inputs * outputs + 2 * outputs
        return 9 * inputs * outputs + 9 * outputs**2 + 4 * outputs + shortcut

    stages = 3 * block(64, 64) + block(64, 128) + 2 * block(128, 128) + block(128, 256) + 2 * block(256, 256)
    assert count_parameters(build_target("resnet20", 100, 32)) == 3 * 9 * 64 + 2 * 64 + stages + 256 * 100 + 100

    channels = [3, 64, 128, 128, 256, 256, 256, 256, 256]
    convolutions = sum(9 * i * o + o + 2 * o for i, o in zip(channels[:-1], channels[1:], strict=True))
    assert count_parameters(build_target("convnet", 100, 32)) == convolutions + 36 * 64 * 100 + 100
    assert count_parameters(build_target("lenet", 100, 32)) == 900 + 12 + 2 * (3600 + 12) + 768 * 100 + 100


def test_resnet18_is_torchvisions_with_another_stem():
    target = small_target("resnet18")
    reference = import_torchvision().models.resnet18(num_classes=5)
    reference.conv1 = torch.nn.Conv2d(3, 64, 3, padding=1, bias=False)
    reference.maxpool = torch.nn.Identity()
    values = target.network.state_dict().values()
    reference.load_state_dict(dict(zip(reference.state_dict(), values, strict=True)))
    inputs = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(target.network(inputs), reference.eval()(inputs))


def test_the_first_layer_of_mlp_gives_its_input_away():
    target, image = small_target("mlp"), torch.rand(1, 3, 32, 32)
    first = target.network.body[1]
    loss = torch.nn.functional.cross_entropy(target(image), torch.tensor([1]))
    weight, bias = torch.autograd.grad(loss, [first.weight, first.bias])
    unit = bias.abs().argmax()
    torch.testing.assert_close(target.denormalise((weight[unit] / bias[unit]).reshape(3, 32, 32)), image[0])


def test_plain_networks_do_not_wait_for_torchvision():
    code = (
        "import sys; from semsim.targets.models import build_target\n"
        "for name in ('lenet', 'convnet', 'convnet3', 'mlp'): build_target(name, 2, 32)\n"
        "import semsim.targets.training\n"
        "sys.exit('torchvision' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path)}).returncode == 0


@pytest.mark.parametrize("architecture", ["lenet", "convnet3", "resnet20"])
def test_weights_survive_a_file(tmp_path, architecture):
    target, images = small_target(architecture), torch.rand(2, 3, 32, 32)
    save_target(target, tmp_path / "target.safetensors", {"validation_accuracy": 0.5})
    loaded = load_target(tmp_path / "target.safetensors")
    assert not loaded.training
    assert loaded.spec == target.spec
    assert torch.equal(loaded(images), target(images))
    assert read_metadata(tmp_path / "target.safetensors")["validation_accuracy"] == 0.5


def test_damaged_weights_are_refused(tmp_path):
    path = tmp_path / "target.safetensors"
    save_target(small_target("lenet"), path)
    whole = path.read_bytes()
    flipped = whole[:-1000] + bytes([whole[-1000] ^ 64]) + whole[-999:]
    for damaged in (whole[: len(whole) // 2], whole[:-1], b"", b"not weights at all", flipped):
        path.write_bytes(damaged)
        with pytest.raises(SemsimError, match="target.safetensors"):
            load_target(path)


def test_foreign_weights_are_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    with pytest.raises(SemsimError, match="no such file"):
        load_target(path)
    write_arrays({"a": np.zeros(3)}, path, {"name": "data"})
    with pytest.raises(SemsimError, match="not the weights of a target model"):
        load_target(path)
    save_file({"a": torch.zeros(3)}, path)
    with pytest.raises(SemsimError, match="not one written by semsim"):
        load_target(path)


def test_weights_of_another_shape_or_with_a_key_missing_are_refused(tmp_path):
    for change in ("shape", "key"):
        target, path = small_target("lenet"), tmp_path / f"{change}.safetensors"
        if change == "shape":
            target.spec["classes"] = 7
        else:
            del target.network.head
        save_target(target, path)
        with pytest.raises(SemsimError, match="not the weights of a lenet"):
            load_target(path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"architecture": "alexnet"}, "architecture 'alexnet' is not known. Choose one of lenet, convnet"),
        ({"architecture": "lenet", "width": 16}, "lenet has no width to set"),
        ({"architecture": "convnet", "width": 0}, "width of convnet is 0"),
        ({"architecture": "convnet", "image_size": 8}, "at least 9 pixels"),
        ({"architecture": "vit", "image_size": 30}, "multiple of 8"),
    ],
)
def test_impossible_models_are_explained(settings, message):
    with pytest.raises(SemsimError, match=message):
        build_target(**{"classes": 2, "image_size": 32, **settings})


def test_devices():
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(SemsimError, match="'tpu' is not known"):
        choose_device("tpu")
    if not torch.cuda.is_available():
        with pytest.raises(SemsimError, match="finds no CUDA GPU"):
            choose_device("cuda")

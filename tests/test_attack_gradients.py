"""Gradients of many images at once equal those of each image alone, and so do their derivatives."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from semsim.attacks.gradients import GradientPlan, PerImageGradients, plan_gradients
from semsim.attacks.objectives import OBJECTIVES
from semsim.attacks.outer_products import written_out
from semsim.errors import SemsimError
from semsim.targets.models import build_target

NETWORKS = [("lenet", None), ("convnet", 4), ("convnet3", 4), ("mlp", 16), ("resnet20", 1)]
NETWORKS += [("vgg3", 4), ("resnet6", 4), ("squeezenet", 4)]


def target_in_eval_mode(architecture, width=None, classes=5, image_size=16):
    """Return an untrained target, in double precision, whose BatchNorm layers remember something."""
    torch.manual_seed(0)
    target = build_target(architecture, classes, image_size, width).eval()
    for layer in target.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.3)
            layer.running_var.uniform_(0.5, 2)
            nn.init.uniform_(layer.weight, 0.5, 1.5)
    nn.init.normal_(target.network.head.weight, std=0.1)  # the ViT starts with zeros, which pass nothing back
    return target.double()


def plain_gradients(target, image, label):
    """Return the gradients for one image, as everybody computes them."""
    loss = functional.cross_entropy(target.network(image[None]), label[None])
    return torch.autograd.grad(loss, list(target.network.parameters()), create_graph=True)


def assert_same_as_one_at_a_time(target, plan):
    inputs, labels = torch.randn(3, 3, 16, 16, dtype=torch.float64, requires_grad=True), torch.tensor([0, 3, 1])
    gradients, _ = PerImageGradients(target, plan)(inputs, labels)
    expected = [plain_gradients(target, image, label) for image, label in zip(inputs, labels, strict=True)]
    for ours, theirs in zip(gradients, zip(*expected, strict=True), strict=True):
        torch.testing.assert_close(written_out(ours), torch.stack(theirs), rtol=1e-9, atol=1e-12)

    # What an attack needs of them: how the distance from another gradient changes with each image.
    observed = [torch.randn_like(written_out(gradient)) for gradient in gradients]
    for objective in OBJECTIVES.values():
        distance = objective(observed)
        derivative = torch.autograd.grad(distance(gradients).sum(), inputs, retain_graph=True)[0]
        costs = [
            distance([part[None] for part in one], slice(place, place + 1)).sum() for place, one in enumerate(expected)
        ]
        expected_derivative = torch.autograd.grad(sum(costs), inputs, retain_graph=True)[0]
        torch.testing.assert_close(derivative, expected_derivative, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("convolution", ["grouped", "unfolded"])
@pytest.mark.parametrize(("architecture", "width"), NETWORKS)
def test_captured_gradients_equal_those_of_each_image_alone(architecture, width, convolution):
    assert_same_as_one_at_a_time(
        target_in_eval_mode(architecture, width), GradientPlan("captured", convolution, images_per_pass=3)
    )


@pytest.mark.parametrize(("architecture", "width"), [("lenet", None), ("convnet3", 4), ("vit", None), ("mobilenet", 4)])
def test_vectorised_gradients_equal_those_of_each_image_alone(architecture, width):
    assert_same_as_one_at_a_time(
        target_in_eval_mode(architecture, width), GradientPlan("vectorised", "grouped", images_per_pass=3)
    )


def test_labels_may_be_probabilities():
    target = target_in_eval_mode("lenet")
    per_image_gradients = PerImageGradients(target, plan_gradients(target, "cpu"))
    inputs, labels = torch.randn(2, 3, 16, 16, dtype=torch.float64), torch.tensor([4, 0])
    hard, _ = per_image_gradients(inputs, labels)
    soft, _ = per_image_gradients(inputs, functional.one_hot(labels, 5).double())
    for ours, theirs in zip(hard, soft, strict=True):
        torch.testing.assert_close(written_out(ours), written_out(theirs))


@pytest.mark.parametrize(
    ("architecture", "width", "method"),
    [("lenet", None, "captured"), ("resnet18", None, "captured"), ("mlp", 16, "captured"), ("vit", None, "vectorised")],
)
def test_plan_suits_the_network(architecture, width, method):
    assert plan_gradients(target_in_eval_mode(architecture, width), "cpu").method == method


def test_plan_falls_back_for_layers_it_does_not_know():
    target = target_in_eval_mode("lenet")
    target.network.body.insert(1, nn.GroupNorm(2, 12))
    plan = plan_gradients(target.double(), "cpu")
    assert plan.method == "vectorised"
    assert_same_as_one_at_a_time(target, plan)


def test_layers_with_wrong_second_derivatives_are_refused():
    target = target_in_eval_mode("lenet")
    target.network.body.append(nn.LayerNorm(12 * 16))
    with pytest.raises(SemsimError, match="body.7: PyTorch's LayerNorm has a wrong second derivative"):
        plan_gradients(target.double(), "cpu")


def test_wide_networks_go_through_in_small_passes():
    narrow, wide = (plan_gradients(target_in_eval_mode("convnet", width), "cpu") for width in (2, 64))
    assert wide.images_per_pass < narrow.images_per_pass


def test_batchnorm_inputs_are_what_the_layers_are_given():
    target = target_in_eval_mode("convnet3", 4)
    inputs = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    _, batchnorm_inputs = PerImageGradients(target, plan_gradients(target, "cpu"))(inputs, torch.tensor([0, 1]))
    first_convolution, first_batchnorm = target.network.body[0], target.network.body[1]
    layer, activations = batchnorm_inputs[0]
    assert layer is first_batchnorm
    assert len(batchnorm_inputs) == 3
    torch.testing.assert_close(activations, first_convolution(inputs))

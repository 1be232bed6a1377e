"""Gradients of many images at once equal those of each image alone, and so do their derivatives."""

import pytest
import strange_networks as strange
import torch
from torch import nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from semsim.attacks.clients import ClientSettings
from semsim.attacks.gradients import METHODS, ClientUpdates, UpdatePlan
from semsim.attacks.objectives import OBJECTIVES
from semsim.attacks.outer_products import written_out
from semsim.attacks.planning import choose_method, left_as_it_was, plan_updates
from semsim.compat import import_torchvision
from semsim.errors import SemsimError
from semsim.targets.calls import unlike_inputs
from semsim.targets.models import build_target
from semsim.targets.wrapping import wrap_network

ALONE = ClientSettings()
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


def assert_same_as_one_at_a_time(target, plan, device="cpu", rtol=1e-6):
    target.to(device)
    parameters = [parameter for parameter in target.network.parameters() if parameter.requires_grad]

    def plain(image, label):
        """What everybody computes for one image."""
        with sdpa_kernel(SDPBackend.MATH):  # the others have no second derivative
            loss = functional.cross_entropy(target.network(image[None]), label[None])
        return torch.autograd.grad(loss, parameters, create_graph=True, allow_unused=True, materialize_grads=True)

    side = target.spec["image_size"]
    inputs = torch.randn(3, 3, side, side, dtype=target.mean.dtype).to(device).requires_grad_()
    labels = torch.tensor([0, 3, 1], device=device)
    gradients, _ = ClientUpdates(target, plan)(inputs[:, None], labels[:, None])
    expected = [plain(image, label) for image, label in zip(inputs, labels, strict=True)]
    for ours, theirs in zip(gradients, zip(*expected, strict=True), strict=True):
        torch.testing.assert_close(written_out(ours), torch.stack(theirs), rtol=1e-3 * rtol, atol=1e-6 * rtol)

    # What an attack needs of them: how the distance from another gradient changes with each image.
    observed = [torch.randn_like(written_out(gradient)) for gradient in gradients]
    for objective in OBJECTIVES.values():
        distance = objective(observed)
        derivative = torch.autograd.grad(distance(gradients).sum(), inputs, retain_graph=True)[0]
        costs = [
            distance([part[None] for part in one], slice(place, place + 1)).sum() for place, one in enumerate(expected)
        ]
        expected_derivative = torch.autograd.grad(sum(costs), inputs, retain_graph=True)[0]
        torch.testing.assert_close(derivative, expected_derivative, rtol=rtol, atol=1e-6 * rtol)


@pytest.mark.parametrize("convolution", ["grouped", "unfolded"])
@pytest.mark.parametrize(("architecture", "width"), NETWORKS)
def test_captured_gradients_equal_those_of_each_image_alone(architecture, width, convolution, device):
    plan = UpdatePlan(ALONE, "captured", convolution, clients_per_pass=3)
    assert_same_as_one_at_a_time(target_in_eval_mode(architecture, width), plan, device)


@pytest.mark.parametrize(("architecture", "width"), [("lenet", None), ("convnet3", 4), ("vit", None), ("mobilenet", 4)])
def test_vectorised_gradients_equal_those_of_each_image_alone(architecture, width, device):
    plan = UpdatePlan(ALONE, "vectorised", "grouped", clients_per_pass=3)
    assert_same_as_one_at_a_time(target_in_eval_mode(architecture, width), plan, device)


def test_labels_may_be_probabilities():
    target = target_in_eval_mode("lenet")
    client_updates = ClientUpdates(target, plan_updates(target, ALONE, "cpu"))
    inputs, labels = torch.randn(2, 1, 3, 16, 16, dtype=torch.float64), torch.tensor([[4], [0]])
    hard, _ = client_updates(inputs, labels)
    soft, _ = client_updates(inputs, functional.one_hot(labels, 5).double())
    for ours, theirs in zip(hard, soft, strict=True):
        torch.testing.assert_close(written_out(ours), written_out(theirs))


@pytest.mark.parametrize(
    ("architecture", "width", "method"),
    [("lenet", None, "captured"), ("resnet18", None, "captured"), ("mlp", 16, "captured"), ("vit", None, "vectorised")],
)
def test_plan_suits_the_network(architecture, width, method):
    assert plan_updates(target_in_eval_mode(architecture, width), ALONE, "cpu").method == method


@pytest.mark.parametrize(
    ("architecture", "width", "alone"),
    [("lenet", None, "looped"), ("vit", None, "looped"), ("mlp", 16, "looped"), ("mlp", 512, None)],
)
def test_a_single_client_goes_by_plain_autograd_unless_linear_layers_are_large(architecture, width, alone, monkeypatch):
    target = target_in_eval_mode(architecture, width)
    plan = plan_updates(target, ALONE, "cpu")
    used = []
    for method in METHODS:
        compute = getattr(ClientUpdates, f"_{method}")
        monkeypatch.setattr(
            ClientUpdates, f"_{method}", lambda *given, name=method, way=compute: used.append(name) or way(*given)
        )
    inputs, labels = torch.randn(2, 1, 3, 16, 16, dtype=torch.float64), torch.tensor([[4], [0]])
    client_updates = ClientUpdates(target, plan)
    together, _ = client_updates(inputs, labels)
    one, _ = client_updates(inputs[1:], labels[1:])
    assert plan.alone == alone and used == [plan.method, alone or plan.method]
    for ours, theirs in zip(one, together, strict=True):
        torch.testing.assert_close(written_out(ours), written_out(theirs)[1:], rtol=1e-9, atol=1e-12)


def test_plan_falls_back_for_layers_it_does_not_know():
    target = target_in_eval_mode("lenet")
    target.network.body.insert(1, nn.GroupNorm(2, 12))
    plan = plan_updates(target.double(), ALONE, "cpu")
    assert plan.method == "vectorised"
    assert_same_as_one_at_a_time(target, plan)


EXPECTED_METHOD = dict.fromkeys(strange.NETWORKS, "vectorised") | {
    strange.NormalisedByFunction: "looped",  # PyTorch's own normalisation is wrong under vmap
    strange.InPlaceAfterBatchNorm: "copied",
    strange.LinearOnTokens: "captured",
    strange.TokensInTheBatch: "captured",
    strange.WithoutScale: "captured",
}


@pytest.mark.parametrize("kind", strange.NETWORKS)
def test_networks_that_break_a_rule_are_computed_right_all_the_same(kind):
    target = wrap_network(strange.made(kind), strange.SIZE, strange.CLASSES)
    assert choose_method(target, ALONE) == EXPECTED_METHOD[kind]
    target = target.double()
    assert choose_method(target, ALONE) == EXPECTED_METHOD[kind]
    assert_same_as_one_at_a_time(target, plan_updates(target, ALONE, "cpu"))


def test_torchvisions_residual_networks_do_not_go_the_slow_ways():
    network = import_torchvision().models.resnet18(num_classes=5)  # activates and adds in place
    assert choose_method(wrap_network(network, image_size=32), ALONE) == "copied"


def test_what_is_slow_is_told(caplog):
    target = wrap_network(strange.made(strange.NormalisedByFunction), strange.SIZE, strange.CLASSES)
    choose_method(target, ALONE)
    assert "NormalisedByFunction: updates are computed one client after the other" in caplog.text
    assert "vectorised: wrong by" in caplog.text


def test_a_layer_that_nobody_turned_is_still_computed_right():
    target = target_in_eval_mode("lenet")
    target.network.body.append(nn.LayerNorm(12 * 16))
    plan = plan_updates(target.double(), ALONE, "cpu")
    assert plan.method == "looped"
    assert_same_as_one_at_a_time(target, plan)


class DistancesFromPrototypes(strange.Network):
    def forward(self, x):
        return torch.cdist(super().forward(x), self.classify.weight[:, :5], p=1)


class ChangesWhatAnotherLayerNeeds(strange.Network):
    def forward(self, x):
        given = self.first(x)
        normalised = self.norm(given).tanh()
        given += normalised
        return self.classify(self.second(given).tanh().flatten(1))


@pytest.mark.parametrize("kind", [DistancesFromPrototypes, ChangesWhatAnotherLayerNeeds])
def test_networks_that_pytorch_cannot_differentiate_twice_are_refused(kind):
    target = wrap_network(strange.made(kind), strange.SIZE, strange.CLASSES)
    with pytest.raises(SemsimError, match=f"{kind.__name__}: PyTorch cannot differentiate this network twice"):
        plan_updates(target, ALONE, "cpu")


def test_wide_networks_go_through_in_small_passes():
    narrow, wide = (plan_updates(target_in_eval_mode("convnet", width), ALONE, "cpu") for width in (2, 64))
    assert wide.clients_per_pass < narrow.clients_per_pass


@pytest.mark.parametrize(
    "target",
    [
        target_in_eval_mode("convnet3", 4),
        target_in_eval_mode("mobilenet", 4),
        *(
            wrap_network(strange.made(kind), strange.SIZE, strange.CLASSES).double()
            for kind in (strange.LayerUsedTwice, strange.NormalisedByFunction, strange.WithoutScale)
        ),
    ],
    ids=lambda target: target.spec["architecture"],
)
def test_batchnorm_inputs_are_what_the_layers_are_given(target):
    plan, side = plan_updates(target, ALONE, "cpu"), target.spec["image_size"]
    inputs = torch.randn(2, 3, side, side, dtype=torch.float64, requires_grad=True)
    _, batchnorm_inputs = ClientUpdates(target, plan)(inputs[:, None], torch.tensor([[0], [1]]))
    expected = []
    layers = [layer for layer in target.network.modules() if isinstance(layer, nn.BatchNorm2d)]
    for layer in layers:
        layer.register_forward_pre_hook(lambda _, given: expected.append(given[0].clone()))
    target.network(inputs)
    assert [layer for layer, _ in batchnorm_inputs] == layers
    for (_, ours), theirs in zip(batchnorm_inputs, expected, strict=True):
        ours = ours.flatten(0, 1)
        torch.testing.assert_close(ours, theirs)
        weights = torch.randn_like(theirs)
        derivatives = [
            torch.autograd.grad((each * weights).sum(), inputs, retain_graph=True) for each in (ours, theirs)
        ]
        torch.testing.assert_close(*derivatives)


def with_a_shared_layer(between=nn.Identity):
    """Return a target whose network has one layer under two names, and the network."""
    torch.manual_seed(0)
    side = 3 * strange.SIZE**2
    shared = nn.Linear(side, side)
    network = nn.Sequential(
        *(nn.Flatten(), shared, nn.Tanh(), between(), shared, nn.Tanh(), nn.Linear(side, strange.CLASSES))
    )
    return wrap_network(network, strange.SIZE, strange.CLASSES).eval(), network


class NormalisedByAnotherClass(nn.LayerNorm):
    """Not turned into plain arithmetic, and so wrong when vectorised."""

    def __init__(self):
        super().__init__(3 * strange.SIZE**2)


@pytest.mark.parametrize(
    ("between", "method"),
    [(nn.Identity, "vectorised"), (NormalisedByAnotherClass, "looped")],
    ids=["vectorised", "looped"],
)
def test_a_layer_under_two_names_has_its_gradient_and_stays_as_it_is(between, method):
    target, network = with_a_shared_layer(between)
    parameters = dict(network.named_parameters(remove_duplicate=False))
    values = {name: parameter.detach().clone() for name, parameter in parameters.items()}
    for _ in range(2):  # the second plan sees what the first has left
        assert plan_updates(target, ALONE, "cpu").method == method
    after = dict(network.named_parameters(remove_duplicate=False))
    assert after.keys() == parameters.keys()
    assert all(after[name] is parameter for name, parameter in parameters.items())
    assert all(
        type(parameter) is nn.Parameter and torch.equal(parameter, values[name]) for name, parameter in after.items()
    )
    assert_same_as_one_at_a_time(target.double(), UpdatePlan(ALONE, method, "grouped", 3))


@pytest.mark.parametrize("method", METHODS)
def test_no_method_changes_the_network(method):
    target, network = with_a_shared_layer()
    with left_as_it_was(network):
        gradients, _ = ClientUpdates(target, UpdatePlan(ALONE, method, "grouped", 2))(
            unlike_inputs(target)[:, None].requires_grad_(), torch.tensor([[0], [1]])
        )
    assert all(type(parameter) is nn.Parameter for parameter in network.parameters())
    assert all(written_out(gradient).any() for gradient in gradients)


def test_a_method_that_changes_the_network_is_not_taken(monkeypatch):
    target, network = with_a_shared_layer()
    weight, values = network[1].weight, network[1].weight.detach().clone()

    def captured(self, *arguments):
        result = self._looped(*arguments)
        self.network[1].weight = nn.Parameter(torch.zeros_like(weight))
        return result

    def copied(self, *arguments):
        result = self._looped(*arguments)
        weight.data.zero_()
        return result

    monkeypatch.setattr(ClientUpdates, "_captured", captured)
    monkeypatch.setattr(ClientUpdates, "_copied", copied)
    assert choose_method(target, ALONE) == "vectorised"
    assert network[1].weight is weight and torch.equal(weight, values)


class UntrackedOnImages(strange.Network):
    """Uses weights without calling their layer, but only where all values are those of images."""

    def forward(self, x):
        image = ((x >= 0) & (x <= 1)).flatten(1).all(1).view(-1, 1)
        return super().forward(x) + torch.where(image, self.classify.weight.sum(1), 0)


def test_methods_are_checked_on_noise_and_on_an_image():
    target = wrap_network(strange.made(UntrackedOnImages), strange.SIZE, strange.CLASSES)
    assert choose_method(target, ALONE) == "vectorised"  # on noise alone it could be captured
    noise, smooth = target.denormalise(unlike_inputs(target))
    assert noise.min() < 0 and smooth.min() >= 0 and smooth.max() <= 1


class UntrackedRoot(strange.Network):
    """Has no value for noise below zero, and uses weights without calling their layer."""

    def forward(self, x):
        return super().forward(x.sqrt()) + self.classify.weight.sum(1)


def test_methods_are_checked_on_the_image_where_noise_has_no_gradient():
    assert choose_method(wrap_network(UntrackedRoot(), strange.SIZE, strange.CLASSES), ALONE) == "vectorised"


class KeepsItsOutputInADict(nn.Linear):
    def forward(self, x):
        return {"features": super().forward(x)}


class Unpacking(strange.Network):
    def __init__(self):
        super().__init__()
        self.packing = KeepsItsOutputInADict(96, 96)

    def forward(self, x):
        x = self.second(self.norm(self.first(x)).tanh()).tanh().flatten(1)
        return self.classify(self.packing(x)["features"])


def test_layers_may_put_out_anything():
    assert choose_method(wrap_network(Unpacking(), strange.SIZE, strange.CLASSES), ALONE) == "vectorised"

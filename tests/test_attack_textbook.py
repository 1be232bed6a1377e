"""Every attack against its textbook form: plain autograd, one original at a time, formulas written out anew."""

import pytest
import strange_networks as strange
import torch
from torch.nn import functional

from semsim.attacks.clients import ClientSettings
from semsim.attacks.engine import Search
from semsim.attacks.observation import shared_updates
from semsim.attacks.planning import plan_updates
from semsim.attacks.settings import attack_settings
from semsim.targets.defences import GradientDefence
from semsim.targets.models import build_target
from semsim.targets.wrapping import wrap_network

SIZE, CLASSES = 8, 5
WIDTHS = {"convnet3": 4, "mobilenet": 4, "mlp": 16}


def made(architecture):
    """Return a small untrained target whose BatchNorm layers remember something."""
    torch.manual_seed(0)
    normalisation = {"mean": (0.4, 0.5, 0.6), "std": (0.2, 0.25, 0.3)}
    if isinstance(architecture, type):
        return wrap_network(strange.made(architecture), SIZE, CLASSES, **normalisation).eval()
    target = build_target(architecture, CLASSES, SIZE, WIDTHS.get(architecture), **normalisation)
    target.train()(torch.rand(8, 3, SIZE, SIZE))
    return target.eval()


def smooth_images(count):
    noise = torch.rand(count, 3, 3, 3, generator=torch.Generator().manual_seed(1))
    return functional.interpolate(noise, size=SIZE, mode="bilinear")


def start(target, settings, originals=2):
    """Return a search and all that the textbook needs of it: the images, labels and starts [originals, restarts]."""
    images, labels = smooth_images(originals), torch.arange(originals) + 1
    plan = plan_updates(target, ClientSettings(), "cpu")
    clients = images[:, None], labels[:, None]
    observed = shared_updates(target, plan, *clients, GradientDefence(), list(range(originals)))
    seeds = [[seed] for seed in range(originals * settings.restarts)]
    search = Search(target, observed, clients[1], seeds, settings, plan)
    starts = search.optimiser.points[:, : 3 * SIZE**2].clone().view(originals, settings.restarts, 3, SIZE, SIZE)
    return search, images, labels, starts


def gradient(target, inputs, labels):
    """Return what a client shares: the gradient of the cross-entropy by each parameter."""
    loss = functional.cross_entropy(target.network(inputs), labels)
    return torch.autograd.grad(loss, list(target.parameters()), create_graph=True)


def objective(name, ours, theirs):
    if name == "squared":
        return sum(((a - b) ** 2).sum() for a, b in zip(ours, theirs, strict=True))
    a, b = (torch.cat([part.flatten() for part in parts]).double() for parts in (ours, theirs))
    return 1 - functional.cosine_similarity(a, b, dim=0)


def total_variation(target, group):
    down = [(image[:, 1:, :] - image[:, :-1, :]).abs().sum() / image[:, 1:].numel() for image in group]
    across = [(image[:, :, 1:] - image[:, :, :-1]).abs().sum() / image[:, :, 1:].numel() for image in group]
    return sum(down) + sum(across)


def l2_norm(target, group):
    return sum(image.square().sum().sqrt() for image in group)


def batchnorm(target, group):
    distances = []

    def compare(layer, given):
        channels = given[0].transpose(0, 1).flatten(1)
        mean = channels.mean(1)
        variance = ((channels - mean[:, None]) ** 2).mean(1)
        distances.append(((mean - layer.running_mean) ** 2).sum().sqrt())
        distances.append(((variance - layer.running_var) ** 2).sum().sqrt())

    layers = [layer for layer in target.network.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    hooks = [layer.register_forward_pre_hook(compare) for layer in layers]
    for image in group:
        target.network(image[None])
    for hook in hooks:
        hook.remove()
    return sum(distances)


def group_consistency(target, group):
    with torch.no_grad():
        mean, shifted = group.mean(0), []
        for image in group:
            shifts = [image.roll((down, across), (1, 2)) for down in range(SIZE) for across in range(SIZE)]
            shifted.append(max(shifts, key=lambda candidate: (candidate * mean).sum().item()))
        consensus = sum(shifted) / len(shifted)
    return sum(((image - consensus) ** 2).mean() for image in group)


TEXTBOOK_PRIORS = {
    "total_variation": total_variation,
    "l2_norm": l2_norm,
    "batchnorm": batchnorm,
    "group_consistency": group_consistency,
}


def textbook_cost(target, settings, group, label, observed):
    """Return the sum of the costs of the restarts on one original."""
    cost = sum(objective(settings.objective, gradient(target, image[None], label), observed) for image in group)
    return cost + sum(weight * TEXTBOOK_PRIORS[name](target, group) for name, weight in settings.priors.items())


@pytest.mark.parametrize("architecture", ["convnet3", "mobilenet", strange.NormalisedByFunction], ids=str)
@pytest.mark.parametrize("prior", TEXTBOOK_PRIORS)
def test_each_prior_adds_what_the_textbook_says(architecture, prior):
    target = made(architecture)
    evaluated = []
    for priors in ({}, {prior: 0.5}):
        settings = attack_settings("dlg", label="known", restarts=3, priors=priors)
        search, _, _, starts = start(target, settings)
        evaluated.append(search.evaluate(search.optimiser.points))
    (costs, gradients), (costs_with, gradients_with) = evaluated

    starts.requires_grad_()
    expected = torch.stack([0.5 * TEXTBOOK_PRIORS[prior](target, group) for group in starts])
    added = (costs_with - costs).view(2, 3).sum(1)
    torch.testing.assert_close(added, expected.detach(), rtol=1e-3, atol=1e-4)
    (derivative,) = torch.autograd.grad(expected.sum(), starts)
    torch.testing.assert_close((gradients_with - gradients).view_as(derivative), derivative, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("preset", "architecture"),
    [
        *(("invertgrad", architecture) for architecture in ("lenet", "convnet3", "mlp", "mobilenet")),
        *(("gradinversion", architecture) for architecture in ("lenet", "convnet3", "mobilenet")),
        ("gradinversion", strange.LayerUsedTwice),
        ("invertgrad", strange.Normalised),
    ],
    ids=str,
)
def test_the_search_goes_as_in_the_textbook(preset, architecture):
    steps, restarts = 8, {"gradinversion": 2}.get(preset, 1)
    settings = attack_settings(preset, steps=steps, restarts=restarts)
    target = made(architecture)
    search, images, labels, starts = start(target, settings)
    ours = []
    while not search.is_over():
        search.advance()
        ours.append(search.costs.view(2, restarts).sum(1))

    if "batchnorm" not in target.traits:
        settings = attack_settings(preset, steps=steps, restarts=restarts, priors={"batchnorm": 0})
    lower, upper = target.normalise(torch.zeros(3, 1, 1)), target.normalise(torch.ones(3, 1, 1))
    for place in range(2):
        label = labels[place : place + 1]
        observed = [part.detach() for part in gradient(target, target.normalise(images[place : place + 1]), label)]
        group = starts[place].requires_grad_()
        optimiser = torch.optim.Adam([group], lr=0.1)
        schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, [3, 5, 7], 0.1)
        for step in range(steps):
            cost = textbook_cost(target, settings, group, label, observed)
            # Signs, and the first steps of Adam, amplify rounding: later on, runs part.
            torch.testing.assert_close(
                ours[step][place], cost.detach().float(), rtol=1e-5 if step == 0 else 2e-3, atol=1e-6
            )
            (group.grad,) = torch.autograd.grad(cost, group)
            if preset == "invertgrad":
                group.grad = group.grad.sign()
            optimiser.step()
            schedule.step()
            group.data = torch.clamp(group.data, lower, upper)


# What each attack must reach: a share of its first cost, and of the error of the best image of one colour.
REACHED = [
    ("dlg", "lenet", {"steps": 200}, 1e-4, 0.01),
    ("idlg", "lenet", {"steps": 200}, 1e-4, 0.01),
    ("idlg", "mlp", {"steps": 200, "restarts": 4}, 0.05, 0.01),  # from half of the starts, by chance, it stays far away
    ("invertgrad", "lenet", {"steps": 200}, 0.01, 0.05),
    ("invertgrad", "convnet3", {"steps": 200}, 0.05, 0.7),
    ("gradinversion", "lenet", {"steps": 200, "restarts": 2}, 0.05, 0.9),
    ("analytic", "mlp", {}, 1, 1e-4),
]


@pytest.mark.parametrize(("preset", "architecture", "changes", "cost", "error"), REACHED)
def test_every_attack_beats_guessing(preset, architecture, changes, cost, error):
    target = made(architecture)
    search, images, labels, _ = start(target, attack_settings(preset, **changes))
    while not search.is_over():
        search.advance()
    outcome = search.outcome()
    assert outcome.recovered_labels.flatten().tolist() == labels.tolist()
    assert (outcome.costs <= cost * outcome.initial_costs).all()
    of_one_colour = (images - images.mean((2, 3), keepdim=True)).square().mean((1, 2, 3))
    assert ((outcome.images[:, 0] / 255 - images).square().mean((1, 2, 3)) <= error * of_one_colour).all()

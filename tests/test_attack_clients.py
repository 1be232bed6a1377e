"""Clients with batches, local steps and BatchNorm in train mode: what they share, and what attacks make of it."""

import copy
import itertools

import pytest
import strange_networks as strange
import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from semsim.attacks import state as state_module
from semsim.attacks.clients import ClientSettings, consecutive, drawn
from semsim.attacks.engine import Search
from semsim.attacks.gradients import METHODS, ClientUpdates, UpdatePlan
from semsim.attacks.labels import LABELS, count_classes
from semsim.attacks.matching import match_batch
from semsim.attacks.objectives import OBJECTIVES
from semsim.attacks.observation import shared_updates
from semsim.attacks.outer_products import written_out
from semsim.attacks.planning import choose_method, plan_updates
from semsim.attacks.reconstruct import reconstruct
from semsim.attacks.run import AttackRun
from semsim.attacks.settings import attack_settings
from semsim.errors import SemsimError
from semsim.targets.augmentation import Augmentation
from semsim.targets.defences import DifferentialPrivacy, GradientDefence, Prune
from semsim.targets.models import build_target
from semsim.targets.wrapping import wrap_network

SIDE, CLASSES = 8, 5
CLIENTS = [
    {"batch": 3},
    {"batch": 2, "local_steps": 3, "local_rate": 0.05},
    {"batch": 3, "batchnorm": "train"},
    {"batchnorm": "train"},
    {"batch": 2, "local_steps": 2, "local_rate": 0.05, "batchnorm": "train"},
]
NETWORKS = ["lenet", "convnet3", "resnet6", "mobilenet", "vit"]
WIDTHS = {"convnet3": 4, "resnet6": 4, "mobilenet": 4, "mlp": 16}


def made(architecture):
    """Return a small untrained target whose BatchNorm layers remember something."""
    torch.manual_seed(0)
    normalisation = {"mean": (0.4, 0.5, 0.6), "std": (0.2, 0.25, 0.3)}
    if isinstance(architecture, type):
        return wrap_network(strange.made(architecture), SIDE, CLASSES, **normalisation).eval()
    target = build_target(architecture, CLASSES, SIDE, WIDTHS.get(architecture), **normalisation)
    nn.init.normal_(target.network.head.weight, std=0.1)  # the ViT starts with zeros, which pass nothing back
    target.train()(torch.rand(8, 3, SIDE, SIDE))
    return target.eval()


def batches(clients, batch, classes=CLASSES):
    """Return smooth images [clients, batch, 3, SIDE, SIDE] in [0, 1] and their labels, some of them the same."""
    noise = torch.rand(clients * batch, 3, 3, 3, generator=torch.Generator().manual_seed(1))
    images = functional.interpolate(noise, size=SIDE, mode="bilinear")
    labels = torch.arange(clients * batch) // 2 % classes
    return images.unflatten(0, (clients, batch)), labels.view(clients, batch)


def as_client(target, client):
    """Return a copy of a network in the mode in which PyTorch itself does what the client does."""
    network = copy.deepcopy(target.network).eval()
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.train(client.batchnorm == "train")
    return network


def trained_update(target, client, inputs, labels):
    """Return what PyTorch's own optimiser does to the weights, divided by the learning rate."""
    network = as_client(target, client)
    before = [parameter.detach().clone() for parameter in network.parameters()]
    optimiser = torch.optim.SGD(network.parameters(), lr=client.local_rate)
    for _ in range(client.local_steps):
        optimiser.zero_grad()
        functional.cross_entropy(network(inputs), labels).backward()
        optimiser.step()
    return [(old - new.detach()) / client.local_rate for old, new in zip(before, network.parameters(), strict=True)]


def differentiable_update(target, client, inputs, labels):
    """Return the same as plain autograd gives it, differentiable in the inputs."""
    network = as_client(target, client)
    start = dict(network.named_parameters())
    parameters = start
    for _ in range(client.local_steps):
        loss = functional.cross_entropy(functional_call(network, parameters, inputs), labels)
        gradients = torch.autograd.grad(loss, list(parameters.values()), create_graph=True)
        parameters = {
            name: each - client.local_rate * gradient
            for (name, each), gradient in zip(parameters.items(), gradients, strict=True)
        }
    return [(start[name] - parameters[name]) / client.local_rate for name in start]


@pytest.mark.parametrize("client", CLIENTS, ids=str)
@pytest.mark.parametrize("architecture", [*NETWORKS, strange.InPlaceAfterBatchNorm, strange.TiedWeights], ids=str)
def test_updates_and_their_derivatives_are_those_of_a_plain_loop(architecture, client):
    target, client = made(architecture).double(), ClientSettings(**client)
    images, labels = batches(2, client.batch)
    inputs = target.normalise(images.double()).requires_grad_()
    plan = plan_updates(target, client, "cpu")
    assert plan.method != "looped"
    updates, _ = ClientUpdates(target, plan)(inputs, labels)
    updates = [written_out(update) for update in updates]
    for row in range(2):
        expected = trained_update(target, client, inputs[row].detach(), labels[row])
        for ours, theirs in zip(updates, expected, strict=True):
            torch.testing.assert_close(ours[row], theirs, rtol=1e-6, atol=1e-9)

    observed = [torch.randn_like(update) for update in updates]
    plain = [differentiable_update(target, client, inputs[row], labels[row]) for row in range(2)]
    plain = [torch.stack(parts) for parts in zip(*plain, strict=True)]
    for objective in OBJECTIVES.values():
        ours, theirs = (
            torch.autograd.grad(objective(observed)(each).sum(), inputs, retain_graph=True) for each in (updates, plain)
        )
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("convolution", ["grouped", "unfolded"])
@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_the_same_update(method, convolution):
    target, client = made("convnet3").double(), ClientSettings(batch=3, batchnorm="train")
    images, labels = batches(2, 3)
    inputs = target.normalise(images.double())
    updates, batchnorm_inputs = ClientUpdates(target, UpdatePlan(client, method, convolution, 2))(inputs, labels)
    for row in range(2):
        expected = trained_update(target, client, inputs[row], labels[row])
        for ours, theirs in zip(updates, expected, strict=True):
            torch.testing.assert_close(written_out(ours)[row], theirs, rtol=1e-6, atol=1e-9)
    assert all(given.shape[:2] == (2, 3) for _, given in batchnorm_inputs) and len(batchnorm_inputs) == 3


@pytest.mark.parametrize(
    ("client", "method"),
    [({"batch": 3}, "captured"), ({"batch": 3, "batchnorm": "train"}, "captured"), ({"local_steps": 2}, "vectorised")],
)
def test_batches_do_not_go_the_slow_ways(client, method):
    assert choose_method(made("convnet3"), ClientSettings(**client)) == method


def test_clients_leave_the_network_as_it_is():
    target, client = made("convnet3"), ClientSettings(batch=3, local_steps=2, batchnorm="train")
    before = {name: value.clone() for name, value in target.state_dict().items()}
    images, labels = batches(2, 3)
    plan = plan_updates(target, client, "cpu")
    shared_updates(target, plan, images, labels, GradientDefence(), [0, 1])
    assert all(torch.equal(value, before[name]) for name, value in target.state_dict().items())
    layers = [layer for layer in target.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert layers and all("forward" not in vars(layer) and not layer.training for layer in layers)


def test_a_layer_without_statistics_in_train_mode_is_told():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE**2, 6), nn.BatchNorm1d(6), nn.Linear(6, CLASSES))
    images, labels = batches(1, 2)
    with pytest.raises(SemsimError, match="Sequential: a BatchNorm layer of 6 channels is given one value for each"):
        reconstruct(network, images[0], labels[0], steps=1, client={"batchnorm": "train"})
    found = reconstruct(network, images[0], labels[0], steps=1, client={"batchnorm": "train", "batch": 2})
    assert found.costs.isfinite().all()


def search_of(target, client, settings, clients=2):
    """Return a search, and the images, labels and starts [clients, restarts, batch, ...] of it."""
    images, labels = batches(clients, client.batch)
    plan = plan_updates(target, client, "cpu")
    observed = shared_updates(target, plan, images, labels, GradientDefence(), list(range(clients)))
    seeds = torch.arange(clients * settings.restarts * client.batch).view(-1, client.batch).tolist()
    search = Search(target, observed, labels, seeds, settings, plan)
    starts = search.optimiser.points[:, : search.pixels].clone()
    return search, images, labels, starts.view(clients, settings.restarts, client.batch, 3, SIDE, SIDE)


def statistics(network, inputs):
    """Return the means and variances of what each BatchNorm layer of a network is given, in the first step."""
    found = []

    def look(layer, given):
        channels = given[0].transpose(0, 1).flatten(1)
        found.append((channels.mean(1), channels.var(1, correction=0)))

    layers = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    hooks = [layer.register_forward_pre_hook(look) for layer in layers]
    network(inputs)
    for hook in hooks:
        hook.remove()
    return found


def distance(ours, theirs):
    return sum((a - b).norm() + (c - d).norm() for (a, c), (b, d) in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("client", CLIENTS, ids=str)
@pytest.mark.parametrize("known", [False, True])
def test_the_cost_of_a_batch_is_that_of_the_textbook(client, known):
    """With the statistics of the client's batch known to the attacker or not."""
    client, target = ClientSettings(**client), made("convnet3")
    priors = {"total_variation": 0.3, "l2_norm": 0.2, "batch_statistics" if known else "batchnorm": 0.1}
    settings = attack_settings("dlg", label="known", restarts=2, priors=priors)
    search, images, labels, starts = search_of(target, client, settings)
    costs, gradients = search.evaluate(search.optimiser.points)

    starts.requires_grad_()
    expected = []
    for row, label in enumerate(labels):
        inputs = target.normalise(images[row])
        observed = [each.detach() for each in differentiable_update(target, client, inputs, label)]
        network = as_client(target, client)
        layers = [layer for layer in target.modules() if isinstance(layer, nn.BatchNorm2d)]
        remembered = [(layer.running_mean, layer.running_var) for layer in layers]
        reference = statistics(network, inputs) if known else remembered
        for candidate in starts[row]:
            ours = differentiable_update(target, client, candidate, label)
            cost = sum((a - b).square().sum() for a, b in zip(ours, observed, strict=True))
            cost = cost + 0.3 * (candidate.diff(dim=2).abs().mean() + candidate.diff(dim=3).abs().mean())
            cost = cost + 0.2 * sum(image.norm() for image in candidate) / client.batch
            if not known or client.batchnorm == "train":  # otherwise there is nothing to know
                cost = cost + 0.1 * distance(statistics(as_client(target, client), candidate), reference)
            expected.append(cost)
    expected = torch.stack(expected)
    torch.testing.assert_close(costs, expected.detach(), rtol=1e-4, atol=1e-5)
    (derivative,) = torch.autograd.grad(expected.sum(), starts)
    torch.testing.assert_close(gradients.view_as(derivative), derivative, rtol=1e-3, atol=1e-4)


def test_restarts_agree_image_by_image():
    client, target = ClientSettings(batch=2), made("lenet")
    with_prior, without = (
        search_of(target, client, attack_settings("gradinversion", steps=1, restarts=3, priors=priors))
        for priors in ({"group_consistency": 1.0}, {"group_consistency": 0})
    )
    search, _, _, starts = with_prior
    (costs, _), (plain, _) = (each.evaluate(search.optimiser.points) for each in (search, without[0]))
    from semsim.attacks.priors import group_consistency

    expected = torch.stack([group_consistency(starts[:, :, slot]) for slot in range(2)]).mean(0)
    torch.testing.assert_close((costs - plain).view(2, 3), expected, rtol=1e-3, atol=1e-4)


# From balanced to all of one class.
COUNTED = [[0, 1, 2, 3, 4, 0, 1, 2], [0, 0, 0, 1, 1, 4, 4, 4], [3, 3, 3, 3, 3, 3, 3, 3]]


@pytest.mark.parametrize("architecture", ["lenet", "convnet3", "resnet6"])
def test_classes_are_counted_however_often_they_occur(architecture):
    target, labels = made(architecture), torch.tensor(COUNTED)
    images, _ = batches(3, 8)
    plan = plan_updates(target, ClientSettings(batch=8), "cpu")
    observed = shared_updates(target, plan, images, labels, GradientDefence(), [0, 1, 2]).updates
    found = LABELS["analytic"](target, observed, None, [[0] * 8] * 3)
    assert found.tolist() == labels.sort(1).values.tolist()


def test_counts_are_whole_and_add_up_whatever_a_defence_leaves():
    target, (images, labels) = made("lenet"), batches(2, 4)
    plan = plan_updates(target, ClientSettings(batch=4), "cpu")
    for defence in (Prune(share=0.999999), Prune(share=0.9)):
        observed = shared_updates(target, plan, images, labels, defence, [0, 1]).updates
        found = LABELS["analytic"](target, observed, None, [[0] * 4] * 2)
        assert found.shape == (2, 4) and 0 <= found.min() <= found.max() < CLASSES


def test_reconstructions_are_matched_as_if_all_orders_had_been_tried():
    images = torch.rand(5, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    order = torch.tensor([3, 0, 4, 1, 2])
    noisy = (images + 0.3 * torch.randn(images.shape, generator=torch.Generator().manual_seed(1))).clamp(0, 1)
    shuffled = (noisy[order] * 255).round().to(torch.uint8)

    def error(partners):
        return (images - shuffled[list(partners)] / 255).square().sum().item()

    best = min(itertools.permutations(range(5)), key=error)
    assert match_batch(images, shuffled).tolist() == list(best) == order.argsort().tolist()
    assert match_batch(images[:1], shuffled[:1]).tolist() == [0]


def test_classes_are_counted_while_a_network_learns():
    generator = torch.Generator().manual_seed(0)
    means = torch.randn(24, 64, generator=generator).relu()

    def draw(count):
        labels = torch.randint(24, (count,), generator=generator)
        return (means[labels] + 0.8 * torch.randn(count, 64, generator=generator)).relu(), labels

    with torch.random.fork_rng():
        torch.manual_seed(0)
        last = nn.Linear(64, 24)
    optimiser = torch.optim.Adam(last.parameters(), 3e-3)
    right = {}
    for step in range(101):
        if step in (0, 30, 100):
            found = []
            for features, labels in (draw(8) for _ in range(50)):
                loss = functional.cross_entropy(last(features), labels)
                gradients = [each[None] for each in torch.autograd.grad(loss, [last.weight, last.bias])]
                counts = count_classes(last, *gradients, 8)[0]
                found.append(torch.minimum(counts, torch.bincount(labels, minlength=24)).sum() / 8)
            right[step] = torch.stack(found).mean().item()
        features, labels = draw(128)
        optimiser.zero_grad()
        functional.cross_entropy(last(features), labels).backward()
        optimiser.step()
    assert right[0] == 1 and right[30] > 0.99 and right[100] > 0.8


def test_two_images_of_one_class_are_told_apart():
    target, client = made("lenet"), {"batch": 2}
    images, _ = batches(1, 2)
    found = reconstruct(target, images[0], torch.tensor([3, 3]), "idlg", steps=300, seed=1, client=client)
    assert found.labels.tolist() == [3, 3]
    of_one_colour = (images[0] - images[0].mean((2, 3), keepdim=True)).square().mean()
    assert (found.images - images[0]).square().mean() < 0.2 * of_one_colour
    backwards = reconstruct(target, images[0].flip(0), torch.tensor([3, 3]), "idlg", steps=300, seed=1, client=client)
    assert (backwards.images - images[0].flip(0)).square().mean() < 0.2 * of_one_colour


@pytest.mark.parametrize("client", CLIENTS, ids=str)
@pytest.mark.parametrize("preset", ["dlg", "idlg", "invertgrad", "gradinversion"])
def test_every_preset_attacks_every_client(preset, client):
    target, changes = made("convnet3"), {"gradinversion": {"restarts": 2}}.get(preset, {})
    images, labels = batches(2, ClientSettings(**client).batch)
    found = reconstruct(
        *(target, images.flatten(0, 1), labels.flatten(), preset), steps=15, client=client, device="cpu", **changes
    )
    assert found.images.shape == images.flatten(0, 1).shape
    assert (found.costs < found.initial_costs).all()
    assert found.client == ClientSettings(**client)


def test_the_closed_form_takes_one_image_after_any_number_of_steps():
    target, (images, labels) = made("mlp"), batches(1, 2)
    found = reconstruct(target, images[0], labels[0], "analytic", client={"local_steps": 5})
    assert (found.images - images[0]).abs().max() <= 0.51 / 255
    with pytest.raises(SemsimError, match="initialisation analytic needs a client with a batch of one image"):
        reconstruct(target, images[0], labels[0], "analytic", client={"batch": 2})


def test_statistics_that_no_client_computes_are_not_known():
    target, (images, labels) = made("convnet3"), batches(1, 2)
    settings = {"steps": 1, "priors": {"batch_statistics": 1.0}, "client": {"batch": 2}}
    found = reconstruct(target, images[0], labels[0], **settings)
    assert found.left_out == ("prior batch_statistics needs a client with BatchNorm layers in train mode",)


def test_each_image_of_a_batch_is_clipped_alone_under_differential_privacy():
    target, (images, labels) = made("lenet"), batches(2, 3)
    defence, plan = DifferentialPrivacy(norm=0.5, noise=0.01), plan_updates(target, ClientSettings(batch=3), "cpu")
    shared = shared_updates(target, plan, images, labels, defence, [5, 6]).updates
    for row, seed in enumerate((5, 6)):
        each_image = zip(target.normalise(images[row]).split(1), labels[row].split(1), strict=True)
        gradients = [differentiable_update(target, ClientSettings(), *each) for each in each_image]
        lengths = [sum(part.square().sum() for part in each).sqrt().item() for each in gradients]
        assert max(lengths) > 0.5
        generator = torch.Generator().manual_seed(seed)
        for place, ours in enumerate(shared):
            clipped = [min(1, 0.5 / length) * each[place] for length, each in zip(lengths, gradients, strict=True)]
            noise = 0.01 * 0.5 * torch.randn(clipped[0].shape, generator=generator)
            torch.testing.assert_close(ours[row], (sum(clipped) + noise) / 3, rtol=1e-4, atol=1e-6)
    with pytest.raises(SemsimError, match="the defence dp bounds each image's own gradient"):
        reconstruct(target, images[0], labels[0], defence=defence, client={"batch": 3, "local_steps": 2})


def make_run(originals, client, **about):
    images = (batches(1, originals)[0][0] * 255).to(torch.uint8)
    about = {"draw_clients": True, "memory_gib": 1.0} | about
    return AttackRun(
        dataset="toy",
        target_name="target",
        attack="invertgrad",
        target=made("lenet"),
        originals=images,
        labels=torch.arange(originals) // 2 % CLASSES,
        settings=attack_settings("invertgrad", steps=40),
        augmentation=Augmentation("none"),
        defence=GradientDefence(),
        study_seed=1,
        client=ClientSettings(**client),
        **about,
    )


def test_originals_are_drawn_into_clients_by_the_seed_alone():
    by_two, by_four = (drawn(list(range(9)), batch, 1, "client", "toy") for batch in (2, 4))
    assert sorted(sum(by_two, [])) == list(range(9)) and [len(each) for each in by_two] == [2, 2, 2, 2, 1]
    assert by_four[0] == by_two[0] + by_two[1]
    assert by_two != drawn(list(range(9)), 2, 2, "client", "toy") != consecutive(list(range(9)), 2)
    assert drawn(list(range(9)), 2, 1, "client", "toy") == by_two


def test_rows_are_those_of_the_originals_and_the_last_client_has_fewer():
    attack_run = make_run(5, {"batch": 2})
    clients = attack_run.clients()
    assert sorted(map(len, clients)) == [1, 2, 2] and clients != consecutive(list(range(5)), 2)
    attacked, outcome = attack_run.run()
    assert torch.equal(attacked, attack_run.originals)
    table = attack_run.table(outcome)
    assert table.original.tolist() == list(range(5)) and table.seed.nunique() == 5
    for client in clients:
        rows = table.iloc[client]
        assert (rows.batch == min(client)).all() and rows.cost.nunique() == 1
        alone = make_run(5, {"batch": 2}, draw_clients=False)
        errors = (outcome.images[client, None] / 255 - alone.originals[None, client] / 255).square().mean((2, 3, 4))
        assert errors.trace() <= errors.flip(0).trace() + 1e-6  # matched within the client
    again = make_run(5, {"batch": 2}, memory_gib=0.9).run()[1]
    torch.testing.assert_close(again.costs, outcome.costs)


def test_one_client_fares_the_same_in_any_company():
    together, alone = (make_run(count, {"batch": 2}, draw_clients=False) for count in (6, 2))
    torch.testing.assert_close(alone.run()[1].costs, together.run()[1].costs[:2], rtol=0.05, atol=1e-4)


def test_shares_hold_whole_clients_and_small_memory_gives_the_same(monkeypatch):
    attack_run = make_run(7, {"batch": 2})
    expected = attack_run.run()[1]
    monkeypatch.setattr(AttackRun, "_clients_per_share", lambda attack_run: 2)
    shares = attack_run._shares()
    assert [tuple(share.shape) for share in shares] == [(2, 2), (1, 2), (1, 1)]
    torch.testing.assert_close(attack_run.run()[1].costs, expected.costs, rtol=0.05, atol=1e-4)


def test_a_client_takes_memory_with_its_batch_and_steps():
    def clients(**client):
        return make_run(4, client)._clients_per_share()

    assert clients() > clients(batch=8) > 2 * clients(batch=8, local_steps=4)
    with pytest.raises(SemsimError, match=r"one client \(batch of 8, 2 local steps at 0.01\) .* Raise memory_gib"):
        make_run(8, {"batch": 8, "local_steps": 2}, memory_gib=1e-5).run()


class Killed(BaseException):
    """Stands for a SIGKILL."""


def test_a_killed_run_of_clients_goes_on_where_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr(AttackRun, "_clients_per_share", lambda attack_run: 1)
    client, state = {"batch": 2, "local_steps": 2}, tmp_path / "state.pt"
    expected = make_run(5, client).run()[1]
    monkeypatch.setattr(state_module, "SAVE_EVERY_SECONDS", 0)
    advance, steps = Search.advance, []

    def advance_until_killed(search):
        steps.append(search.step)
        if len(steps) == 70:
            raise Killed
        advance(search)

    monkeypatch.setattr(Search, "advance", advance_until_killed)
    with pytest.raises(Killed):
        make_run(5, client).run(state)
    done = len(steps)
    outcome = make_run(5, client).run(state)[1]
    assert 0 < steps[done] < 40
    assert torch.equal(outcome.images, expected.images) and torch.equal(outcome.costs, expected.costs)


def test_the_state_of_another_client_is_not_used(tmp_path, caplog):
    state = tmp_path / "state.pt"
    for client in ({"batch": 2}, {"batch": 2, "local_steps": 2}, {"batch": 2, "local_steps": 2, "local_rate": 0.1}):
        make_run(4, client).run(state)
    assert caplog.text.count("of another run; starting again") == 2


def test_the_table_says_who_did_what():
    attack_run = make_run(4, {"batch": 2, "local_steps": 2})
    table = attack_run.table(attack_run.run()[1])
    assert set(table.client) == {"batch of 2, 2 local steps at 0.01"} and table.batch.value_counts().tolist() == [2, 2]


@pytest.mark.parametrize(
    ("client", "message"),
    [
        ({"batch": 0}, "batch: 0 is out of range"),
        ({"local_rate": 0.0}, "local_rate: 0.0 is out of range"),
        ({"batchnorm": "off"}, "batchnorm: 'off' is not one of eval, train"),
        ({"images": 8}, "unknown setting 'images'"),
        (8, "The client is not valid"),
        ({"batch": 3}, "2 images cannot fill a batch of 3"),
    ],
)
def test_wrong_clients_are_named(client, message):
    images, labels = batches(1, 2)
    with pytest.raises(SemsimError, match=message):
        reconstruct(made("lenet"), images[0], labels[0], client=client)

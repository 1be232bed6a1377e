"""Whole attacks: the batch against a plain loop, divergence, interruption, memory."""

import copy
import dataclasses

import pytest
import torch
from torch.nn import functional

from semsim.attacks import run as run_module
from semsim.attacks import state as state_module
from semsim.attacks.clients import ClientSettings
from semsim.attacks.engine import Search
from semsim.attacks.observation import shared_updates
from semsim.attacks.optimisers import Status
from semsim.attacks.planning import plan_updates
from semsim.attacks.run import AttackRun
from semsim.attacks.settings import attack_settings
from semsim.attacks.state import RunState
from semsim.errors import SemsimError
from semsim.targets.architectures import ARCHITECTURES
from semsim.targets.augmentation import Augmentation
from semsim.targets.defences import GradientDefence, Prune
from semsim.targets.models import build_target


@pytest.fixture(scope="module")
def targets():
    """A small target of each kind, untrained, on 12-pixel images of 4 classes."""
    torch.manual_seed(0)
    widths = {"lenet": None, "convnet3": 4, "mlp": 16}
    return {
        name: build_target(name, 4, 12, width, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3)).eval()
        for name, width in widths.items()
    }


@pytest.fixture
def images():
    """Smooth random images, uint8."""
    noise = torch.rand(6, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    return (functional.interpolate(noise, size=12, mode="bilinear") * 255).to(torch.uint8)


def make(target, images, attack="invertgrad", memory_gib=1.0, **changes):
    return AttackRun(
        dataset="toy",
        target_name="target",
        attack=attack,
        target=target,
        originals=images,
        labels=torch.arange(len(images)) % 4,
        settings=attack_settings(attack, **changes),
        augmentation=Augmentation("none"),
        defence=GradientDefence(),
        study_seed=1,
        memory_gib=memory_gib,
    )


def invertgrad_loop(target, image, label, start, steps):
    """Reconstruct one image as the published code does: a loop with autograd and torch's Adam; return its costs."""
    parameters = list(target.parameters())

    def gradient(inputs):
        loss = functional.cross_entropy(target.network(inputs), label)
        return torch.autograd.grad(loss, parameters, create_graph=True)

    observed = [part.detach() for part in gradient(target.normalise(image))]
    lower, upper = target.normalise(torch.zeros_like(image)), target.normalise(torch.ones_like(image))
    candidate = start.clone().requires_grad_()
    optimiser = torch.optim.Adam([candidate], lr=0.1)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, [round(steps * k / 8) for k in (3, 5, 7)], 0.1)
    costs = []
    for _ in range(steps):
        ours = gradient(candidate)
        inner = sum((a * b).sum() for a, b in zip(ours, observed, strict=True))
        lengths = sum(a.square().sum() for a in ours).sqrt() * sum(b.square().sum() for b in observed).sqrt()
        variation = candidate.diff(dim=2).abs().mean() + candidate.diff(dim=3).abs().mean()
        cost = 1 - inner / lengths + 1e-4 * variation
        candidate.grad = torch.autograd.grad(cost, candidate)[0].sign()
        optimiser.step()
        schedule.step()
        candidate.data = torch.clamp(candidate.data, lower, upper)
        costs.append(cost.item())
    return torch.tensor(costs)


def batch_and_loop(target, images, steps, device):
    """Return the costs of InvertGrad on images, uint8 [N, 3, S, S], step by step: by the engine and by the loop."""
    target, images = copy.deepcopy(target).to(device), images.to(device) / 255
    labels, seeds = (torch.arange(len(images)) % 4).to(device), list(range(len(images)))
    plan = plan_updates(target, ClientSettings(), device)
    observed = shared_updates(target, plan, images[:, None], labels[:, None], GradientDefence(), seeds)
    settings = attack_settings("invertgrad", steps=steps)
    search = Search(target, observed, labels[:, None], [[seed] for seed in seeds], settings, plan)
    starts = search.optimiser.points.clone().unflatten(1, images.shape[1:])
    batched = []
    for _ in range(steps):
        search.advance()
        batched.append(search.costs)
    each = ([part[k : k + 1] for part in (images, labels, starts)] for k in seeds)
    looped = [invertgrad_loop(target, *one, steps) for one in each]
    return torch.stack(batched, dim=1).cpu(), torch.stack(looped)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_first_steps_are_those_of_the_one_at_a_time_loop(architecture, device):
    torch.manual_seed(0)
    width = {"resnet20": 1, "mlp": 16}.get(architecture, 4) if ARCHITECTURES[architecture].default_width else None
    target = build_target(architecture, 4, 16, width, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3)).eval()
    torch.nn.init.normal_(target.network.head.weight, std=0.1)  # the ViT starts with zeros, which pass nothing back
    images = torch.randint(256, (2, 3, 16, 16), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    batched, looped = batch_and_loop(target, images, 3, device)
    torch.testing.assert_close(batched, looped, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("architecture", ["lenet", "convnet3", "mlp"])
def test_the_batch_agrees_with_the_one_at_a_time_loop(targets, images, architecture, device):
    batched, looped = batch_and_loop(targets[architecture], images, 80, device)
    torch.testing.assert_close(batched[:, :3], looped[:, :3], rtol=1e-3, atol=1e-5)
    # Later on signed gradients amplify rounding: the runs part, but they end equally well.
    assert batched[:, -1].mean() == pytest.approx(looped[:, -1].mean().item(), rel=0.1)
    assert (batched[:, -1] < batched[:, 0]).all()


def test_one_original_fares_the_same_in_any_company(targets, images):
    alone = make(targets["lenet"], images[:1], steps=5).run()[1]
    together = make(targets["lenet"], images, steps=5).run()[1]
    assert (alone.images[0].int() - together.images[0].int()).abs().max() <= 1
    assert alone.costs[0] == pytest.approx(together.costs[0].item(), rel=1e-3)


def test_a_shard_attacks_its_originals_as_the_whole_does(targets, images):
    whole = dataclasses.replace(make(targets["lenet"], images, steps=3), augmentation=Augmentation("crop"))
    shard = dataclasses.replace(whole, originals=images[4:], labels=whole.labels[4:], first=4)
    (attacked, outcome), (attacked_alone, alone) = whole.run(), shard.run()
    assert torch.equal(attacked[4:], attacked_alone)
    torch.testing.assert_close(outcome.costs[4:], alone.costs)
    keys = ["original", "label", "seed"]
    assert shard.table(alone)[keys].equals(whole.table(outcome)[keys].iloc[4:].reset_index(drop=True))


def test_the_positive_control_gives_the_image(targets, images):
    attacked, outcome = make(targets["mlp"], images, attack="analytic").run()
    assert (attacked.int() - outcome.images.int()).abs().max() <= 1
    assert outcome.recovered_labels.tolist() == [0, 1, 2, 3, 0, 1]


def test_every_preset_runs_and_lowers_its_cost(targets, images, device):
    target = copy.deepcopy(targets["convnet3"]).to(device)
    for attack, changes in {
        "dlg": {},
        "idlg": {},
        "invertgrad": {},
        "gradinversion": {"restarts": 2},
    }.items():
        outcome = make(target, images[:2], attack=attack, steps=30, **changes).run()[1]
        assert (outcome.costs < outcome.initial_costs).all(), attack
        assert outcome.images.shape == (2, 3, 12, 12)
        assert (outcome.restarts < changes.get("restarts", 1)).all()


def test_of_the_restarts_the_cheapest_is_kept(targets, images):
    settings = {"steps": 10, "restarts": 4, "priors": {"group_consistency": 0.0}}
    best = make(targets["lenet"], images[:2], attack="gradinversion", **settings).run()[1]
    plan = plan_updates(targets["lenet"], ClientSettings(), "cpu")
    attack_run = make(targets["lenet"], images[:2], attack="gradinversion", **settings)
    labels = torch.tensor([[0], [1]])
    observed = shared_updates(targets["lenet"], plan, images[:2, None] / 255, labels, GradientDefence(), [0, 1])
    seeds = [[seed] for original in range(2) for seed in attack_run._search_seeds(original)]
    search = Search(targets["lenet"], observed, labels, seeds, attack_run.settings, plan)
    for _ in range(10):
        search.advance()
    costs, _ = search.evaluate(search.optimiser.points)
    torch.testing.assert_close(best.costs, costs.view(2, 4).min(1).values)
    assert best.restarts.tolist() == costs.view(2, 4).argmin(1).tolist()


def test_divergence_is_recorded(targets, images):
    attack_run = make(targets["lenet"], images[:2], steps=10, boxed=False, learning_rate=3e37)
    outcome = attack_run.run()[1]
    assert (outcome.status == Status.DIVERGED).all()
    table = attack_run.table(outcome)
    assert (table.status == "diverged").all()
    assert (table.diverged_at >= 1).all()


def test_a_gradient_without_content_diverges_and_is_not_scored(targets, images):
    attack_run = make(targets["mlp"], images[:2], attack="analytic")
    object.__setattr__(attack_run, "defence", Prune(share=0.999999, scope="shared"))
    outcome = attack_run.run()[1]
    assert attack_run.table(outcome).status.tolist() == ["diverged", "diverged"]


class Killed(BaseException):
    """Stands for a SIGKILL: nothing in the program catches it."""


@pytest.mark.parametrize("attack", ["invertgrad", "idlg"])
def test_a_killed_run_goes_on_where_it_was(targets, images, tmp_path, monkeypatch, attack, device):
    target = copy.deepcopy(targets["lenet"]).to(device)
    changes = {"attack": attack, "steps": 60}
    monkeypatch.setattr(AttackRun, "_clients_per_share", lambda attack_run: 2)  # the kill comes in the second of three
    state = tmp_path / "state.pt"
    expected = make(target, images, **changes).run()[1]

    monkeypatch.setattr(state_module, "SAVE_EVERY_SECONDS", 0)
    advance, steps = Search.advance, []

    def advance_until_killed(search):
        steps.append(search.step)
        if len(steps) == 95:
            raise Killed
        advance(search)

    monkeypatch.setattr(Search, "advance", advance_until_killed)
    with pytest.raises(Killed):
        make(target, images, **changes).run(state)
    assert state.exists()
    done = len(steps)
    outcome = make(target, images, **changes).run(state)[1]
    assert 0 < steps[done] < 60  # it did not start the share again
    assert torch.equal(outcome.images, expected.images)
    assert torch.equal(outcome.costs, expected.costs)


def test_an_interrupted_run_goes_on_in_the_same_process(targets, images, tmp_path, monkeypatch):
    def interrupted(search):
        raise KeyboardInterrupt

    state = tmp_path / "state.pt"
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt) as interruption:
        patched.setattr(Search, "advance", interrupted)
        make(targets["lenet"], images[:1], steps=4).run(state)
    make(targets["lenet"], images[:1], steps=4).run(state)
    assert interruption.tb  # as a notebook does, this keeps what the first run held


def test_a_finished_attack_is_not_run_again_unless_something_has_changed(targets, images, tmp_path, monkeypatch):
    state, steps, advance = tmp_path / "state.pt", [], Search.advance
    monkeypatch.setattr(Search, "advance", lambda search: (steps.append(search.step), advance(search)))
    first = make(targets["lenet"], images[:2], steps=4).run(state)[1]
    again = make(targets["lenet"], images[:2], steps=4).run(state)[1]
    assert len(steps) == 4 and torch.equal(again.images, first.images) and torch.equal(again.costs, first.costs)
    make(targets["lenet"], images[:2], steps=4).run(state, code="other")
    assert len(steps) == 8
    make(targets["lenet"], images[:2], steps=5).run(state, code="other")
    assert len(steps) == 13
    assert list(tmp_path.iterdir()) == [state]


def test_a_state_of_another_run_or_a_damaged_one_is_not_used(targets, images, tmp_path, caplog):
    state = tmp_path / "state.pt"
    make(targets["lenet"], images[:1], steps=4).run(state)
    expected = make(targets["lenet"], images[:1], steps=5).run()[1]
    outcome = make(targets["lenet"], images[:1], steps=5).run(state)[1]
    assert torch.equal(outcome.images, expected.images)
    assert "of another run; starting again" in caplog.text
    state.write_bytes(state.read_bytes()[:100])
    assert torch.equal(make(targets["lenet"], images[:1], steps=5).run(state)[1].images, expected.images)
    assert "cannot be read" in caplog.text


def test_two_processes_do_not_share_an_attack(targets, images, tmp_path):
    state = tmp_path / "state.pt"
    with (
        RunState(state, "fingerprint"),
        pytest.raises(SemsimError, match="another process is running this attack"),
    ):
        make(targets["lenet"], images[:1], steps=4).run(state)
    make(targets["lenet"], images[:1], steps=4).run(state)
    assert list(tmp_path.iterdir()) == [state]


def test_too_little_memory_is_said_before_it_is_too_late(targets, images):
    with pytest.raises(SemsimError, match="toy/target/invertgrad: one client .* takes .* Raise memory_gib"):
        make(targets["lenet"], images, memory_gib=1e-6).run()


def test_by_default_one_client_takes_what_it_needs_as_far_as_it_is_there(targets, images, monkeypatch):
    usual = make(targets["lenet"], images, steps=3, memory_gib=None)
    assert usual._clients_per_share() == make(targets["lenet"], images, memory_gib=2)._clients_per_share() > 6
    together = usual.run()[1].costs
    monkeypatch.setattr(run_module, "DEFAULT_BYTES", 1000)
    alone = make(targets["lenet"], images, steps=3, memory_gib=None)
    assert alone._clients_per_share() == 1
    torch.testing.assert_close(alone.run()[1].costs, together)
    monkeypatch.setattr(run_module, "memory_of", lambda device: 2**10)
    with pytest.raises(SemsimError, match=r"with 1 restart takes .* GiB, but cpu has 9.54e-07 GiB. Take an attack"):
        make(targets["lenet"], images, memory_gib=None).run()


@pytest.mark.parametrize(("attack", "changes"), [("invertgrad", {}), ("gradinversion", {"restarts": 3})])
def test_passes_that_are_never_full_take_the_memory_of_a_share(targets, images, attack, changes):
    plan = plan_updates(targets["lenet"], ClientSettings(), "cpu")
    endless = dataclasses.replace(plan, clients_per_pass=10**6)  # a GPU's passes hold as many images of small networks
    attack_run = make(targets["lenet"], images, attack, steps=3, memory_gib=0.25, **changes)
    in_one_pass = dataclasses.replace(attack_run, plan=endless)
    originals = in_one_pass._clients_per_share()
    alone = dataclasses.replace(plan, clients_per_pass=1)
    one_by_one = dataclasses.replace(attack_run, plan=alone)._clients_per_share()
    assert 0.1 * one_by_one < originals < one_by_one  # all activations of the share at once take some, but not all
    torch.testing.assert_close(in_one_pass.run()[1].costs, attack_run.run()[1].costs)


def test_full_passes_leave_the_rest_of_the_memory_to_shares(targets, images):
    plan = plan_updates(targets["lenet"], ClientSettings(), "cpu")
    attack_run = make(targets["lenet"], images)
    plans = [dataclasses.replace(plan, clients_per_pass=count) for count in (1, 101, 201)]
    shares = [dataclasses.replace(attack_run, plan=each)._clients_per_share() for each in plans]
    assert shares[0] - shares[1] == pytest.approx(shares[1] - shares[2], abs=1) and shares[0] > shares[1]


def test_an_allocation_that_fails_becomes_a_message(targets, images, monkeypatch):
    def fail(search):
        torch.empty(2**55)

    monkeypatch.setattr(Search, "advance", fail)
    with pytest.raises(SemsimError, match="no space for the updates of 6 clients on cpu. Lower memory_gib"):
        make(targets["lenet"], images).run()

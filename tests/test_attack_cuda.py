"""Recorded steps on a GPU: as good as plain ones, given up where they cannot be recorded, and freed."""

import logging

import pytest
import torch

from semsim.attacks import cuda
from semsim.attacks.clients import ClientSettings
from semsim.attacks.cuda import Recording, products_as_convolutions
from semsim.attacks.engine import Search
from semsim.attacks.observation import shared_updates
from semsim.attacks.planning import plan_updates
from semsim.attacks.reconstruct import reconstruct
from semsim.attacks.settings import attack_settings
from semsim.targets.architectures import ARCHITECTURES
from semsim.targets.defences import GradientDefence
from semsim.targets.models import build_target

SIDE, CLASSES = 16, 4
ALONE = ClientSettings()


def target_of(architecture):
    torch.manual_seed(0)
    widths = {"resnet20": 1, "mlp": 16}
    width = widths.get(architecture, 4) if ARCHITECTURES[architecture].default_width else None
    target = build_target(architecture, CLASSES, SIDE, width, (0.5,) * 3, (0.25,) * 3).eval()
    torch.nn.init.normal_(target.network.head.weight, std=0.1)  # the ViT starts with zeros, which pass nothing back
    return target


def images_of(count):
    return torch.rand(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


def search_of(target, preset, client, **changes):
    settings = attack_settings(preset, **changes)
    device, images = target.mean.device, images_of(3 * client.batch).unflatten(0, (3, -1))
    labels = (torch.arange(3 * client.batch, device=device) % CLASSES).view(3, -1)
    plan = plan_updates(target, client, device)
    observed = shared_updates(target, plan, images.to(device), labels, GradientDefence(), range(3))
    seeds = torch.arange(3 * settings.restarts * client.batch).view(-1, client.batch).tolist()
    return Search(target, observed, labels, seeds, settings, plan)


def assert_recorded_as_plain(target, preset="invertgrad", client=ALONE, **changes):
    recorded, plain = (search_of(target, preset, client, steps=3, **changes) for _ in range(2))
    plain.recording.failed = True
    for _ in range(3):
        for search in (recorded, plain):
            search.advance()
        torch.testing.assert_close(recorded.costs, plain.costs, rtol=1e-3, atol=1e-5)
    assert recorded.recording.graph is not None and plain.recording.graph is None
    points = plain.optimiser.points
    for ours, theirs in zip(recorded.evaluate(points), plain.evaluate(points), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(recorded.outcome().costs, plain.outcome().costs, rtol=1e-3, atol=1e-5)


@pytest.mark.cuda
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_recorded_steps_are_the_plain_ones(architecture, gpu):
    assert_recorded_as_plain(target_of(architecture).to(gpu))


@pytest.mark.cuda
@pytest.mark.parametrize("preset", ["dlg", "idlg", "gradinversion"])
def test_recorded_steps_are_the_plain_ones_in_every_attack(preset, gpu):
    changes = {"restarts": 2} if preset == "gradinversion" else {}
    assert_recorded_as_plain(target_of("convnet3").to(gpu), preset, **changes)


@pytest.mark.cuda
@pytest.mark.parametrize(
    ("client", "priors"),
    [
        ({"batch": 4}, {}),
        ({"batch": 2, "local_steps": 3}, {}),
        ({"batch": 4, "batchnorm": "train"}, {"batch_statistics": 0.1}),
    ],
    ids=str,
)
def test_recorded_steps_are_the_plain_ones_for_every_client(client, priors, gpu):
    assert_recorded_as_plain(target_of("convnet3").to(gpu), client=ClientSettings(**client), priors=priors)


class LooksAtItsInput(torch.nn.Module):
    """A network that waits for the GPU: what it does depends on what it sees."""

    def __init__(self):
        super().__init__()
        self.body = torch.nn.Conv2d(3, 4, 3)
        self.head = torch.nn.Linear(4 * (SIDE - 2) ** 2, CLASSES)

    def forward(self, images):
        factor = 2 if bool(images.mean() > 1e6) else 1
        return self.head(factor * self.body(images).sigmoid().flatten(1))


@pytest.mark.cuda
def test_a_network_that_waits_for_the_gpu_is_attacked_all_the_same(gpu, caplog):
    torch.manual_seed(0)
    network, images, labels = LooksAtItsInput(), images_of(2), torch.tensor([0, 1])
    here, there = (reconstruct(network, images, labels, steps=3, device=device) for device in ("cpu", gpu))
    torch.testing.assert_close(there.costs, here.costs, rtol=1e-3, atol=1e-4)
    assert "cannot be recorded as a CUDA graph" in caplog.text
    assert torch.rand(3, device=gpu).isfinite().all()  # a recording that breaks off leaves PyTorch unable to do this


@pytest.mark.cuda
def test_a_recording_is_freed_with_its_search(gpu):
    def reserved_after_an_attack():
        reconstruct(target_of("convnet3"), images_of(64), torch.arange(64) % CLASSES, steps=2, device=gpu)
        torch.cuda.empty_cache()
        return torch.cuda.memory_reserved()

    reserved_after_an_attack()  # what PyTorch's libraries keep
    first, *later = (reserved_after_an_attack() for _ in range(4))
    assert max(later) <= first


@pytest.mark.cuda
def test_signed_attacks_alone_round_their_products(gpu, monkeypatch):
    target, costs = target_of("mlp").to(gpu), {}  # nothing but products
    for preset in ("invertgrad", "idlg"):
        for rounded in (False, True):
            monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", rounded)
            search = search_of(target, preset, ALONE, steps=3)
            costs[preset, rounded] = search.evaluate(search.optimiser.ask())[0]
    torch.testing.assert_close(costs["invertgrad", True], costs["invertgrad", False], rtol=5e-3, atol=1e-3)
    assert torch.equal(costs["idlg", True], costs["idlg", False])


def test_what_cannot_be_recorded_is_called_plainly(monkeypatch, caplog):
    tried = []

    def fail(recording, function, argument):
        tried.append(argument)
        raise RuntimeError("operation not permitted when stream is capturing\nand more")

    monkeypatch.setattr(Recording, "_record", fail)
    recording = Recording()
    with caplog.at_level(logging.WARNING, logger=cuda.__name__):
        results = [recording(lambda value: (value + 1,), torch.tensor(float(value)))[0].item() for value in (1, 2)]
    assert results == [2, 3] and len(tried) == 1
    assert caplog.text.count("(operation not permitted when stream is capturing)") == 1


@pytest.mark.parametrize("rounded", [True, False])
def test_products_round_where_convolutions_do(rounded, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", rounded)
    products = torch.backends.cuda.matmul
    before = products.allow_tf32
    with products_as_convolutions():
        assert products.allow_tf32 is rounded
    assert products.allow_tf32 is before

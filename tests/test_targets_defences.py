"""Gradient defences."""

import pytest
import torch

from semsim.errors import SemsimError
from semsim.targets.defences import GradientDefence

SHAPES = [(12, 3, 5, 5), (12,), (7, 48)]


def gradients(*leading, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(*leading, *shape, generator=generator) for shape in SHAPES]


def generators(*seeds):
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def test_prune_sets_exactly_the_smallest_to_zero():
    for before, after in zip(gradients(), GradientDefence("prune", 0.7).apply(gradients(), None), strict=True):
        kept = after != 0
        assert (~kept).sum() == round(0.7 * before.numel())
        assert torch.equal(after[kept], before[kept])
        assert before[~kept].abs().max() <= before[kept].abs().min()


def test_prune_counts_ties_once():
    (pruned,) = GradientDefence("prune", 0.25).apply([torch.ones(2, 10)], None)
    assert (pruned == 0).sum() == 5


def test_gaussian_has_its_sigma():
    before = [torch.zeros(40_000), torch.ones(40_000)]
    for gradient, noisy in zip(before, GradientDefence("gaussian", 1e-3).apply(before, *generators(1)), strict=True):
        assert (noisy - gradient).std().item() == pytest.approx(1e-3, rel=0.02)
        assert (noisy - gradient).mean().item() == pytest.approx(0, abs=2e-5)


@pytest.mark.parametrize("kind", ["none", "prune", "gaussian"])
def test_a_batch_of_gradients_equals_each_alone(kind):
    defence = GradientDefence(kind, 0.5)
    together = defence.apply_per_sample(gradients(3), generators(4, 5, 6))
    for sample, seed in enumerate((4, 5, 6)):
        alone = defence.apply([gradient[sample] for gradient in gradients(3)], *generators(seed))
        assert all(torch.equal(batch[sample], single) for batch, single in zip(together, alone, strict=True))


def test_defences_leave_what_they_are_given():
    given, copy = gradients(), gradients()
    for kind in ("prune", "gaussian"):
        GradientDefence(kind, 0.5).apply(given, *generators(0))
    assert all(torch.equal(one, other) for one, other in zip(given, copy, strict=True))


def test_scope():
    for scope, uses in {"training": {"training"}, "shared": {"shared"}, "both": {"training", "shared"}}.items():
        defence = GradientDefence.from_settings({"kind": "prune", "share": 0.7, "scope": scope})
        assert {use for use in ("training", "shared") if defence.acts_on(use)} == uses
    none = GradientDefence.from_settings(None)
    assert not none.acts_on("training") and not none.acts_on("shared")
    assert str(none) == "none"
    assert str(GradientDefence.from_settings({"kind": "gaussian", "sigma": 1e-3})) == "gaussian 0.001 (both)"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "clip", "share": 0.1}, "kind 'clip' is not known. Choose one of prune, gaussian"),
        ({"kind": "prune", "share": 0.1, "scope": "sharing"}, "scope 'sharing' is not known"),
        ({"kind": "prune", "share": 1.0}, "share of prune is 1.0. It must be a number of at least 0 and less than 1"),
        ({"kind": "prune"}, "share of prune is None"),
        ({"kind": "gaussian", "sigma": float("nan")}, "sigma of gaussian is nan"),
        ({"kind": "gaussian", "share": 0.1}, "gaussian has no 'share'. It takes sigma and scope"),
    ],
)
def test_bad_settings_are_explained(settings, message):
    with pytest.raises(SemsimError, match=message):
        GradientDefence.from_settings(settings)

"""Gradient defences."""

import pytest
import torch

from semsim.errors import SemsimError
from semsim.settings import validated
from semsim.targets.defences import DEFENCES, ClipNoise, Gaussian, GradientDefence, Prune
from semsim.targets.settings import TargetSettings

SHAPES = [(12, 3, 5, 5), (12,), (7, 48)]
EXAMPLES = [GradientDefence(), Prune(share=0.5), Gaussian(sigma=0.5), ClipNoise(norm=2.0, sigma=0.1)]


def gradients(*leading, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(*leading, *shape, generator=generator) for shape in SHAPES]


def generators(*seeds):
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def test_every_defence_is_tried_here():
    assert {type(each) for each in EXAMPLES} == {GradientDefence, *DEFENCES.values()}


def test_prune_sets_exactly_the_smallest_to_zero():
    for before, after in zip(gradients(), Prune(share=0.7).apply(gradients(), None), strict=True):
        kept = after != 0
        assert (~kept).sum() == round(0.7 * before.numel())
        assert torch.equal(after[kept], before[kept])
        assert before[~kept].abs().max() <= before[kept].abs().min()


def test_prune_counts_ties_once():
    (pruned,) = Prune(share=0.25).apply([torch.ones(2, 10)], None)
    assert (pruned == 0).sum() == 5


def test_gaussian_has_its_sigma():
    before = [torch.zeros(40_000), torch.ones(40_000)]
    for gradient, noisy in zip(before, Gaussian(sigma=1e-3).apply(before, *generators(1)), strict=True):
        assert (noisy - gradient).std().item() == pytest.approx(1e-3, rel=0.02)
        assert (noisy - gradient).mean().item() == pytest.approx(0, abs=2e-5)


def test_clipping_shortens_the_whole_gradient_and_keeps_its_direction():
    def whole(parts):
        return torch.cat([part.flatten() for part in parts])

    before = whole(gradients())
    assert before.norm() > 30
    after = whole(ClipNoise(norm=2.0, sigma=0).apply(gradients(), *generators(1)))
    torch.testing.assert_close(after, 2 * before / before.norm())
    torch.testing.assert_close(whole(ClipNoise(norm=100.0, sigma=0).apply(gradients(), *generators(1))), before)
    zeros = [torch.zeros(3, 20_000)]
    (noise,) = ClipNoise(norm=1.0, sigma=0.25).apply(zeros, *generators(1))
    assert noise.std().item() == pytest.approx(0.25, rel=0.02), "noise comes after clipping"


@pytest.mark.parametrize("defence", EXAMPLES, ids=str)
def test_a_batch_of_gradients_equals_each_alone(defence):
    together = defence.apply_per_sample(gradients(3), generators(4, 5, 6))
    for sample, seed in enumerate((4, 5, 6)):
        alone = defence.apply([gradient[sample] for gradient in gradients(3)], *generators(seed))
        for batch, single in zip(together, alone, strict=True):
            torch.testing.assert_close(batch[sample], single, rtol=1e-6, atol=0)


@pytest.mark.parametrize("defence", EXAMPLES, ids=str)
def test_defences_leave_what_they_are_given(defence):
    given, copy = gradients(), gradients()
    defence.apply(given, *generators(0))
    assert all(torch.equal(one, other) for one, other in zip(given, copy, strict=True))


def settings_of(defence):
    return validated(TargetSettings, {"architecture": "lenet", "gradient_defence": defence}, "not valid")


def test_scope():
    for scope, uses in {"training": {"training"}, "shared": {"shared"}, "both": {"training", "shared"}}.items():
        defence = settings_of({"kind": "prune", "share": 0.7, "scope": scope}).defence
        assert {use for use in ("training", "shared") if defence.acts_on(use)} == uses
    none = settings_of(None).defence
    assert not none.acts_on("training") and not none.acts_on("shared")


def test_names():
    for defence, text, trait in (
        (GradientDefence(), "none", ""),
        (Prune(share=0.7, scope="training"), "prune 0.7 (training)", "prune-0.7"),
        (Gaussian(sigma=1e-5), "gaussian 1e-05 (both)", "gaussian-1e-05"),
        (ClipNoise(norm=1.0, sigma=0.01, scope="shared"), "clip_noise 1 0.01 (shared)", "clip_noise-1-0.01"),
    ):
        assert (str(defence), defence.trait) == (text, trait)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "clip", "share": 0.1}, "gradient_defence.kind: 'clip' is not one of"),
        ({"kind": "prune", "share": 0.1, "scope": "sharing"}, "gradient_defence.scope: 'sharing' is not one of"),
        ({"kind": "prune", "share": 1.0}, "gradient_defence.share: 1.0 is out of range, from 0 to below 1"),
        ({"kind": "prune"}, "gradient_defence: 'share' is missing"),
        ({"kind": "gaussian", "sigma": float("nan")}, "gradient_defence.sigma: nan is not a finite number"),
        ({"kind": "gaussian", "sigma": 1, "share": 0.1}, "gradient_defence: unknown setting 'share'"),
        ({"share": 0.1}, "gradient_defence: 'kind' is missing: one of"),
    ],
)
def test_bad_settings_are_explained(settings, message):
    with pytest.raises(SemsimError) as error:
        settings_of(settings)
    assert message in str(error.value)

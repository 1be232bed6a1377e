"""Gradient defences."""

import pytest
import torch

from semsim.errors import SemsimError
from semsim.settings import validated
from semsim.targets.defences import (
    DEFENCES,
    ClipNoise,
    DifferentialPrivacy,
    Gaussian,
    GradientDefence,
    Prune,
    Quantise,
    RandomTop,
)
from semsim.targets.settings import TargetSettings

SHAPES = [(12, 3, 5, 5), (12,), (7, 48)]
EXAMPLES = [
    *(GradientDefence(), Prune(share=0.5), Gaussian(sigma=0.5), ClipNoise(norm=2.0, sigma=0.1)),
    *(RandomTop(share=0.1, top=0.4), Quantise(bits=3), DifferentialPrivacy(norm=2.0, noise=0.1)),
]


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


def mean_of(defence, gradient, draws):
    """The mean of a defence of one gradient over random draws, and its standard error."""
    each = defence.apply_per_sample([gradient.expand(draws, *gradient.shape)], generators(*range(draws)))[0]
    return each.mean(0), each.std(0) / draws**0.5


def test_random_top_keeps_its_share_of_the_largest():
    for before, after in zip(
        gradients(), RandomTop(share=0.1, top=0.25).apply(gradients(), *generators(1)), strict=True
    ):
        kept, size = after != 0, before.numel()
        assert kept.sum() == max(1, round(0.1 * size))
        assert before[kept].abs().min() >= before.abs().flatten().sort().values[-round(0.25 * size)]
        torch.testing.assert_close(after[kept], before[kept] * (round(0.25 * size) / kept.sum()))


def test_random_top_draws_among_all_of_the_largest_and_is_unbiased():
    gradient = torch.tensor([5.0, -4.0, 3.0, -2.0, 1.0, 0.5, -0.25, 0.1])
    for top, expected in ((1.0, gradient), (0.5, gradient * (gradient.abs() >= 2))):
        mean, error = mean_of(RandomTop(share=0.25, top=top), gradient, 4000)
        assert ((mean - expected).abs() <= 4 * error).all()
    assert torch.equal(RandomTop(share=0.5, top=0.5).apply([gradient], *generators(0))[0], expected)


@pytest.mark.parametrize("bits", [2, 3, 8, 16])
def test_quantised_gradients_are_neighbours_on_the_grid(bits):
    for before, after in zip(gradients(), Quantise(bits=bits).apply(gradients(), *generators(1)), strict=True):
        step = before.abs().max() / (2 ** (bits - 1) - 1)
        levels = after / step
        torch.testing.assert_close(levels, levels.round(), rtol=0, atol=4e-3)
        assert levels.abs().max().round() == 2 ** (bits - 1) - 1, "the largest entry is on the grid"
        assert (after - before).abs().max() < 1.01 * step


def test_quantisation_is_unbiased():
    gradient = torch.tensor([1.0, -1.0, 0.7, -0.2, 0.05, 0.0])
    mean, error = mean_of(Quantise(bits=2), gradient, 4000)
    assert ((mean - gradient).abs() <= 4 * error).all()
    assert mean[0] == 1 and mean[1] == -1 and mean[5] == 0


def test_quantisation_leaves_zeros():
    (zeros,) = Quantise(bits=4).apply([torch.zeros(3, 4)], *generators(0))
    assert torch.equal(zeros, torch.zeros(3, 4))


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_differential_privacy_bounds_the_gradient_of_every_image(scale):
    defence = DifferentialPrivacy(norm=2.0, noise=1e-9)
    given = [scale * gradient for gradient in gradients(5)]
    before, after = (
        sum(part.flatten(1).square().sum(1) for part in parts).sqrt()
        for parts in (given, defence.apply_per_sample(given, generators(*range(5))))
    )
    torch.testing.assert_close(after, before.clamp(max=2.0))


def test_differential_privacy_adds_noise_in_units_of_its_norm():
    (noise,) = DifferentialPrivacy(norm=0.5, noise=3.0).apply([torch.zeros(60_000)], *generators(1))
    assert noise.std().item() == pytest.approx(1.5, rel=0.02)
    (noise,) = DifferentialPrivacy(norm=0.5, noise=3.0).noisy_mean([torch.ones(60_000)], 10, *generators(1))
    assert noise.std().item() == pytest.approx(0.15, rel=0.02), "the noise of the sum is divided like the sum"
    assert noise.mean().item() == pytest.approx(0.1, abs=0.003)


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
        (DifferentialPrivacy(norm=1.0, noise=0.5, delta=1e-6), "dp 1 0.5 (both)", "dp-1-0.5"),
        (Quantise(bits=4), "quantise 4 (both)", "quantise-4"),
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
        ({"kind": "dp", "norm": 1, "noise": 0}, "gradient_defence.noise: 0 is out of range, above 0"),
        ({"kind": "dp", "norm": 1, "noise": 1, "delta": 1}, "gradient_defence.delta: 1 is out of range"),
        ({"kind": "quantise", "bits": 1}, "gradient_defence.bits: 1 is out of range, from 2 to 16"),
        ({"kind": "random_top", "share": 0.5, "top": 0.1}, "share is 0.5, but only the largest 0.1 can be kept"),
    ],
)
def test_bad_settings_are_explained(settings, message):
    with pytest.raises(SemsimError) as error:
        settings_of(settings)
    assert message in str(error.value)


def test_differential_privacy_refuses_batchnorm_only_in_training():
    settings = {"architecture": "convnet3", "gradient_defence": {"kind": "dp", "norm": 1, "noise": 1}}
    with pytest.raises(
        SemsimError, match="convnet3 has BatchNorm layers. Choose .*lenet, vit, mlp.* or `scope: shared`"
    ):
        validated(TargetSettings, settings, "not valid")
    settings["gradient_defence"]["scope"] = "shared"
    assert validated(TargetSettings, settings, "not valid").defence.acts_on("shared")

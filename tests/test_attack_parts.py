"""Objectives, priors, labels, initialisations and presets."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from semsim.attacks import objectives, priors
from semsim.attacks.analytic import invert_first_layer
from semsim.attacks.clients import ClientSettings
from semsim.attacks.initialisation import INITIALISATIONS
from semsim.attacks.labels import LABELS
from semsim.attacks.objectives import OBJECTIVES
from semsim.attacks.observation import augment, shared_updates
from semsim.attacks.optimisers import OPTIMISERS
from semsim.attacks.planning import plan_updates
from semsim.attacks.settings import PRESETS, Attacker, attack_settings
from semsim.errors import SemsimError
from semsim.targets import traits
from semsim.targets.architectures import ARCHITECTURES
from semsim.targets.augmentation import Augmentation
from semsim.targets.defences import Gaussian, GradientDefence, Prune
from semsim.targets.models import build_target


@pytest.fixture
def gradients():
    """Two gradients of two parameters for three images, as lists of tensors and as one numpy matrix each."""
    generator = torch.Generator().manual_seed(0)
    pair = [[torch.randn(3, 4, 2, generator=generator), torch.randn(3, 5, generator=generator)] for _ in range(2)]
    return pair, [np.concatenate([part.flatten(1).numpy() for part in one], axis=1) for one in pair]


def test_objectives_equal_their_formulas(gradients):
    (ours, theirs), (a, b) = gradients
    cosine = 1 - (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    np.testing.assert_allclose(objectives.Cosine(theirs)(ours), cosine, rtol=1e-5)
    np.testing.assert_allclose(objectives.Squared(theirs)(ours), ((a - b) ** 2).sum(1), rtol=1e-5)


def test_cosine_of_a_zero_gradient_is_one_and_differentiable(gradients):
    (ours, _), _ = gradients
    ours = [part.clone().requires_grad_() for part in ours]
    cost = objectives.Cosine([torch.zeros_like(part) for part in ours])(ours)
    assert cost.tolist() == [1, 1, 1]
    assert all(part.isfinite().all() for part in torch.autograd.grad(cost.sum(), ours))


def test_total_variation_and_norm_equal_their_formulas():
    images = np.random.default_rng(0).normal(size=(2, 3, 6, 5)).astype(np.float32)
    expected = np.abs(np.diff(images, axis=2)).mean((1, 2, 3)) + np.abs(np.diff(images, axis=3)).mean((1, 2, 3))
    np.testing.assert_allclose(priors.total_variation(torch.from_numpy(images)), expected, rtol=1e-5)
    np.testing.assert_allclose(
        priors.l2_norm(torch.from_numpy(images)), np.linalg.norm(images.reshape(2, -1), axis=1), rtol=1e-5
    )


def test_batchnorm_prior_is_zero_for_the_remembered_statistics_and_grows_with_distance():
    activations = torch.randn(2, 1, 3, 8, 8)
    layer = nn.BatchNorm2d(3)
    layer.running_mean = activations[0, 0].mean((1, 2))
    layer.running_var = activations[0, 0].var((1, 2), correction=0)
    same, other = priors.batchnorm([(layer, activations)])
    assert same == pytest.approx(0, abs=1e-6)
    shifted = priors.batchnorm([(layer, activations + torch.tensor([3.0, 0, 4]).view(3, 1, 1))])[0]
    assert shifted == pytest.approx(5, rel=1e-5)
    assert other > 0


def test_group_consistency_sees_through_shifts():
    blob = torch.zeros(3, 16, 16)
    blob[:, 4:8, 5:9] = torch.rand(3, 4, 4, generator=torch.Generator().manual_seed(0)) + 1
    identical = blob.expand(4, -1, -1, -1)
    assert priors.group_consistency(identical[None]).abs().max() < 1e-10

    shifted = torch.stack([blob, blob, blob, blob.roll((1, 2), (1, 2))])
    (consistency,) = priors.group_consistency(shifted[None])
    assert consistency[:3].max() < 1e-10  # the shifted one is brought back before it joins the consensus
    assert consistency[3] == pytest.approx((blob.roll((1, 2), (1, 2)) - blob).square().mean().item(), rel=1e-4)


def test_group_consistency_keeps_groups_apart():
    images = torch.randn(2, 3, 3, 8, 8)
    both = priors.group_consistency(images)
    assert both.shape == (2, 3)
    torch.testing.assert_close(both[:1], priors.group_consistency(images[:1]))
    torch.testing.assert_close(both[1:], priors.group_consistency(images[1:]))


@pytest.fixture(scope="module")
def mlp():
    torch.manual_seed(0)
    return build_target("mlp", 6, 12, 32, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3)).eval()


def observe(target, images, labels, defence=None):
    """Return the gradient that each image, as a client of its own, shares."""
    plan = plan_updates(target, ClientSettings(), "cpu")
    images, labels, seeds = images[:, None], labels[:, None], list(range(len(images)))
    return shared_updates(target, plan, images, labels, defence or GradientDefence(), seeds).updates


def test_closed_form_gives_the_exact_image(mlp):
    images = torch.rand(4, 3, 12, 12)
    recovered = mlp.denormalise(invert_first_layer(mlp, observe(mlp, images, torch.tensor([0, 1, 2, 5]))))
    torch.testing.assert_close(recovered, images, atol=1e-4, rtol=0)


def test_closed_form_needs_a_fully_connected_first_layer():
    lenet = build_target("lenet", 6, 12).eval()
    with pytest.raises(SemsimError, match="the closed form needs .* fully connected .* mlp"):
        invert_first_layer(lenet, observe(lenet, torch.rand(1, 3, 12, 12), torch.tensor([0])))


@pytest.mark.parametrize(("architecture", "width"), [("lenet", None), ("convnet3", 4), ("mlp", 16)])
def test_labels_are_read_off_the_gradient(architecture, width):
    torch.manual_seed(0)
    target = build_target(architecture, 6, 16, width).eval()
    labels = torch.arange(6)
    observed = observe(target, torch.rand(6, 3, 16, 16), labels)
    assert LABELS["analytic"](target, observed, None, [[0]] * 6).flatten().tolist() == labels.tolist()


def test_only_defences_of_the_shared_gradient_change_what_is_seen(mlp):
    images, labels = torch.rand(2, 3, 12, 12), torch.tensor([0, 1])
    plain = observe(mlp, images, labels)
    training = observe(mlp, images, labels, Prune(share=0.9, scope="training"))
    shared = observe(mlp, images, labels, Prune(share=0.9, scope="shared"))
    assert all(torch.equal(a, b) for a, b in zip(plain, training, strict=True))
    assert (shared[0] == 0).float().mean() == pytest.approx(0.9, abs=0.01)
    noisy = observe(mlp, images, labels, Gaussian(sigma=0.1))
    assert (noisy[0] - plain[0]).std() == pytest.approx(0.1, rel=0.05)


def test_augmentation_of_an_image_does_not_depend_on_its_neighbours():
    images = torch.randint(0, 256, (3, 3, 16, 16), dtype=torch.uint8)
    together = augment(images, Augmentation("crop"), [5, 6, 7])
    alone = augment(images[2:], Augmentation("crop"), [7])
    assert torch.equal(together[2], alone[0])


def test_noise_depends_on_the_seed_alone(mlp):
    observed = observe(mlp, torch.rand(2, 3, 12, 12), torch.tensor([0, 1]))
    start = INITIALISATIONS["normal"](mlp, observed, [[3, 5], [4, 6]])
    assert start.shape == (2, 2, 3, 12, 12)
    assert torch.equal(start[1, :1], INITIALISATIONS["normal"](mlp, observed[:1], [[4]])[0])


# What each published attack is, with where each number is from; what is not listed here is the default.
PUBLISHED = {
    "dlg": {
        "steps": 6000,  # 300 rounds of L-BFGS with 20 iterations each, in the code that Zhu et al. released
        "objective": "squared",  # Zhu et al. 2019, equation 4
        "optimiser": "lbfgs",  # Zhu et al. 2019, section 4
        "label": "optimised",  # Zhu et al. 2019, algorithm 1
        "tolerance": 1e-9,  # this project's
    },
    "idlg": {
        "steps": 6000,  # as for dlg
        "objective": "squared",
        "optimiser": "lbfgs",
        "label": "analytic",  # Zhao et al. 2020, section 3
        "tolerance": 1e-9,  # this project's
    },
    "invertgrad": {
        "steps": 8000,  # this project's; the code that Geiping et al. released has 4800 and 24000
        "objective": "cosine",  # Geiping et al. 2020, equation 4
        "signed": True,  # Geiping et al. 2020, section 4
        "priors": {"total_variation": 1e-4},  # Geiping et al. 2020, for CIFAR-10
        "milestones": (3 / 8, 5 / 8, 7 / 8),  # the code that Geiping et al. released, with the decay of 0.1
    },
    "gradinversion": {
        "steps": 8000,  # this project's; Yin et al. 2021 take 20000
        "objective": "squared",  # Yin et al. 2021, equation 3
        "label": "analytic",  # Yin et al. 2021, section 3.2
        # Yin et al. 2021, section 4: 1e-4, 1e-6, 0.1 and 0.01, each by the gradient term's 1e-3.
        "priors": {
            "total_variation": 1e-4 / 1e-3,
            "l2_norm": 1e-6 / 1e-3,
            "batchnorm": 0.1 / 1e-3,
            "group_consistency": 0.01 / 1e-3,
        },
        "restarts": 4,  # this project's
        "milestones": (3 / 8, 5 / 8, 7 / 8),  # this project's; Yin et al. 2021 decay along a cosine
    },
    "analytic": {"steps": 0, "initialisation": "analytic", "label": "analytic"},  # Phong et al. 2018, section 3
}
DEFAULTS = {
    "objective": "cosine",
    "optimiser": "adam",
    "learning_rate": 0.1,  # Geiping et al. 2020 and Yin et al. 2021
    "signed": False,
    "boxed": True,  # the code that Geiping et al. released
    "milestones": (),
    "decay": 0.1,  # the code that Geiping et al. released
    "history": 100,  # Zhu et al. 2019, section 4
    "priors": {},
    "restarts": 1,
    "initialisation": "normal",  # Zhu et al. 2019, algorithm 1
    "label": "known",
    "tolerance": 0.0,
}


def test_presets_are_what_was_published():
    assert PRESETS.keys() == PUBLISHED.keys()
    for name, expected in PUBLISHED.items():
        settings = PRESETS[name]().model_dump()
        priors, expected_priors = settings.pop("priors"), expected.get("priors", {})
        assert priors == pytest.approx(expected_priors, rel=1e-12), name
        assert {"priors": expected_priors, **settings} == DEFAULTS | expected, name


def test_a_preset_can_be_changed_in_a_word():
    assert attack_settings("invertgrad", steps=3) == PRESETS["invertgrad"]().model_copy(update={"steps": 3})
    assert attack_settings("invertgrad", milestones=[0.5]).milestones == (0.5,)


def test_priors_change_those_of_the_preset_one_by_one():
    changed = attack_settings("gradinversion", priors={"batchnorm": 0, "l2_norm": 5}).priors
    assert changed == {"total_variation": 1e-1, "l2_norm": 5, "group_consistency": 1e1}
    # Sums must not depend on the order in which somebody writes them down.
    assert list(attack_settings("dlg", priors={"l2_norm": 1, "total_variation": 2}).priors) == [
        "total_variation",
        "l2_norm",
    ]


def test_what_a_setting_lacks_is_told_in_sentences():
    everything = {*traits.TARGET, *traits.CLIENT, *traits.KNOWLEDGE}
    assert all(preset().unmet(everything) == preset().left_out(everything) == [] for preset in PRESETS.values())
    closed_form = attack_settings("analytic", label="known")
    assert closed_form.needs == {"first_linear", "single_image", "labels", "shared_gradient", "batch_shape"}
    assert closed_form.unmet(traits.KNOWLEDGE) == [
        "initialisation analytic needs a target model with a fully connected first layer with a bias",
        "initialisation analytic needs a client with a batch of one image",
    ]
    gradinversion = attack_settings("gradinversion")
    assert gradinversion.unmet(everything - {"batchnorm"}) == []
    assert gradinversion.left_out(everything - {"batchnorm"}) == [
        "prior batchnorm needs a target model with BatchNorm layers on feature maps"
    ]
    assert "batchnorm" not in gradinversion.priors_on(everything - {"batchnorm"})
    assert gradinversion.priors_on(everything) == gradinversion.priors


def test_an_attack_says_what_it_makes_use_of_and_what_of_that_is_forbidden():
    target = {"last_bias", "batchnorm"}
    gradinversion, invertgrad = attack_settings("gradinversion"), attack_settings("invertgrad")
    assert gradinversion.knowledge(target) == ["shared_gradient", "batch_shape"]  # it runs without the prior
    everything = target | traits.KNOWLEDGE.keys()
    assert gradinversion.knowledge(everything) == ["shared_gradient", "batch_shape", "running_statistics"]
    assert invertgrad.knowledge(everything) == ["shared_gradient", "batch_shape", "labels"]
    blind = Attacker(labels=False, running_statistics=False)
    assert invertgrad.forbidden(blind) == ["label known needs an attacker who knows the true labels"]
    assert gradinversion.forbidden(blind) == [
        "prior batchnorm needs an attacker who knows the running statistics of BatchNorm layers"
    ]
    assert attack_settings("invertgrad", label="analytic").forbidden(blind) == []
    assert all(preset().forbidden(Attacker(shared_gradient=False)) for preset in PRESETS.values())


def test_parts_need_nothing_but_known_traits_and_say_what_they_are():
    known = traits.TARGET.keys() | traits.CLIENT.keys() | traits.KNOWLEDGE.keys() | traits.ATTACK.keys()
    for registry in (OBJECTIVES, OPTIMISERS, INITIALISATIONS, LABELS, priors.PRIORS, PRESETS):
        assert all(part.needs <= known and part.summary for part in registry.values())
    assert {prior.of for prior in priors.PRIORS.values()} == {"images", "batchnorm_inputs", "batch_statistics"}


def test_settings_are_checked_without_pytorch():
    code = "import sys, semsim.attacks.settings; sys.exit('torch._C' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path)}).returncode == 0


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_traits_are_seen_on_the_network_and_are_those_declared(architecture):
    chosen = ARCHITECTURES[architecture]
    target = build_target(architecture, 4, 16, chosen.default_width and 2)
    assert target.traits == chosen.traits


@pytest.mark.parametrize(
    ("preset", "changes", "message"),
    [
        ("invertgrads", {}, "preset 'invertgrads' is not known. Choose one of dlg.*Did you mean 'invertgrad'"),
        (3, {}, "the preset must be a name, one of dlg, .*, but is 3"),
        (["dlg"], {}, "the preset must be a name"),
        (None, {}, "the preset must be a name"),
        ("dlg", {"step": 3}, "unknown setting 'step'. Did you mean 'steps'"),
        ("dlg", {"objective": "l2"}, "objective: 'l2' is not one of cosine, squared"),
        ("dlg", {"steps": -1}, "steps: -1 is out of range, 0 or more"),
        ("dlg", {"priors": {"l2": 1}}, "priors: 'l2' is not one of total_variation, l2_norm"),
        ("dlg", {"priors": {"l2_norm": -1}}, "priors.l2_norm: -1 is out of range"),
        ("dlg", {"priors": 3}, "priors: 3 is not a section"),
        ("invertgrad", {"priors": {"group_consistency": 1.0}}, "group_consistency needs two or more restarts"),
        ("gradinversion", {"restarts": 1}, "group_consistency needs two or more restarts"),
    ],
)
def test_wrong_settings_are_named(preset, changes, message):
    with pytest.raises(SemsimError, match=message):
        attack_settings(preset, **changes)

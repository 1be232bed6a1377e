"""`semsim audit`: a model, its images, and what its gradients give away."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

import semsim
from semsim.attacks.run import AttackRun
from semsim.attacks.settings import Attacker
from semsim.auditing.attacks import estimate, named_attacks, suited_attacks
from semsim.auditing.findings import answer, converged, knowledge_table, no_better
from semsim.auditing.gradients import describe_gradients
from semsim.auditing.measures import GUESS, OTHERS, OWN, class_means, compare_with_guess
from semsim.auditing.network import build_model, parse_model
from semsim.auditing.sample import Sample, read_sample, sample_of
from semsim.errors import SemsimError
from semsim.learned.scales import LEARNED
from semsim.metrics import METRICS, describe_scales
from semsim.metrics.scales import scales_of
from semsim.scoring.scores import Measure
from semsim.targets.defences import GradientDefence
from semsim.targets.models import build_target
from semsim.targets.traits import KNOWLEDGE
from semsim.targets.wrapping import wrap_network

SIDE = 16
NETWORK = """
from torch import nn

def build(classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 16), nn.ReLU(), nn.Linear(16, classes))
"""


def write_images(folder, counts, side=SIDE):
    """Write smooth random images, `counts` of each class, and return the folder."""
    generator = np.random.default_rng(0)
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = generator.integers(256, size=(4, 4, 3), dtype=np.uint8)
            Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture
def desk(tmp_path, semsim_in):
    """A folder with a network and images of two classes, and a function that audits them there."""
    (tmp_path / "net.py").write_text(NETWORK)
    write_images(tmp_path / "photos", {"cats": 6, "dogs": 6})
    run = semsim_in(tmp_path)

    def audit(*words, out="audit"):
        chosen = ["--originals", "8", "--steps", "3", "--out", out]
        return run("audit", "--model", "net.py:build", "--images", "photos", *chosen, *words)

    return tmp_path, audit


def test_an_audit_writes_its_page_tables_and_images(desk):
    folder, audit = desk
    status, output, errors = audit("--attacks", "analytic,invertgrad")
    assert status == 0 and "on this CPU" in errors and "H100 by benchmark" in errors
    assert output.startswith("The gradients leak: analytic shows more of these images than could be guessed.")
    page = (folder / "audit" / "report.html").read_text(encoding="utf-8")
    assert page.index("The gradients leak") < page.index("<h2>") and "http" not in page
    assert "net.py:build with random weights" in page and page.count("<figure><img") == 8 * 4
    originals, attacks, scores, comparison = (
        pd.read_csv(folder / "audit" / f"{name}.csv") for name in ("originals", "attacks", "scores", "comparison")
    )
    assert sorted(originals["class"]) == ["cats"] * 4 + ["dogs"] * 4 and originals["source"].is_unique
    assert attacks["knowledge"].unique().tolist() == ["exact_gradient batch_shape", "exact_gradient batch_shape labels"]
    mse = scores.set_index(["attack", "image"])["mse"]
    assert mse["analytic", OWN].max() < 1e-4 < 1e-3 < mse["analytic", OTHERS].min()
    assert (mse[GUESS, OWN] > 1e-3).all() and GUESS not in comparison["attack"].tolist()
    row = comparison.set_index(["attack", "metric"]).loc[("analytic", "mse")]
    assert row["closer"] == row["scored"] == 8 and row["better"]
    # What is written as an image is what was scored, beside its original.
    original, reconstruction = (
        np.asarray(Image.open(folder / "audit" / "images" / name / "003.png")) for name in ("originals", "analytic")
    )
    assert np.abs(original.astype(int) - reconstruction).max() <= 1


def test_python_gives_the_same_as_the_command(desk):
    folder, audit = desk
    assert audit("--attacks", "analytic")[0] == 0
    sample = read_sample(folder / "photos", 8, 1)
    module = build_model(str(folder / "net.py"), 2, SIDE)
    everything = torch.cat([sample.images, sample.others]), torch.cat([sample.labels, sample.other_labels])
    found = semsim.audit(module, *everything, folder / "python", originals=8, steps=3, attacks=["analytic"])
    assert found.report == folder / "python" / "report.html" and found.report.exists()
    written = pd.read_csv(folder / "audit" / "scores.csv")
    np.testing.assert_allclose(found.scores["psnr"].mean(), written["psnr"].mean(), atol=20)  # another sample
    assert found.answer[0].startswith("The gradients leak: analytic shows more")
    assert isinstance(found.settings.attacker, Attacker)


def test_an_audit_goes_on_where_it_was_stopped(desk, monkeypatch):
    folder, audit = desk
    words = ["--attacks", "analytic,invertgrad"]
    run_share, ran = AttackRun._run_share, []

    def stops(self, *arguments):
        ran.append(self.attack)
        if len(ran) == 2:
            raise KeyboardInterrupt
        return run_share(self, *arguments)

    monkeypatch.setattr(AttackRun, "_run_share", stops)
    assert audit(*words)[0] == 1 and not (folder / "audit" / "report.html").exists()
    status, _, errors = audit(*words)
    assert status == 0 and "24 steps of single images" in errors
    assert ran == ["analytic", "invertgrad", "invertgrad"]  # what is finished is not run again
    status, _, errors = audit(*words)
    assert status == 0 and "The attacks take a moment." in errors and len(ran) == 3
    assert audit(*words, out="whole")[0] == 0
    for name in ("attacks", "scores", "comparison", "originals"):
        assert (folder / "audit" / f"{name}.csv").read_text() == (folder / "whole" / f"{name}.csv").read_text()


def test_attacks_are_those_that_suit_the_network_and_the_attacker():
    everything = Attacker()
    attacks, left_out = suited_attacks(build_target("mlp", 4, SIDE, 8), everything, 50)
    assert list(attacks) == ["idlg", "invertgrad", "analytic"]
    assert {name: each.steps for name, each in attacks.items()} == {"idlg": 50, "invertgrad": 50, "analytic": 0}
    assert "dlg: differs from idlg only in how it obtains the label." in left_out
    attacks, left_out = suited_attacks(build_target("convnet3", 4, SIDE, 4), everything, 50)
    assert list(attacks) == ["idlg", "invertgrad", "gradinversion"]
    assert any(sentence.startswith("analytic: initialisation analytic needs") for sentence in left_out)
    blind = Attacker(labels=False, running_statistics=False)
    attacks, left_out = suited_attacks(build_target("convnet3", 4, SIDE, 4), blind, 50)
    assert list(attacks) == ["idlg", "invertgrad"] and attacks["invertgrad"].label == "analytic"
    assert any("knows the running statistics" in sentence for sentence in left_out)
    headless = wrap_network(nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE**2, 5, bias=False)), SIDE)
    attacks, _ = suited_attacks(headless, blind, 50)
    assert list(attacks) == ["dlg", "invertgrad"] and attacks["invertgrad"].label == "optimised"
    with pytest.raises(SemsimError, match="no attack suits this network and this attacker: dlg: objective squared"):
        suited_attacks(headless, Attacker(exact_gradient=False), 50)


def test_attacks_that_are_named_and_do_not_suit_are_refused():
    target = build_target("lenet", 4, SIDE)
    with pytest.raises(SemsimError, match="attack analytic: initialisation analytic needs a target model with"):
        named_attacks(["analytic"], target, Attacker(), 5)
    with pytest.raises(SemsimError, match="attack invertgrad: label known needs an attacker who knows the true labels"):
        named_attacks(["invertgrad"], target, Attacker(labels=False), 5)


def measures_of(*names):
    scales = scales_of(describe_scales(pd.DataFrame(columns=list(METRICS)))) | LEARNED
    return [Measure(scales[name], None) for name in names]


def scored(values):
    """A table of scores by attack and whose image: the values of each metric, in order of the ten originals."""
    parts = [
        pd.DataFrame({"attack": attack, "image": image, "original": range(10), **metrics})
        for (attack, image), metrics in values.items()
    ]
    return pd.concat(parts, ignore_index=True)


def test_an_attack_is_compared_with_the_guess_in_the_direction_of_each_metric():
    steps = np.linspace(0, 0.1, 10)
    scores = scored(
        {
            ("near", OWN): {"psnr": 20 + steps, "mse": 0.01 + steps},
            ("near", OTHERS): {"psnr": np.full(10, 6.0), "mse": np.full(10, 0.8)},
            ("mixed", OWN): {"psnr": np.where(np.arange(10) % 2, 20.0, 5.0), "mse": np.full(10, 0.9)},
            (GUESS, OWN): {"psnr": np.full(10, 12.0), "mse": np.full(10, 0.5)},
        }
    )
    scores.loc[0, "psnr"] = np.nan  # diverged
    table = compare_with_guess(scores, measures_of("psnr", "mse"), 1).set_index(["attack", "metric"])
    assert table.loc[("near", "psnr"), ["scored", "closer", "better"]].tolist() == [9, 9, True]
    assert table.loc[("near", "mse"), ["scored", "closer", "better"]].tolist() == [10, 10, True]
    assert table.loc[("mixed", "psnr"), ["closer", "better"]].tolist() == [5, False]
    assert table.loc[("mixed", "mse"), ["closer", "better"]].tolist() == [0, False]  # far worse is not better
    assert table.loc[("near", "mse"), "p"] == 2 / 2**10
    assert table.loc[("near", "mse"), "guess"] == 0.5


def test_an_attack_that_is_no_better_than_the_mean_image_is_named():
    same = {"psnr": np.linspace(10, 12, 10)}
    near = {"psnr": same["psnr"] + 5}
    scores = scored({("idle", OWN): same, ("noise", OWN): near, ("noise", OTHERS): near, ("near", OWN): near})
    scores = pd.concat([scores, scored({("near", OTHERS): same, (GUESS, OWN): same})])
    measures = measures_of("psnr")
    comparison = compare_with_guess(scores, measures, 1)
    idle, noise = no_better(comparison)  # noise is closer than the mean image, but as close to any other original
    assert idle.startswith("idle is no better than a guess") and "0 of 10" in idle
    assert noise.startswith("noise is no better than a guess") and "0 of 10" in noise
    gradients = pd.DataFrame({"vanished": [False] * 10, "zero_share": 0.0, "gradient_norm": 1.0})
    first, second, *_ = answer(gradients, None, comparison, measures)
    assert first == "The gradients leak: near shows more of these images than could be guessed."
    assert second.startswith("near comes closest. By PSNR, 10 of its 10 reconstructions are closer")
    idle = comparison[comparison["attack"] == "idle"]
    assert answer(gradients, None, idle, measures)[0].startswith("None of the attacks shows more")
    assert "3 originals are too few" in answer(gradients[:3], None, idle, measures)[0]


def test_the_guess_is_the_mean_of_the_others_of_the_class():
    images = torch.tensor([0, 100, 200, 40, 8], dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 2, 2)
    labels = torch.tensor([0, 0, 0, 1, 2])
    sample = Sample(images[[0, 3]], labels[[0, 3]], ["a", "b"], images[[1, 2, 4]], labels[[1, 2, 4]], ("x", "y", "z"))
    means = class_means(sample)[:, 0, 0, 0].tolist()
    assert means == [150, 77]  # of its class without itself; alone in its class, of all others


def test_a_model_that_has_converged_is_told(tmp_path):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE**2, 16), nn.ReLU(), nn.Linear(16, 2))
    images = torch.rand(4, 3, SIDE, SIDE)
    target = wrap_network(network, SIDE).eval()
    labels = target(images).argmax(1)
    fresh = describe_gradients(target, images, labels)
    assert not fresh["vanished"].any() and converged(fresh) == []
    parameters = list(network.parameters())
    losses = nn.functional.cross_entropy(target(images[:1]), labels[:1])
    gradients = torch.autograd.grad(losses, parameters)
    norm = torch.cat([gradient.flatten() for gradient in gradients])
    assert fresh["gradient_norm"][0] == pytest.approx(norm.norm().item(), rel=1e-4)
    assert fresh["zero_share"][0] == pytest.approx((norm == 0).float().mean().item(), abs=1e-6)
    with torch.no_grad():
        network[-1].weight *= 1e4
        network[-1].bias *= 1e4
    sure = describe_gradients(target, images, labels)
    assert sure["vanished"].all()
    (sentence,) = converged(sure)
    assert sentence.startswith("The model has converged on 4 of 4 images") and "entries are zero)" in sentence
    found = semsim.audit(network, images, labels, tmp_path / "audit", originals=4, steps=2, attacks=["invertgrad"])
    assert sentence in found.report.read_text(encoding="utf-8")


def test_searches_that_diverge_are_counted_and_not_scored(desk, monkeypatch):
    folder, audit = desk
    table = AttackRun.table

    def diverged(self, outcome):
        rows = table(self, outcome)
        rows.loc[[0, 2], "status"] = "diverged"
        return rows

    monkeypatch.setattr(AttackRun, "table", diverged)
    assert audit("--attacks", "analytic")[0] == 0
    page = (folder / "audit" / "report.html").read_text(encoding="utf-8")
    assert "2 of 8 searches of analytic diverged; they are not scored." in page and page.count("<b>diverged</b>") == 2
    scores = pd.read_csv(folder / "audit" / "scores.csv")
    assert scores["psnr"].isna().sum() == 2


def test_what_is_forbidden_stands_on_the_page():
    attacks = pd.DataFrame({"attack": ["a", "b"], "knowledge": ["exact_gradient batch_shape", "exact_gradient"]})
    table = knowledge_table(attacks, Attacker(labels=False))
    assert len(table["a"]) == len(KNOWLEDGE) and table["a"][:2] == ["used", "used"] and table["b"][:2] == ["used", "–"]
    assert table["allowed here"][list(KNOWLEDGE).index("labels")] == "no"


def test_a_long_run_has_to_be_confirmed(desk, monkeypatch):
    folder, audit = desk
    monkeypatch.setattr(AttackRun, "seconds", lambda self: 9 * 3600.0)
    monkeypatch.setattr(sys, "stdin", open("/dev/null"))  # noqa: SIM115 (closed with the process)
    status, _, errors = audit("--attacks", "invertgrad")
    assert status == 1 and "about 9 h on this CPU" in errors and "Go on with --yes" in errors
    assert not (folder / "audit").exists()  # nothing is written that would be in the way of a shorter run
    assert audit("--attacks", "invertgrad", "--yes")[0] == 0


def test_the_estimate_is_measured_on_the_network_itself():
    images, labels = torch.rand(3, 3, SIDE, SIDE), torch.tensor([0, 1, 2])
    target = build_target("lenet", 4, SIDE).eval()
    attacks = named_attacks(["invertgrad", "idlg"], target, Attacker(), 500)
    client = lambda image, generator: image, GradientDefence()  # noqa: E731
    runs = [
        AttackRun("images", "lenet", name, target, images, labels, each, *client, 1, 1.0)
        for name, each in attacks.items()
    ]
    seconds, sentence = estimate([(run, 1.0) for run in runs])
    assert 0.5 < seconds < 600 and sentence.startswith("3,000 steps of single images at 16 pixels: about ")
    assert estimate([(runs[0], 0.0)]) == (0.0, "The attacks take a moment.")
    assert estimate([(runs[0], 0.5)])[1].startswith("750 steps of single images")


def test_samples_are_balanced_and_come_from_the_test_part(tmp_path):
    folder = tmp_path / "parts"
    for part in ("train", "test"):
        write_images(folder / part, {"a": 5, "b": 30})
    sample = read_sample(folder, 6, 1)
    assert sample.labels.bincount().tolist() == [3, 3] and all(name.startswith("test/") for name in sample.names)
    assert sample.other_labels.bincount().tolist() == [2, 20]  # no more than are needed for a mean
    assert sample.images.shape == (6, 3, SIDE, SIDE) and sample.images.dtype == torch.uint8
    assert read_sample(folder, 6, 1).names == sample.names != read_sample(folder, 6, 2).names
    assert read_sample(folder, 6, 1, image_size=8).images.shape == (6, 3, 8, 8)
    named = read_sample(folder, 2, 1, classes=["z", "b", "a"])
    assert sorted(named.labels.tolist()) == [1, 2] and named.classes == ("z", "b", "a")
    batch = sample_of(torch.rand(9, 3, 4, 4), torch.tensor([0, 0, 0, 0, 0, 0, 1, 1, 1]), 4, 1, 2)
    assert batch.labels.bincount().tolist() == [2, 2] and len(batch.others) == 5


def test_models_are_built_by_name_or_from_a_file_with_weights_of_either_kind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(NETWORK.replace("def build", "def make"))
    assert parse_model("net.py:make") == {"file": "net.py", "name": "make"}
    model = build_model("net.py:make", 3, SIDE)
    save_file(model.network.state_dict(), "w.safetensors")
    torch.save(model.network.state_dict(), "w.pt")
    for weights in ("w.safetensors", "w.pt"):
        again = build_model("net.py:make", 3, SIDE, weights, seed=5)
        assert all(map(torch.equal, again.state_dict().values(), model.state_dict().values()))
    other = build_model("net.py:make", 3, SIDE, seed=5)
    assert not torch.equal(other.network[1].weight, model.network[1].weight)
    resnet = build_model("torchvision:resnet18", 3, 32, mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2))
    assert resnet.spec["classes"] == 3 and resnet.traits == {"batchnorm", "last_bias"} and not resnet.training
    assert json.dumps(resnet.spec)

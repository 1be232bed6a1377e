"""`semsim audit`: a model, its images, and what its gradients give away."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

import semsim
from semsim.attacks import planning
from semsim.attacks.clients import ClientSettings
from semsim.attacks.run import AttackRun
from semsim.attacks.settings import Attacker, attack_settings
from semsim.auditing.attacks import named_attacks, suited_attacks
from semsim.auditing.findings import answer, converged, ended, knowledge_table, no_better
from semsim.auditing.gradients import describe_updates
from semsim.auditing.length import estimate, fitting_length, image_steps, shortened
from semsim.auditing.measures import GUESS, Recognisable, class_means, compare_with_guess, others_of, own_scores
from semsim.auditing.network import build_model, parse_model
from semsim.auditing.sample import Sample, read_sample, sample_of
from semsim.auditing.settings import AuditSettings, Length
from semsim.errors import SemsimError
from semsim.learned.scales import LEARNED
from semsim.metrics import METRICS, describe_scales
from semsim.metrics.scales import scales_of
from semsim.scoring.measures import Measure
from semsim.targets.defences import GradientDefence
from semsim.targets.models import build_target
from semsim.targets.traits import KNOWLEDGE
from semsim.targets.wrapping import wrap_network

SIDE = 16
UNKNOWN = Recognisable({}, [])
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

    def audit(*words, out="audit", length=("--originals", "8", "--steps", "3")):
        return run("audit", "--model", "net.py:build", "--images", "photos", "--out", out, *length, *words)

    return tmp_path, audit


def test_an_audit_writes_its_page_tables_and_images(desk):
    folder, audit = desk
    status, output, errors = audit("--attacks", "analytic,invertgrad")
    assert status == 0 and "on this CPU" in errors and "H100 by benchmark" in errors
    assert output.startswith("The gradients leak: analytic shows more of these images than could be guessed.")
    assert "Simulated annotators would recognise about" in output
    assert "calibrated on images of 32x32 pixels, and here are images of 16x16: do not rely on them." in output
    page = (folder / "audit" / "report.html").read_text(encoding="utf-8")
    assert "Chances are based on 5,400 labels by simulated annotators" in page and "class mean: Simulated" in page
    assert page.index("The gradients leak") < page.index("<h2>") and "http" not in page
    assert (
        "3 by invertgrad (published: 8,000)" in page
        and "net.py:build with random weights" in page
        and page.count("<figure><img") == 8 * 4
    )
    originals, attacks, scores, comparison = (
        pd.read_csv(folder / "audit" / f"{name}.csv") for name in ("originals", "attacks", "scores", "comparison")
    )
    assert sorted(originals["class"]) == ["cats"] * 4 + ["dogs"] * 4 and originals["source"].is_unique
    used = "shared_gradient batch_shape"
    assert attacks["knowledge"].unique().tolist() == [used, f"{used} labels"]
    own = own_scores(scores).set_index("attack")["mse"]
    assert own["analytic"].max() < 1e-4 < 1e-3 < own[GUESS].min() and GUESS not in comparison["attack"].tolist()
    assert (scores.groupby("attack").size()[["analytic", GUESS]] == [8 * 8, 8]).all()
    assert scores["chance"].between(0, 1).all() and "chance" not in comparison["metric"].tolist()
    row = comparison.set_index(["attack", "metric"]).loc[("analytic", "mse")]
    assert row["closer"] == row["scored"] == 8 and row["better"]
    # What is written as an image is what was scored, beside its original.
    original, reconstruction = (
        np.asarray(Image.open(folder / "audit" / "images" / name / "003.png")) for name in ("originals", "analytic")
    )
    assert np.abs(original.astype(int) - reconstruction).max() <= 1


@pytest.mark.parametrize(
    "client", [["batch=4"], ["batch=4", "local_steps=2"], ["batch=4", "batchnorm=train"]], ids=" ".join
)
def test_clients_are_attacked_as_they_are(desk, client):
    folder, audit = desk
    status, output, errors = audit("--attacks", "invertgrad", "--model", "convnet3", "--client", *client)
    assert status == 0, errors
    attacks = pd.read_csv(folder / "audit" / "attacks.csv")
    assert attacks["client"].str.startswith("batch of 4").all() and attacks["batch"].value_counts().tolist() == [4, 4]
    page = (folder / "audit" / "report.html").read_text(encoding="utf-8")
    assert "The reconstructions of a batch come in no particular order" in page and f"({attacks['client'][0]})" in page
    assert ("model in eval mode" in page) == ("batchnorm=train" not in client)


def test_how_updates_are_computed_is_chosen_once_for_all_attacks(desk, monkeypatch):
    _, audit = desk
    choose_method, chosen = planning.choose_method, []
    monkeypatch.setattr(planning, "choose_method", lambda *network: chosen.append(1) or choose_method(*network))
    assert audit("--attacks", "analytic,invertgrad,idlg")[0] == 0
    assert len(chosen) == 1  # it takes seconds


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


def stop_in_the_second_attack(monkeypatch):
    """Interrupt the second of all attacks that run from now on; return the list of those that have begun."""
    run_share, ran = AttackRun._run_share, []

    def stops(self, *arguments):
        ran.append(self.attack)
        if len(ran) == 2:
            raise KeyboardInterrupt
        return run_share(self, *arguments)

    monkeypatch.setattr(AttackRun, "_run_share", stops)
    return ran


def test_an_audit_goes_on_where_it_was_stopped(desk, monkeypatch):
    folder, audit = desk
    words = ["--attacks", "analytic,invertgrad"]
    ran = stop_in_the_second_attack(monkeypatch)
    assert audit(*words)[0] == 1 and not (folder / "audit" / "report.html").exists()
    status, _, errors = audit(*words)
    assert status == 0 and "24 steps of single images" in errors
    assert ran == ["analytic", "invertgrad", "invertgrad"]  # what is finished is not run again
    status, _, errors = audit(*words)
    assert status == 0 and "The attacks take a moment." in errors and len(ran) == 3
    assert audit(*words, out="whole")[0] == 0
    for name in ("attacks", "scores", "comparison", "originals"):
        assert (folder / "audit" / f"{name}.csv").read_text() == (folder / "whole" / f"{name}.csv").read_text()


def test_an_audit_that_was_killed_goes_on_with_the_same_results(desk):
    folder, audit = desk
    words = ["--attacks", "analytic,invertgrad", "--originals", "4", "--steps", "150"]
    paths = ["--model", "net.py:build", "--images", "photos", "--out", "killed"]
    with subprocess.Popen(
        [sys.executable, "-m", "semsim.commands", "audit", *paths, *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(Path(semsim.__file__).parents[1])},
        stderr=subprocess.DEVNULL,
    ) as process:
        finished = folder / "killed" / "state" / "analytic.pt"
        while process.poll() is None and not finished.is_file():
            time.sleep(0.01)
        process.kill()  # SIGKILL: nothing of it runs any more
    assert process.returncode == -signal.SIGKILL and not (folder / "killed" / "report.html").exists()
    written = finished.stat().st_mtime_ns
    assert audit(*words, out="killed")[0] == 0 and finished.stat().st_mtime_ns == written, "analytic ran again"
    assert audit(*words, out="whole")[0] == 0
    for name in ("originals", "attacks", "scores", "comparison"):
        resumed, whole = (pd.read_csv(folder / out / f"{name}.csv") for out in ("killed", "whole"))
        pd.testing.assert_frame_equal(resumed, whole)


def trained_norms():
    """A network whose BatchNorm layers have seen images."""
    target = build_target("convnet3", 4, SIDE, 4)
    target.train()(torch.rand(8, 3, SIDE, SIDE))
    return target.eval()


def test_attacks_are_those_that_suit_the_network_and_the_attacker():
    everything, alone = Attacker(), ClientSettings()
    attacks, left_out = suited_attacks(build_target("mlp", 4, SIDE, 8), alone, everything)
    assert list(attacks) == ["idlg", "invertgrad", "analytic"]
    assert {name: each.steps for name, each in attacks.items()} == {"idlg": 6000, "invertgrad": 8000, "analytic": 0}
    assert "dlg: differs from idlg only in how it obtains the label." in left_out
    attacks, left_out = suited_attacks(trained_norms(), alone, everything)
    assert list(attacks) == ["idlg", "invertgrad", "gradinversion"]
    assert any(sentence.startswith("analytic: initialisation analytic needs") for sentence in left_out)
    blind = Attacker(labels=False, running_statistics=False)
    attacks, left_out = suited_attacks(trained_norms(), alone, blind)
    assert list(attacks) == ["idlg", "invertgrad"] and attacks["invertgrad"].label == "analytic"
    assert any("knows the running statistics" in sentence for sentence in left_out)
    headless = wrap_network(nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE**2, 5, bias=False)), SIDE)
    attacks, _ = suited_attacks(headless, alone, blind)
    assert list(attacks) == ["dlg", "invertgrad"] and attacks["invertgrad"].label == "optimised"
    with pytest.raises(
        SemsimError, match="no attack applies to this network, client and attacker: dlg: objective squared"
    ):
        suited_attacks(headless, alone, Attacker(shared_gradient=False))


def test_attacks_are_those_that_suit_the_client():
    target = build_target("mlp", 4, SIDE, 8)
    attacks, left_out = suited_attacks(target, ClientSettings(batch=4), Attacker())
    assert "analytic" not in attacks and any("needs a client with a batch of one image" in each for each in left_out)
    norms, train = trained_norms(), ClientSettings(batch=4, batchnorm="train")
    attacks, _ = suited_attacks(norms, train, Attacker())
    assert "batch_statistics" in attacks["gradinversion"].priors and "batchnorm" not in attacks["gradinversion"].priors
    attacks, _ = suited_attacks(norms, train, Attacker(batch_statistics=False))
    assert "batchnorm" in attacks["gradinversion"].priors


def test_running_statistics_of_no_image_are_not_matched():
    """A batch's own statistics can be matched before any training, too."""
    new = build_target("convnet3", 4, SIDE, 4)
    attacks, left_out = suited_attacks(new, ClientSettings(), Attacker())
    assert list(attacks) == ["idlg", "invertgrad"]
    (sentence,) = [each for each in left_out if each.startswith("gradinversion")]
    assert sentence.endswith("the BatchNorm layers have no running statistics of images, as before any training.")
    attacks, _ = suited_attacks(new, ClientSettings(batch=4, batchnorm="train"), Attacker())
    assert "batch_statistics" in attacks["gradinversion"].priors


def test_attacks_that_are_named_and_do_not_suit_are_refused():
    target = build_target("lenet", 4, SIDE)
    with pytest.raises(SemsimError, match="attack analytic: initialisation analytic needs a target model with"):
        named_attacks(["analytic"], target, ClientSettings(), Attacker())
    with pytest.raises(SemsimError, match="attack invertgrad: label known needs an attacker who knows the true labels"):
        named_attacks(["invertgrad"], target, ClientSettings(), Attacker(labels=False))


def measures_of(*names):
    scales = scales_of(describe_scales(pd.DataFrame(columns=list(METRICS)))) | LEARNED
    return [Measure(scales[name], None) for name in names]


ALONE = [[place] for place in range(10)]


def scored(attack, own, others=(), **more):
    """A table of scores of ten originals: the values of each metric, and those of reconstructions of others."""
    metrics = {"psnr": own} | more
    rows = [pd.DataFrame({"attack": attack, "original": range(10), "of": range(10), **metrics})]
    for turn, values in enumerate(others, start=1):
        of = (np.arange(10) + turn) % 10
        rows.append(pd.DataFrame({"attack": attack, "original": range(10), "of": of, **dict.fromkeys(metrics, values)}))
    return pd.concat(rows)


def test_an_original_is_found_if_its_reconstruction_is_the_closest_of_all():
    wins = np.where(np.arange(10) < 6, 20.0, 1.0)
    others = [np.full(10, 5.0), np.full(10, 6.0), np.full(10, 7.0)]
    guess = scored(GUESS, np.full(10, 4.0), mse=np.full(10, 4.0))
    scores = pd.concat([scored("some", wins, others, mse=np.full(10, 0.5)), guess])
    table = compare_with_guess(scores, ALONE, measures_of("psnr", "mse"), 1).set_index("metric")
    assert table.loc["psnr", ["scored", "closer", "guess", "others"]].tolist() == [10, 6, 4.0, 6.0]
    assert table.loc["mse", "closer"] == 10  # where less is closer
    # Chosen by chance, the reconstruction is the closest of its four one time in four: 6 or more times in 10.
    assert table.loc["psnr", "p"] == pytest.approx(0.0197, abs=0.005) and table.loc["psnr", "better"]
    high = guess.assign(psnr=30.0)
    table = compare_with_guess(pd.concat([scored("some", wins, others), high]), ALONE, measures_of("psnr"), 1)
    assert table["closer"].tolist() == [0] and table["p"].tolist() == [1.0]  # the mean image of the class is closer
    scores = pd.concat([scored("same", wins, [wins] * 3), guess])  # whatever the image, the attack makes the same
    assert compare_with_guess(scores, ALONE, measures_of("psnr"), 1)["closer"].tolist() == [0]
    lost = scored("lost", np.where(np.arange(10) < 6, np.nan, 9.0), others)
    (row,) = compare_with_guess(pd.concat([lost, guess]), ALONE, measures_of("psnr"), 1).itertuples()
    assert (row.scored, row.closer) == (4, 4)  # what diverged is not scored
    (row,) = compare_with_guess(pd.concat([scored("one", wins), guess]), ALONE, measures_of("psnr"), 1).itertuples()
    assert np.isnan(row.p) and not row.better  # nothing to compare with


def test_the_images_of_a_batch_are_no_evidence_each():
    others, guess = [np.full(10, 5.0), np.full(10, 6.0)], scored(GUESS, np.full(10, 4.0))
    scores = pd.concat([scored("all", np.full(10, 20.0), others), guess])
    pairs = [[place, place + 1] for place in range(0, 10, 2)]
    alone, paired, halves = (
        compare_with_guess(scores, clients, measures_of("psnr"), 1)["p"].iloc[0]
        for clients in (ALONE, pairs, [list(range(5)), list(range(5, 10))])
    )
    assert alone < 1e-3 and paired == pytest.approx((1 / 3) ** 5, abs=2e-3) and halves == pytest.approx(1 / 9, abs=0.01)


def test_noise_is_rarely_better_than_a_guess():
    generator = np.random.default_rng(1)
    better = []
    for seed in range(40):
        own, *others = generator.normal(size=(10, 10))
        scores = pd.concat([scored("noise", own, others), scored(GUESS, np.full(10, -5.0))])
        better.append(compare_with_guess(scores, ALONE, measures_of("psnr"), seed)["better"].iloc[0])
    assert sum(better) <= 5


def test_an_attack_that_is_no_better_than_a_guess_is_named():
    same, others = np.linspace(10, 12, 10), [np.full(10, 9.0), np.full(10, 8.0)]
    parts = [scored("idle", same, others), scored("noise", same + 9, [same + 9] * 2), scored("near", same + 5, others)]
    measures = measures_of("psnr")
    comparison = compare_with_guess(pd.concat([*parts, scored(GUESS, same)]), ALONE, measures, 1)
    idle, noise = no_better(comparison, 10)  # noise is closer than the mean image, but as close to any other original
    assert idle.startswith("idle is no better than a guess") and "0 of 10" in idle
    assert noise.startswith("noise is no better than a guess") and "0 of 10" in noise
    updates = pd.DataFrame({"vanished": [False] * 10, "zero_share": 0.0, "gradient_norm": 1.0, "client": range(10)})
    first, second, last = answer(updates, comparison, measures, UNKNOWN)
    assert first == "The gradients leak: near shows more of these images than could be guessed."
    assert second.startswith("near comes closest. By PSNR, 10 of its 10 reconstructions are closer")
    assert last.startswith("These are distances, not chances")
    known = Recognisable(
        {"near": ["People would recognise about 9 of 10."], "idle": ["About 2."]}, ["Do not rely on it."]
    )
    said = answer(updates, comparison, measures, known)
    assert said[2:4] == ["People would recognise about 9 of 10.", "Do not rely on it."] and "distances" not in " ".join(
        said
    )
    alone = comparison[comparison["attack"] == "idle"]
    assert answer(updates, alone, measures, UNKNOWN)[0].startswith(
        "None of the attacks shows more of these images than could be guessed"
    )
    assert "takes 4 clients or more, and this audit attacked 3." in answer(updates[:3], alone, measures, UNKNOWN)[0]
    assert not no_better(alone, 3)


def test_the_guess_is_the_mean_of_the_others_of_the_class():
    images = torch.tensor([0, 100, 200, 40, 8], dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 2, 2)
    labels = torch.tensor([0, 0, 0, 1, 2])
    sample = Sample(images[[0, 3]], labels[[0, 3]], ["a", "b"], images[[1, 2, 4]], labels[[1, 2, 4]], ("x", "y", "z"))
    means = class_means(sample)[:, 0, 0, 0].tolist()
    assert means == [150, 77]  # of its class without itself; alone in its class, of all others


def run_on(target, images, labels, settings=None, **client):
    """An attack on images as an audit makes it."""
    settings = settings or attack_settings("invertgrad", steps=5)
    names = {"dataset": "images", "target_name": "net", "attack": "invertgrad"}
    conditions = {"augmentation": lambda image, generator: image, "defence": GradientDefence(), "study_seed": 1}
    run = {"target": target, "originals": images, "labels": labels, "settings": settings, "memory_gib": 1.0}
    return AttackRun(**names, **conditions, **run, client=ClientSettings(**client), draw_clients=True)


def test_what_a_client_shares_is_described_for_each_of_its_images():
    target = build_target("lenet", 4, SIDE).eval()
    images, labels = torch.rand(5, 3, SIDE, SIDE), torch.tensor([0, 1, 2, 3, 0])
    run = run_on(target, images, labels, batch=2)
    described = describe_updates(run)
    parameters = list(target.trained_parameters().values())
    for places in run.clients():
        loss = nn.functional.cross_entropy(target(images[places]), labels[places])
        gradients = torch.autograd.grad(loss, parameters)
        norm = torch.cat([gradient.flatten() for gradient in gradients]).norm().item()
        assert described["gradient_norm"][places].to_numpy() == pytest.approx(norm, rel=1e-4)
    assert sorted(map(len, run.clients())) == [1, 2, 2] and described["gradient_norm"].nunique() == 3


def test_reconstructions_of_other_batches_are_matched_as_the_own_are():
    colours = torch.tensor([0, 50, 100, 150, 200, 250], dtype=torch.uint8)
    images = colours[:, None, None, None].expand(-1, 3, 2, 2)
    sample = Sample(images, torch.zeros(6, dtype=torch.int64), [], images[:0], torch.zeros(0, dtype=torch.int64), ())
    # The second batch's reconstructions are 3: dark and 4: bright, the first's 0: dark and 5: bright.
    clients = [[0, 5], [3, 4], [1, 2]]
    reconstructions = torch.tensor([0, 30, 220, 10, 240, 250], dtype=torch.uint8)[:, None, None, None]
    places = others_of(sample, reconstructions.expand(-1, 3, 2, 2), clients)
    assert places.tolist() == [[3, 0, 5, 1, 2, 4], [1, 3, 4, 0, 5, 2]]
    places = others_of(sample, images, [[0, 1, 2, 3], [4, 5]])
    assert places[0, :4].tolist() == [-1] * 4 and sorted(places[0, 4:].tolist()) == [2, 3]  # too few for the larger


def test_reconstructions_of_others_are_first_those_of_the_class():
    images = torch.zeros(12, 3, 2, 2, dtype=torch.uint8)
    labels = torch.tensor([0, 1] * 6)
    sample = Sample(images, labels, [], images[:0], labels[:0], ())
    places = others_of(sample, images, [[place] for place in range(12)])
    assert places[:5, 0].tolist() == [2, 4, 6, 8, 10] and places[:5, 3].tolist() == [5, 7, 9, 11, 1]
    assert len(places) == 9 and all(len({*column, own}) == 10 for own, column in enumerate(places.T.tolist()))


def test_a_model_that_has_converged_is_told(tmp_path):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE**2, 16), nn.ReLU(), nn.Linear(16, 2))
    images = torch.rand(4, 3, SIDE, SIDE)
    target = wrap_network(network, SIDE).eval()
    labels = target(images).argmax(1)
    fresh = describe_updates(run_on(target, images, labels))
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
    sure = describe_updates(run_on(target, images, labels))
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
    assert own_scores(scores)["psnr"].isna().sum() == 2
    assert scores["psnr"].isna().sum() == scores["of"].isin([0, 2]).sum() - 2  # but for the mean images


def test_what_is_forbidden_stands_on_the_page():
    attacks = pd.DataFrame({"attack": ["a", "b"], "knowledge": ["shared_gradient batch_shape", "shared_gradient"]})
    everything = {"batchnorm", "batchnorm_train"}
    table = knowledge_table(attacks, Attacker(labels=False), everything)
    assert len(table["a"]) == len(KNOWLEDGE) - 1  # nobody gives attackers public images
    assert table["a"][:2] == ["used", "used"] and table["b"][:2] == ["used", "–"]
    assert table["allowed here"] == ["yes", "yes", "no", "yes", "yes"]


def test_the_page_knows_of_nothing_that_is_not_there():
    attacks = pd.DataFrame({"attack": ["a"], "knowledge": ["shared_gradient batch_shape labels"]})
    for traits, rows in (({"last_bias"}, 3), ({"batchnorm"}, 4), ({"batchnorm_train"}, 3)):
        assert len(knowledge_table(attacks, Attacker(), traits)["a"]) == rows
    attacks["knowledge"] += " public_images"
    assert knowledge_table(attacks, Attacker(), set())["a"] == 4 * ["used"]


def test_given_labels_are_not_said_to_be_found():
    rows = {"dataset": "d", "target": "t", "batch": [0, 1, 0, 1], "original": [0, 1, 0, 1], "status": "finished"}
    rows |= {"attack": ["told", "told", "read", "read"], "label": [3, 4, 3, 4], "recovered_label": [3, 4, 3, 5]}
    attacks = pd.DataFrame(rows).assign(knowledge=2 * ["batch_shape labels"] + 2 * ["batch_shape"])
    assert ended(attacks) == [
        "The true labels were given to told.",
        "Of 2 labels, the gradient gave attackers 1 (read).",
    ]
    assert ended(attacks[:2]) == ["The true labels were given to told."]


def test_a_long_run_has_to_be_confirmed(desk, monkeypatch):
    folder, audit = desk
    monkeypatch.setattr(AttackRun, "step_seconds", 9 * 3600 / (8 * 3))
    monkeypatch.setattr(sys, "stdin", open("/dev/null"))  # noqa: SIM115 (closed with the process)
    status, _, errors = audit("--attacks", "invertgrad")
    assert status == 1 and "about 9 h on this CPU" in errors
    assert errors.endswith(
        "error: about 9 h is more than --minutes 20. Continue with --yes, or use fewer --originals, --steps or"
        " --attacks.\n"
    )
    assert not (folder / "audit").exists()  # nothing is written that would be in the way of a shorter run
    assert audit("--attacks", "invertgrad", "--yes")[0] == 0
    assert audit("--attacks", "invertgrad", "--minutes", "541", out="patient")[0] == 0


def paced(originals=32, **rates):
    """Attacks that take some seconds for a step on one original, by the names of their presets."""
    return {
        name: SimpleNamespace(settings=attack_settings(name), originals=range(originals), step_seconds=seconds)
        for name, seconds in rates.items()
    }


@pytest.mark.parametrize(
    ("rates", "options", "length"),
    [
        ({"invertgrad": 0.001, "idlg": 0.001, "analytic": 60.0}, {}, (2000, 32)),  # which takes no steps
        ({"invertgrad": 1200 / (32 * 2000)}, {}, (2000, 32)),
        ({"invertgrad": 0.05, "idlg": 0.025}, {}, (500, 32)),  # 1200 / 0.075 = 16,000 steps on single images
        ({"invertgrad": 0.05, "idlg": 0.025}, {"minutes": 15.0}, (370, 32)),
        ({"invertgrad": 0.25, "idlg": 0.25}, {}, (200, 12)),  # 2,400
        ({"invertgrad": 0.25, "idlg": 0.25}, {"originals": 8}, (300, 8)),
        ({"invertgrad": 0.25, "idlg": 0.25}, {"steps": 480}, (480, 5)),
        ({"invertgrad": 0.25, "idlg": 0.25}, {"steps": 480, "originals": 20}, (480, 20)),
        ({"gradinversion": 0.02}, {}, (2000, 32, 3)),  # of 4 restarts, each of which takes a quarter of the time
        ({"gradinversion": 0.05, "idlg": 0.025}, {}, (750, 32, 2)),  # a step of both takes 0.05
        ({"gradinversion": 100.0}, {}, (200, 4, 2)),
        ({"invertgrad": 0.25, "idlg": 0.25}, {"client": {"batch": 3}}, (200, 12)),
        ({"invertgrad": 0.2, "idlg": 0.25}, {"client": {"batch": 3}}, (200, 12)),  # of 13 that would fit
        ({"invertgrad": 0.001}, {"client": {"batch": 10}}, (2000, 40)),  # four clients, as many as can be judged
        ({"invertgrad": 100.0}, {}, (200, 4)),  # too long, but less would say nothing
    ],
)
def test_the_length_is_the_longest_for_which_there_is_time(rates, options, length):
    settings = AuditSettings(**options)
    runs = paced(settings.most_originals, **rates)
    steps, originals, restarts = (*length, 1)[:3]
    assert fitting_length(runs, settings) == Length(steps, originals, restarts)
    most = {name: run.settings for name, run in runs.items()}
    assert image_steps(runs, Length(steps, originals, restarts)) == {
        name: originals * min(steps, each.steps) * min(restarts / each.restarts, 1) for name, each in most.items()
    }


def test_of_few_images_all_are_attacked():
    assert fitting_length(paced(3, invertgrad=1e-3), AuditSettings()) == (2000, 3, 1)
    assert fitting_length(paced(3, invertgrad=1e3), AuditSettings()) == (200, 3, 1)


def test_what_there_was_no_time_for_is_said():
    whole = Length(2000, 32, 4)
    assert shortened(whole, whole) == []
    (sentence,) = shortened(Length(210, 32, 4), whole)
    short = "Shortened to fit the time limit on this machine: to"
    assert sentence.startswith(f"{short} 210 of 2,000 steps. Longer searches")
    assert "to 2 of 4 restarts, 200 of 2,000 steps and 4 of 32 images. Longer" in shortened(Length(200, 4, 2), whole)[0]
    assert "to 3 of 4 restarts. Longer searches find more" in shortened(Length(2000, 32, 3), whole)[0]
    assert shortened(Length(2000, 4, 4), whole) == [f"{short} 4 of 32 images."]


def test_an_audit_is_as_long_as_there_was_time_when_it_was_started(desk, monkeypatch):
    folder, audit = desk
    words = ["--attacks", "invertgrad,idlg"]
    ran = stop_in_the_second_attack(monkeypatch)
    monkeypatch.setattr(AttackRun, "step_seconds", 0.65)
    status, _, errors = audit(*words, length=())
    assert status == 1 and "stopped" in errors and "1,600 steps of single images" in errors
    assert "to 200 of 2,000 steps and 4 of 12 images." in errors
    for seconds in (1e-3, 10.0):  # faster or slower than before: nothing is chosen or asked again
        monkeypatch.setattr(AttackRun, "step_seconds", seconds)
        status, output, errors = audit(*words, length=())
        assert status == 0, errors
    assert ran == ["invertgrad", "idlg", "idlg"]
    said = "Shortened to fit the time limit on this machine: to 200 of 2,000 steps and 4 of 12 images. Longer searches"
    page = (folder / "audit" / "report.html").read_text(encoding="utf-8")
    assert f"<p>{said} find more: what is found here is a lower bound on what leaks.</p>" in page
    assert said in output and page.index(said) < page.index("<h2>")
    assert "Steps: 200 by invertgrad (published: 8,000) and 200 by idlg (published: 6,000)." in page
    assert "of which --minutes differed" in audit(*words, "--minutes", "60", length=())[2]
    # The same length set by hand gives the same.
    assert audit(*words, "--yes", out="byhand", length=("--originals", "4", "--steps", "200"))[0] == 0
    for name in ("originals", "attacks", "scores", "comparison"):
        assert (folder / "audit" / f"{name}.csv").read_text() == (folder / "byhand" / f"{name}.csv").read_text()
    assert "Shortened" not in (folder / "byhand" / "report.html").read_text(encoding="utf-8")
    about = folder / "audit" / "audit.json"
    about.write_text(about.read_text().replace("the length", "length"))
    assert "audit.json is damaged. Choose a new folder." in audit(*words, length=())[2]


def test_the_estimate_is_measured_on_the_network_itself():
    images, labels = torch.rand(3, 3, SIDE, SIDE), torch.tensor([0, 1, 2])
    target = build_target("lenet", 4, SIDE).eval()
    attacks = named_attacks(["invertgrad", "idlg"], target, ClientSettings(), Attacker())
    runs = {name: run_on(target, images, labels, each) for name, each in attacks.items()}
    seconds, sentence = estimate(runs, image_steps(runs, Length(500, 3, 1)))
    assert 0.5 < seconds < 600 and sentence.startswith("3,000 steps of single images at 16 pixels: about ")
    assert estimate(runs, dict.fromkeys(runs, 0.0)) == (0.0, "The attacks take a moment.")
    half, sentence = estimate(runs, {"invertgrad": 750.0, "idlg": 0.0})
    assert 0 < half < seconds and sentence.startswith("750 steps of single images")


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


def test_the_first_of_a_sample_are_the_sample_of_fewer():
    images, labels = torch.rand(60, 3, 4, 4), torch.tensor(28 * [0] + 32 * [1])
    fewer, first = sample_of(images, labels, 4, 1, 2), sample_of(images, labels, 32, 1, 2).first(4)
    assert first.names == fewer.names and first.classes == fewer.classes
    for name in ("images", "labels", "others", "other_labels"):
        assert torch.equal(getattr(first, name), getattr(fewer, name)), name


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

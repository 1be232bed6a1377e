"""FID and KID: values against torchmetrics, the real loading of Inception, and small or missing sets."""

import numpy as np
import pytest
import torch
from small_study import attack_table, smooth_images, write_reconstructions

from semsim.compat import import_torchvision
from semsim.errors import SemsimError
from semsim.metrics import sets
from semsim.metrics.measure import measure_sets
from semsim.metrics.reconstructions import read_reconstructions
from semsim.metrics.sets import fid, kid
from semsim.pretrained.weights import NETWORKS

import_torchvision()
from torch_fidelity import feature_extractor_inceptionv3  # noqa: E402
from torchmetrics.image.fid import FrechetInceptionDistance  # noqa: E402
from torchmetrics.image.kid import KernelInceptionDistance  # noqa: E402


class Features(torch.nn.Module):
    """Passes features through, in place of Inception."""

    num_features = 16

    def forward(self, features):
        return features


def samples(count, shift=0.0, seed=0):
    """Return features [count, 16] with correlated entries."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(16, 16, generator=torch.Generator().manual_seed(99)).double()
    return torch.randn(count, 16, generator=generator).double() @ mixing + shift


@pytest.mark.parametrize("count", [40, 9])  # more and fewer images than features
def test_fid_is_that_of_torchmetrics(count):
    reference, reconstruction = samples(count), 1.5 * samples(count + 5, shift=0.7, seed=1)
    theirs = FrechetInceptionDistance(feature=Features())
    theirs.update(reference, real=True)
    theirs.update(reconstruction, real=False)
    assert fid(reference, reconstruction).item() == pytest.approx(theirs.compute().item(), rel=1e-4)


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance`")
def test_kid_is_that_of_torchmetrics_on_one_subset_of_everything():
    reference, reconstruction = samples(20), samples(20, shift=0.7, seed=1)
    theirs = KernelInceptionDistance(feature=Features(), subsets=1, subset_size=20)
    theirs.update(reference, real=True)
    theirs.update(reconstruction, real=False)
    assert kid(reference, reconstruction).item() == pytest.approx(theirs.compute()[0].item(), rel=1e-6)


def test_kid_sums_some_rows_of_the_kernel_at_a_time(monkeypatch):
    reference, reconstruction = samples(20), samples(15, shift=0.7, seed=1)
    at_once = kid(reference, reconstruction).item()
    monkeypatch.setattr(sets, "KERNEL_ROWS", 4)
    assert kid(reference, reconstruction).item() == pytest.approx(at_once, rel=1e-9)


def test_equal_sets_have_no_distance():
    assert fid(samples(30), samples(30)).item() == pytest.approx(0, abs=1e-6)


def test_kid_of_samples_of_one_distribution_is_zero_on_average():
    values = torch.stack([kid(samples(10, seed=2 * i), samples(10, seed=2 * i + 1)) for i in range(200)])
    assert abs(values.mean()) < 3 * values.std() / 200**0.5


@pytest.mark.parametrize("function", [fid, kid])
def test_one_image_is_no_set(function):
    with pytest.raises(SemsimError, match="at least 2 images"):
        function(samples(1), samples(5))
    with pytest.raises(SemsimError, match="not finite"):
        function(samples(5), samples(5) * torch.nan)


@pytest.mark.parametrize("function", [fid, kid])
def test_features_of_any_real_type_are_taken_and_others_refused(function):
    pair = samples(12).round(), samples(9, shift=2.0, seed=1).round()
    expected = function(*pair)
    for cast in (torch.Tensor.float, torch.Tensor.numpy, torch.Tensor.long, torch.Tensor.tolist):
        torch.testing.assert_close(function(*map(cast, pair)), expected, check_dtype=False)
    for bad, message in {
        "samples": "fid|kid: features are a str that holds no array of numbers. .* \\[N, D\\]",
        samples(9)[:, :8]: "the two sets have 16 and 8 features",
        samples(9).to(torch.complex64): "features are torch.complex64",
        samples(9)[:, :0]: r"features are \[9, 0\]",
    }.items():
        with pytest.raises(SemsimError, match=message):
            function(pair[0], bad)


@pytest.mark.parametrize("function", [fid, kid])
def test_sets_of_constant_features_are_as_far_apart_as_their_constants(function):
    zeros, ones = torch.zeros(5, 16), torch.ones(7, 16)
    assert function(zeros, zeros) == 0
    assert function(zeros, ones).item() == pytest.approx({"fid": 16, "kid": 1 + 8 - 2}[function.__name__], rel=1e-9)


@pytest.fixture(scope="module")
def inception_folder(tmp_path_factory):
    """A folder with a weights file of a random Inception network, named and made like the real one."""
    folder = tmp_path_factory.mktemp("pretrained")
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng():
        torch.manual_seed(0)
        patch.setattr(feature_extractor_inceptionv3, "load_state_dict_from_url", lambda *_, **__: {})
        patch.setattr(torch.nn.Module, "load_state_dict", lambda *_: None)
        network = feature_extractor_inceptionv3.FeatureExtractorInceptionV3("inception", ["2048"])
    torch.save(network.state_dict(), folder / NETWORKS["inception"].file)
    return folder


def attack(folder, name, diverged=(), count=3):
    """Return reconstructions by an attack, the same for every name, of the same originals."""
    originals = smooth_images(count, seed=1)
    images = {"original": originals, "attacked": originals, "reconstruction": 255 - originals}
    table = attack_table("shapes", "plain", name, np.arange(count), diverged)
    return read_reconstructions(*write_reconstructions(folder, images, table))


def test_sets_are_measured_with_inception_from_a_file(inception_folder, tmp_path):
    attacks = [attack(tmp_path, "first"), attack(tmp_path, "second", diverged=[0, 1])]
    table = measure_sets(attacks, inception_folder).set_index(["attack", "reference", "metric"])
    assert len(table) == 3 * 2 * 2
    assert table.loc[("first", "attacked", "fid"), "value"] > 0
    assert "rank-deficient" in table.loc[("first", "attacked", "fid"), "note"]
    assert np.isfinite(table.loc[("first", "original", "kid"), "value"])
    assert np.isnan(table.loc[("second", "attacked", "fid"), "value"])
    assert table.loc[("second", "attacked", "fid"), "note"] == "fewer than 2 images to compare"
    # All together: each attacked image once, though two attacks share it; and 3 + 1 reconstructions.
    assert np.isfinite(table.loc[("all", "attacked", "kid"), "value"])


def test_without_inception_sets_have_a_reason_instead_of_a_value(tmp_path):
    table = measure_sets([attack(tmp_path, "first")], tmp_path)
    assert table["value"].isna().all()
    assert set(table["note"]) == {f"{NETWORKS['inception'].file} is not available"}
    assert set(table["attack"]) == {"first", "all"}

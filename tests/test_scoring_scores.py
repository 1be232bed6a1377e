"""Scores of pairs: the values, whatever the batches and sizes, and what is read on the way."""

import numpy as np
import pytest
import torch
from image_sets import make_sets, noisy, save, smooth
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from trunks import write_trunk

from semsim import SemSim
from semsim.errors import SemsimError
from semsim.metrics import METRICS
from semsim.metrics.measure import gather_networks
from semsim.scoring import scores as scoring
from semsim.scoring.folders import Group, match_pair, read_group
from semsim.scoring.measures import check_names, known_metrics, make_measures
from semsim.scoring.scores import score_groups
from semsim.scoring.summary import remarks, summarise

SIZES = ((32, 32), (40, 33), (32, 48))


@pytest.fixture(scope="module")
def semsim():
    torch.manual_seed(0)
    return SemSim("vgg3", width=4, image_size=16).eval()


@pytest.fixture(scope="module")
def measures(semsim):
    return make_measures(semsim=semsim)


def pairs_of(folder):
    return match_pair(folder / "originals", folder / "noisy").groups


def test_values_are_those_of_one_pair_at_a_time(tmp_path, measures, semsim):
    make_sets(tmp_path, 6, SIZES, noisy=30)
    table = score_groups(pairs_of(tmp_path), measures).table.set_index("name")
    assert list(table) == [*(name for name in METRICS if name in table), "semsim"]
    networks = gather_networks(32)
    for name, row in table.iterrows():
        files = [Image.open(tmp_path / folder / f"{name}.png") for folder in ("originals", "noisy")]
        original, reconstruction = map(np.asarray, files)
        assert row["psnr"] == pytest.approx(peak_signal_noise_ratio(original, reconstruction), rel=1e-4)
        assert row["ssim"] == pytest.approx(structural_similarity(original, reconstruction, channel_axis=2), abs=1e-4)
        tensors = [
            torch.from_numpy(np.array(image)).permute(2, 0, 1)[None] / 255 for image in (original, reconstruction)
        ]
        available = dict(zip(("reference", "reconstruction"), tensors, strict=True)) | networks
        with torch.inference_mode():
            for metric in set(table) - {"semsim"}:
                assert row[metric] == pytest.approx(METRICS[metric](available).item(), rel=1e-4, abs=1e-6)
            assert row["semsim"] == pytest.approx(semsim(*tensors).item(), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("batch_size", [1, 2])
def test_batches_change_nothing(tmp_path, measures, batch_size):
    make_sets(tmp_path, 7, SIZES, noisy=30)
    whole, other = (score_groups(pairs_of(tmp_path), measures, batch_size=size) for size in (None, batch_size))
    assert [group.name for group in whole.groups] == [group.name for group in other.groups]
    for name, values in whole.values.items():
        np.testing.assert_allclose(values, other.values[name], rtol=1e-4, atol=1e-6)


def test_many_sizes_do_not_fill_the_memory(tmp_path, monkeypatch):
    sizes = [(8 + number, 8) for number in range(12)]
    make_sets(tmp_path, 12, sizes, noisy=30)
    monkeypatch.setattr(scoring, "WAITING_PIXELS", 4 * 2 * 8 * 20)
    held, take = [], scoring._Waiting._take
    monkeypatch.setattr(scoring._Waiting, "_take", lambda self, size: held.append(self.pixels) or take(self, size))
    scores = score_groups(pairs_of(tmp_path), make_measures(["mse"]))
    assert np.isfinite(scores.values["mse"]).all() and len(held) == 12 and max(held) < 4 * 2 * 8 * 20 + 2 * 8 * 20


def test_several_sets_are_scored_as_each_alone(tmp_path, measures):
    make_sets(tmp_path, 5, SIZES, noisy=30, worse=60)
    groups = pairs_of(tmp_path)
    both = [
        Group(name, original, (mine, tmp_path / "worse" / mine.relative_to(tmp_path / "noisy")))
        for name, original, (mine,) in groups
    ]
    alone, together = score_groups(groups, measures), score_groups(both, measures, batch_size=4)
    for name, values in together.values.items():
        assert values.shape == (5, 2)
        np.testing.assert_allclose(values[:, :1], alone.values[name], rtol=1e-4, atol=1e-6)
    assert (together.values["mse"][:, 1] > together.values["mse"][:, 0]).all()


def test_small_images_have_the_metrics_that_they_can(tmp_path, measures):
    make_sets(tmp_path, 6, ((5, 9), (16, 16), (32, 32)), noisy=20)
    scores = score_groups(pairs_of(tmp_path), measures)
    (lpips,) = {measure.name for measure in measures} & {"lpips", "lpips_random_trunk"}
    missing = {name: int(np.isnan(values).sum()) for name, values in scores.values.items()}
    assert missing == dict.fromkeys(scores.values, 0) | {"ssim": 2, lpips: 4}
    said = remarks(scores, measures)
    assert len(said) == 2 and said[0] == "SSIM has no value for 2 pairs: it needs 7x7 pixels."
    summary = summarise(scores).set_index("metric")
    assert summary["pairs"].to_dict() == {name: 6 - count for name, count in missing.items()}
    assert summary.loc["ssim", "median"] == pytest.approx(np.nanmedian(scores.values["ssim"]))


def test_equal_images_are_as_near_as_can_be(tmp_path, measures):
    make_sets(tmp_path, 2, noisy=0)
    table = score_groups(pairs_of(tmp_path), measures).table
    assert (table["mse"] == 0).all() and (table["psnr"] == 100).all() and (table["semsim"] == 0).all()


def test_large_jpeg_files_are_read_in_full(tmp_path):
    image = smooth(np.random.default_rng(0), 300, 2400)
    for name in ("a.jpg", "b.jpg"):
        save(image, tmp_path / name)
    images, _, _, unusable = read_group(Group("a", tmp_path / "a.jpg", (tmp_path / "b.jpg",)))
    assert images.shape == (2, 3, 300, 2400) and images.dtype == np.uint8 and not unusable


def test_names_of_metrics_are_checked(semsim):
    with pytest.raises(SemsimError, match="no metric is called 'lpip'. Did you mean 'lpips'\\? Known are mse, psnr"):
        check_names(["mse", "lpip"])
    check_names(known_metrics())
    assert [measure.name for measure in make_measures(["semsim", "mse", "semsim"], semsim)] == ["semsim", "mse"]
    with pytest.raises(SemsimError, match="semsim is not available. Give its weights"):
        make_measures(["mse", "semsim"])
    for name, network in {"lpips": "AlexNet", "lpips_vgg": "VGG16", "dists": "VGG16"}.items():
        with pytest.raises(SemsimError, match=f"{name} is not available. Get the weights of {network}.* semsim fetch"):
            make_measures([name])


def test_metrics_of_pretrained_networks_are_there_with_their_weights(tmp_path):
    write_trunk("alexnet", tmp_path)
    assert [measure.name for measure in make_measures(pretrained=tmp_path)] == ["mse", "psnr", "ssim", "lpips"]
    with pytest.raises(SemsimError, match="lpips_random_trunk is not available.*use lpips"):
        make_measures(["lpips_random_trunk"], pretrained=tmp_path)
    with pytest.raises(SemsimError, match="dists is not available"):
        make_measures(["mse", "dists"], pretrained=tmp_path)
    write_trunk("vgg16", tmp_path)
    assert [measure.name for measure in make_measures(["mse", "dists"], pretrained=tmp_path)] == ["mse", "dists"]
    assert "dists" not in [measure.name for measure in make_measures(pretrained=tmp_path)]


def test_all_that_is_wrong_is_said_at_once(tmp_path):
    make_sets(tmp_path, 6, noisy=20)
    (tmp_path / "originals" / "0.png").write_bytes(b"nothing")
    (tmp_path / "noisy" / "0.png").write_bytes(b"")
    content = (tmp_path / "noisy" / "2.png").read_bytes()
    (tmp_path / "noisy" / "2.png").write_bytes(content[: len(content) // 2])
    save(noisy(np.random.default_rng(0), smooth(np.random.default_rng(0), 32, 16), 9), tmp_path / "noisy" / "4.png")
    Image.new("1", (10_000, 10_000)).save(tmp_path / "noisy" / "deep" / "1.png")
    groups, computed = pairs_of(tmp_path), make_measures(["mse"])
    with pytest.raises(SemsimError) as error:
        score_groups(groups, computed)
    message = str(error.value)
    assert message.startswith("5 files cannot be scored: ") and message.endswith("or leave them out with --skip.")
    for file, reason in {
        "originals/0.png": "not an image",
        "noisy/0.png": "not an image",
        "noisy/2.png": "a damaged or truncated image",
        "noisy/4.png": "16x32 pixels, but its original 32x32",
        "noisy/deep/1.png": "more than 89,478,485 pixels",
    }.items():
        assert f"{file} ({reason}" in message
    scores = score_groups(groups, computed, skip=True)
    assert [group.name for group in scores.groups] == ["deep/3", "deep/5"] and len(scores.left_out) == 5
    assert np.isfinite(scores.values["mse"]).all() and scores.values["mse"].shape == (2, 1)
    with pytest.raises(SemsimError, match="nothing is left to score: .*originals/0.png"):
        score_groups(groups[:2], computed, skip=True)


def test_the_list_of_wrong_files_is_bounded(tmp_path):
    make_sets(tmp_path, 14, noisy=20)
    for path in (tmp_path / "noisy").rglob("*.png"):
        path.write_bytes(b"no")
    with pytest.raises(SemsimError) as error:
        score_groups(pairs_of(tmp_path), make_measures(["mse"]))
    assert str(error.value).count("not an image") == 10 and "and 4 more" in str(error.value)

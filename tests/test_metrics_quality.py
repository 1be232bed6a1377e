"""Metrics from piq and registered PSNR: values against independent implementations, and what they are made for."""

import numpy as np
import pytest
import torch
from scipy import ndimage, signal
from skimage.color import rgb2yiq
from test_metrics import images, noisy

from semsim.compat import import_torchvision
from semsim.metrics import METRICS, extra_metrics
from semsim.metrics.measure import measure_pairs
from semsim.metrics.pixels import psnr, registered_psnr
from semsim.metrics.quality import fsim, gmsd, haarpsi, ms_ssim, vif

import_torchvision()
from torchmetrics.functional.image import visual_information_fidelity  # noqa: E402


def channels(image):
    """Return luminance and two colour differences of an image [3, H, W]."""
    return rgb2yiq(image.double().numpy(), channel_axis=0)


def halved(channel):
    """Return means of 2x2 pixels, with a row and a column of zeros where sides are odd."""
    channel = np.pad(channel, [(0, max(side % 2 for side in channel.shape))] * 2)
    height, width = (side // 2 * 2 for side in channel.shape)
    return channel[:height, :width].reshape(height // 2, 2, width // 2, 2).mean((1, 3))


def alike(x, y, floor):
    return (2 * x * y + floor) / (x**2 + y**2 + floor)


def gmsd_of_paper(first, second):
    """Return the deviation of the similarity of Prewitt's gradients."""
    gradients = [
        np.hypot(*(ndimage.prewitt(halved(channels(image)[0]), axis, mode="constant") / 3 for axis in (0, 1)))
        for image in (first, second)
    ]
    return alike(*gradients, 170 / 255**2).std()


def haarpsi_of_paper(first, second):
    """Return the similarity of Haar coefficients, as the paper's pseudo code has it."""
    planes = [[halved(255 * channel) for channel in channels(image)] for image in (first, second)]

    def filtered(channel, kernel):  # 'same' as MATLAB has it
        half, (height, width) = len(kernel) // 2, channel.shape
        return np.abs(signal.convolve2d(channel, kernel)[half : half + height, half : half + width])

    def coefficients(luminance, scale, turned):
        kernel = np.full((2**scale, 2**scale), 2.0**-scale)
        kernel[: 2**scale // 2] *= -1
        return filtered(luminance, kernel.T if turned else kernel)

    similarities, weights = [], []
    for turned in (False, True):
        x, y = ([coefficients(each[0], scale, turned) for scale in (1, 2, 3)] for each in planes)
        similarities.append(np.mean([alike(x[scale], y[scale], 30) for scale in (0, 1)], axis=0))
        weights.append(np.maximum(x[2], y[2]))
    mean = np.full((2, 2), 0.25)
    colours = [[filtered(each[number], mean) for each in planes] for number in (1, 2)]
    similarities.append(np.mean([alike(*pair, 30) for pair in colours], axis=0))
    weights.append(np.mean(weights, axis=0))
    squashed = 1 / (1 + np.exp(-4.2 * np.array(similarities)))
    share = (squashed * weights).sum() / np.sum(weights)
    return (np.log(share / (1 - share)) / 4.2) ** 2


@pytest.mark.parametrize("deviation", [0.02, 0.3])
@pytest.mark.parametrize("size", [(32, 32), (33, 40)])
@pytest.mark.parametrize(("metric", "of_paper"), [(gmsd, gmsd_of_paper), (haarpsi, haarpsi_of_paper)])
def test_gmsd_and_haarpsi_are_those_of_their_papers(metric, of_paper, size, deviation):
    reference = images(3, *size)
    reconstruction = noisy(reference, deviation)
    expected = [of_paper(*pair) for pair in zip(reference, reconstruction, strict=True)]
    np.testing.assert_allclose(metric(reference, reconstruction), expected, atol=1e-4)


def phase_congruency(luminance):
    """Return how far the phases of a channel's wavelets agree, after Kovesi: at four scales in four orientations."""
    down, right = (np.fft.ifftshift((np.arange(side) - side // 2) / (side - side % 2)) for side in luminance.shape)
    radius, angle = np.hypot(down[:, None], right), np.arctan2(-down[:, None], right)
    radius[0, 0] = 1
    bands = np.array([np.exp(-((np.log(radius * 6 * 2**scale) / np.log(0.55)) ** 2) / 2) for scale in range(4)])
    energies = amplitudes = 0
    for turn in np.arange(4) * np.pi / 4:
        apart = np.angle(np.exp(1j * (angle - turn))) / (np.pi / 4 / 1.2)
        filters = bands * np.exp(-(apart**2) / 2) / (1 + (radius / 0.45) ** 30)
        filters[:, 0, 0] = 0
        responses = np.fft.ifft2(np.fft.fft2(luminance) * filters)
        mean = responses.sum(0)
        along = responses * (mean / (np.abs(mean) + 1e-4)).conj()
        power = np.median(np.abs(responses[0]) ** 2) / np.log(2) / np.square(filters[0]).sum()
        spread = np.sqrt(power * luminance.size * np.square(np.fft.ifft2(filters).real.sum(0)).sum())
        noise = (np.sqrt(np.pi / 2) + 2 * np.sqrt(2 - np.pi / 2)) * spread / 1.7
        energies += np.maximum((along.real - np.abs(along.imag)).sum(0) - noise, 0)
        amplitudes += np.abs(responses).sum(0)
    return energies / amplitudes


def fsim_of_paper(first, second):
    """Return the similarity of phase congruency, gradients (Scharr's) and colours, weighted by phase congruency."""
    planes = [255 * channels(image) for image in (first, second)]
    congruency = [phase_congruency(each[0]) for each in planes]
    kernel = np.outer([3, 10, 3], [1, 0, -1]) / 16
    gradients = [
        np.hypot(*(signal.convolve2d(each[0], turned, mode="same") for turned in (kernel, kernel.T))) for each in planes
    ]
    colours = np.abs(np.prod([alike(planes[0][number], planes[1][number], 200) for number in (1, 2)], axis=0))
    similarity = alike(*congruency, 0.85) * alike(*gradients, 160) * colours**0.03
    return np.average(similarity, weights=np.maximum(*congruency))


@pytest.mark.parametrize("deviation", [0.05, 0.3])
@pytest.mark.parametrize("size", [(32, 32), (33, 40)])
def test_fsim_is_that_of_its_paper(size, deviation):
    """But for the median of an even number of values, of which PyTorch takes the lower middle one."""
    reference = images(3, *size)
    reconstruction = noisy(reference, deviation)
    expected = [fsim_of_paper(*pair) for pair in zip(reference, reconstruction, strict=True)]
    np.testing.assert_allclose(fsim(reference, reconstruction), expected, atol=5e-4)


def ms_ssim_of_paper(first, second):
    """Return the mean over channels of the product of similarities at five resolutions."""
    window = signal.windows.gaussian(11, 1.5)
    window = np.outer(window, window) / window.sum() ** 2

    def of_channel(x, y):
        product = 1
        for weight in (0.0448, 0.2856, 0.3001, 0.2363, 0.1333):
            mean_x, mean_y, xx, yy, xy = (
                signal.convolve2d(each, window, mode="valid") for each in (x, y, x * x, y * y, x * y)
            )
            floor = 0.03**2
            structure = (2 * (xy - mean_x * mean_y) + floor) / (xx - mean_x**2 + yy - mean_y**2 + floor)
            last = weight == 0.1333
            product *= np.mean(structure * (alike(mean_x, mean_y, 0.01**2) if last else 1)) ** weight
            x, y = halved(x), halved(y)
        return product

    return np.mean([of_channel(*pair) for pair in zip(first.double().numpy(), second.double().numpy(), strict=True)])


@pytest.mark.parametrize("deviation", [0.05, 0.3])
def test_ms_ssim_is_that_of_its_paper(deviation):
    reference = images(2, 176, 192)
    reconstruction = noisy(reference, deviation)
    expected = [ms_ssim_of_paper(*pair) for pair in zip(reference, reconstruction, strict=True)]
    np.testing.assert_allclose(ms_ssim(reference, reconstruction), expected, atol=1e-5)


@pytest.mark.parametrize("deviation", [0.05, 0.3])
def test_vif_is_that_of_torchmetrics(deviation):
    """On grey images, of which luminance and every channel are the same."""
    reference = images(2, 64, 72).mean(1, keepdim=True).expand(-1, 3, -1, -1)
    reconstruction = noisy(reference[:, :1], deviation).expand(-1, 3, -1, -1)
    expected = [
        visual_information_fidelity(255 * theirs[None], 255 * ours[None]).item()
        for ours, theirs in zip(reference, reconstruction, strict=True)
    ]
    np.testing.assert_allclose(vif(reference, reconstruction), expected, atol=1e-4)


def test_vif_rewards_contrast_of_the_original_and_is_told_which_one_that_is():
    reference = 0.5 + 0.25 * (images(2, 48, 48) - 0.5)
    sharper = 0.5 + 1.5 * (reference - 0.5)
    assert (vif(reference, sharper) > 1).all() and (vif(sharper, reference) < 1).all()


def best_psnr(first, second):
    """Return the best PSNR over flips and shifts, one after the other."""
    height, width = first.shape[-2:]
    errors = []
    for other in (second, second[..., ::-1]):
        for down in range(-(height // 8), height // 8 + 1):
            for right in range(-(width // 8), width // 8 + 1):
                a = first[:, max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)]
                b = other[:, max(-down, 0) : height + min(-down, 0), max(-right, 0) : width + min(-right, 0)]
                errors.append(np.square(a - b).mean())
    return 10 * np.log10(1 / max(min(errors), 1e-10))


@pytest.mark.parametrize("size", [(32, 32), (17, 24), (7, 7), (8, 15)])
def test_registered_psnr_is_the_best_of_all_shifts_and_flips(size):
    reference = images(4, *size)
    reconstruction = torch.cat([noisy(reference[:2].roll((-1, 1), (-2, -1)), 0.2), noisy(reference[2:].flip(-1), 0.4)])
    expected = [
        best_psnr(*(image.double().numpy() for image in pair)) for pair in zip(reference, reconstruction, strict=True)
    ]
    np.testing.assert_allclose(registered_psnr(reference, reconstruction), expected, rtol=1e-5)


def test_registered_psnr_forgives_what_augmentation_does_and_nothing_else():
    reference = images(3, 40, 40)
    window, moved = reference[..., 4:36, 4:36], reference[..., 7:39, 1:33].flip(-1)
    assert registered_psnr(window, moved).tolist() == [100, 100, 100] and (psnr(window, moved) < 10).all()
    too_far = reference[..., 8:40, 0:32]
    assert (registered_psnr(reference[..., :32, 8:40], too_far) < 12).all()
    assert (registered_psnr(window, noisy(window, 0.3)) >= psnr(window, noisy(window, 0.3))).all()


def test_extra_metrics_in_batches_are_those_one_by_one():
    reference = (255 * images(3, 176, 176)).byte().numpy()
    reconstruction = (255 * noisy(images(3, 176, 176), 0.2)).byte().numpy()
    together = measure_pairs(reference, reconstruction, extra=extra_metrics())
    assert {"registered_psnr", "ms_ssim", "fsim", "vif", "gmsd", "haarpsi"} <= set(together)
    for place in range(3):
        rows = slice(place, place + 1)
        alone = measure_pairs(reference[rows], reconstruction[rows], extra=extra_metrics())
        np.testing.assert_allclose(together.iloc[place], alone.iloc[0], rtol=1e-5)


def test_images_too_small_for_a_metric_leave_it_out():
    small = (255 * images(1, 40, 40)).byte().numpy()
    names = set(measure_pairs(small, small, extra=extra_metrics()))
    assert "haarpsi" in names and not {"vif", "ms_ssim"} & names
    for name in ("ms_ssim", "fsim", "vif", "gmsd", "haarpsi"):
        smallest = images(1, *[METRICS[name].smallest_image] * 2)
        assert METRICS[name].function(smallest, noisy(smallest, 0.1)).isfinite().all()

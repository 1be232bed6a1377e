"""Augmentation: each operation against Pillow's, and the random choices."""

import itertools

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps

from semsim.errors import SemsimError
from semsim.targets.augmentation import Augmentation, crop_and_flip
from semsim.targets.operations import TWO_WAY, apply_policies, transform
from semsim.targets.policies import POLICIES, parse_policies


def photograph(seed, size=32):
    """A colour image with structure at several scales, as Pillow sees it."""
    noise = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((size, size), Image.Resampling.BICUBIC)


def tensor(*pictures):
    return torch.stack([torch.from_numpy(np.array(picture)).permute(2, 0, 1) for picture in pictures])


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def affine(picture, matrix, resampling=Image.Resampling.NEAREST):
    return picture.transform(picture.size, Image.Transform.AFFINE, matrix, resampling)


PILLOW = {
    "colour": lambda picture, amount: ImageEnhance.Color(picture).enhance(1 + 0.5 * amount),
    "contrast": lambda picture, amount: ImageEnhance.Contrast(picture).enhance(1 + 0.5 * amount),
    "brightness": lambda picture, amount: ImageEnhance.Brightness(picture).enhance(1 + 0.5 * amount),
    "sharpness": lambda picture, amount: ImageEnhance.Sharpness(picture).enhance(1 + 0.5 * amount),
    "posterize": lambda picture, amount: ImageOps.posterize(picture, round(8 - 4 * amount)),
    "solarize": lambda picture, amount: ImageOps.solarize(picture, 256 - 256 * amount),
    "autocontrast": lambda picture, amount: ImageOps.autocontrast(picture),
    "equalize": lambda picture, amount: ImageOps.equalize(picture),
    "invert": lambda picture, amount: ImageOps.invert(picture),
    "translate_x": lambda picture, amount: affine(picture, (1, 0, -amount * 150 / 331 * picture.width, 0, 1, 0)),
    "translate_y": lambda picture, amount: affine(picture, (1, 0, 0, 0, 1, -amount * 150 / 331 * picture.height)),
}


@pytest.mark.parametrize(("operation", "magnitude"), sorted(entry for entry in set(POLICIES) if entry[0] in PILLOW))
def test_operations_equal_pillows(operation, magnitude):
    pictures = [photograph(seed) for seed in range(3)]
    for amount in (magnitude / 9, -magnitude / 9) if operation in TWO_WAY else (magnitude / 9,):
        expected = tensor(*(PILLOW[operation](picture, amount) for picture in pictures))
        found = transform(tensor(*pictures), operation, amount)
        assert found.dtype == torch.uint8
        assert (found.int() - expected.int()).abs().max() <= 1


@pytest.mark.parametrize("amount", [2 / 9, -5 / 9])
def test_rotation_and_shear_equal_pillows(amount):
    picture = photograph(1)
    turned = picture.rotate(30 * amount, fillcolor=(128, 128, 128))
    found = transform(tensor(picture), "rotate", amount)
    assert ((found.int() - tensor(turned).int()).abs() > 1).float().mean() < 0.005  # ties of the nearest pixel
    assert (found[..., 0, 0] == 128).all()

    sheared = affine(picture, (1, 0, 0, 0.3 * amount, 1, 0), Image.Resampling.BILINEAR)
    found, expected = transform(tensor(picture), "shear_y", amount).int(), tensor(sheared).int()
    inside = slice(6, 26)  # at the border of the image Pillow repeats pixels and torchvision fades them out
    assert (found - expected)[..., inside, inside].abs().max() <= 2
    assert (found[:, :, -1 if amount > 0 else 0, -1] == 0).all()


def test_the_list_of_operations_is_the_published_one():
    assert len(POLICIES) == 50
    assert [POLICIES[index] for index in (3, 1, 7)] == [("translate_x", 9), ("contrast", 6), ("translate_y", 2)]
    assert [POLICIES[index] for index in (43, 18)] == [("translate_y", 3), ("contrast", 7)]
    assert parse_policies("3-1-7+43-18-18") == ((3, 1, 7), (43, 18, 18))


def test_crop_and_flip_cuts_from_the_padded_image():
    images = torch.randint(1, 256, (200, 3, 32, 32), dtype=torch.uint8, generator=generator())
    seen = []
    for image, result in zip(images, crop_and_flip(images, generator(1)), strict=True):
        canvas = torch.nn.functional.pad(image, (4, 4, 4, 4))
        for top, left in itertools.product(range(9), range(9)):
            cut = canvas[:, top : top + 32, left : left + 32]
            seen += [(top, left, False)] if torch.equal(cut, result) else []
            seen += [(top, left, True)] if torch.equal(cut.flip(-1), result) else []
    assert len(seen) == 200
    tops, lefts, mirrored = zip(*seen, strict=True)
    assert set(tops) == set(lefts) == set(range(9))
    assert 70 < sum(mirrored) < 130


def test_padding_grows_with_the_image():
    white = torch.full((300, 3, 64, 64), 255, dtype=torch.uint8)
    black_rows = (crop_and_flip(white, generator()).sum((1, 3)) == 0).sum(1)
    assert black_rows.max() == 8


def test_one_policy_and_one_direction_for_each_image():
    image = tensor(photograph(2))
    results = apply_policies(image.expand(200, -1, -1, -1), parse_policies("3-3+1+29"), generator())
    expected = {
        key: transform(transform(image, operation, first), operation, second)
        for key, (operation, first, second) in {
            "left left": ("translate_x", -1, -1),
            "left right": ("translate_x", -1, 1),
            "right left": ("translate_x", 1, -1),
            "right right": ("translate_x", 1, 1),
        }.items()
    }
    expected |= {sign: transform(image, "contrast", sign * 6 / 9) for sign in (-1, 1)}
    expected["invert"] = 255 - image
    counts = {key: sum(torch.equal(result[None], value) for result in results) for key, value in expected.items()}
    assert sum(counts.values()) == 200
    assert 45 < counts["invert"] < 90
    assert all(count > 5 for count in counts.values())


def test_same_seed_same_images_and_originals_stay():
    images = tensor(*(photograph(seed) for seed in range(4)))
    before = images.clone()
    for name in ("none", "crop", "3-1-7+43-18-18"):
        augment = Augmentation(name)
        first, second = augment(images, generator(5)), augment(images, generator(5))
        assert torch.equal(first, second)
        assert first.shape == images.shape and first.dtype == torch.uint8
        assert torch.equal(images, before)


@pytest.mark.parametrize("name", ["crops", "3-1-", "3,1,7", "+3", "", "3-1-7 + 2"])
def test_unknown_augmentations_are_explained(name):
    with pytest.raises(SemsimError, match="none, crop, or policies such as 3-1-7"):
        Augmentation(name)


def test_unknown_indices_are_explained():
    with pytest.raises(SemsimError, match="operation 50, but the operations are 0 to 49"):
        Augmentation("3-50")

"""Small images in folders, for tests of scoring."""

import numpy as np
from PIL import Image


def smooth(generator, height=32, width=32):
    """Return a random smooth image, uint8 [height, width, 3]."""
    coarse = Image.fromarray(generator.integers(0, 256, (5, 5, 3), dtype=np.uint8))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))


def noisy(generator, image, strength):
    """Return an image with noise, uint8."""
    return np.clip(image + generator.normal(0, strength, image.shape), 0, 255).astype(np.uint8)


def save(image, path):
    """Write an image file where it is to lie."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


def make_sets(folder, count=8, sizes=((32, 32),), **strengths):
    """Write `originals` and a set for each strength of noise; every second image lies in a subfolder.

    Returns the pairs' names in the order of the numbers 0, 1, ...; the n-th has the n-th size, over and over.
    """
    generator = np.random.default_rng(1)
    names = [f"{'deep/' if number % 2 else ''}{number}" for number in range(count)]
    for number, name in enumerate(names):
        original = smooth(generator, *sizes[number % len(sizes)])
        save(original, folder / "originals" / f"{name}.png")
        for set_name, strength in strengths.items():
            save(noisy(generator, original, strength), folder / set_name / f"{name}.png")
    return names

"""The released training folders in small, as tests make them: smooth images, and noise where nobody recognises."""

import io
import zipfile

import numpy as np
from PIL import Image
from small_study import smooth_images

RECOGNISED = {(1, 1): True, (1, 2): False, (2, 1): True, (2, 2): False}
"""By n and m: what becomes of reconstructions, except of every third original, which turns it round."""


def png(image):
    """Encode an image, uint8 [3, H, W]."""
    file = io.BytesIO()
    Image.fromarray(image.transpose(1, 2, 0)).save(file, "PNG")
    return file.getvalue()


def released_files(originals=8, first=5):
    """Return the content of each file by its name; the numbers of originals begin with `first`, in steps of 3."""
    generator = np.random.default_rng(1)
    files = {"others/1_2_ori.png": b"left alone", ".DS_Store": b"", "train_with_ori/5/.DS_Store": b""}
    for place, image in enumerate(smooth_images(originals, seed=1)):
        number, label = first + 3 * place, place % 3
        files[f"train_with_ori/{number}/{number}_{label}_ori.png"] = png(image)
        for (n, m), recognised in RECOGNISED.items():
            recognised ^= place % 3 == 0
            noise = generator.normal(0, 10 if recognised else 90, image.shape)
            folder = number if recognised else -number
            name = f"train_with_ori/{folder}/{number}_{label}_rec_{n}_{m}.png"
            files[name] = png((image + noise).clip(0, 255).astype(np.uint8))
    return files


def write_tree(files, folder):
    """Write files below a folder."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def write_zip(files, path, above=""):
    """Write files into an archive, below a folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(above + name, content)
    return path

"""The five data sets of the paper, as published by their authors or from a mirror."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semsim.data.cifar import CifarArchive
from semsim.data.folder import read_images
from semsim.data.sources import Selection, TarArchive, open_source
from semsim.errors import SemsimError

if TYPE_CHECKING:
    from semsim.data.dataset import Split
    from semsim.data.request import Request

BACKGROUND = "BACKGROUND_Google"
"""The folder of Caltech-101 that is not a class: arbitrary results of an image search."""
FEWEST_IMAGES = 30
"""Images that an identity of CelebA needs to be a class. The paper does not say what it used; this is our choice."""


@dataclass(frozen=True)
class RemoteFile:
    """A published file.

    Attributes
    ----------
    name : str
        Its name, both where it is published and in the cache.
    checksum : str
        Checksum of its content, "sha256:..." or "md5:...".
    url : str or None
        None if only a person can download it, because the publisher asks for consent.
    size : int or None
        In bytes; None if it is not known.
    """

    name: str
    checksum: str
    url: str | None
    size: int | None = None


@dataclass(frozen=True)
class PublishedSet:
    """A published data set.

    Attributes
    ----------
    page : str
        The web page that describes it and its terms.
    files : tuple of RemoteFile
    open : callable
        Takes the paths of the files and returns a context manager for their images, a source (`semsim.data.sources`).
    ordered : bool
        Whether the source names the images in an order that others refer to.
    """

    page: str
    files: tuple[RemoteFile, ...]
    open: Any
    ordered: bool = False


def read_published(kind: str, request: Request) -> tuple[tuple[str, ...], dict[str, Split]]:
    """Choose and read images of a published data set for the three splits, like `semsim.data.folder.read_folder`.

    They are read from ``<kind>.zip`` in the mirror, an image-folder tree, if it exists; otherwise from the published
    files, which are downloaded into the cache (`semsim.io.cache.cache_folder`).

    Parameters
    ----------
    kind : str
        One of `PUBLISHED`.
    request : semsim.data.request.Request

    Returns
    -------
    classes : tuple of str
        Sorted. Names of the published folders; for CelebA, identity numbers with five digits.
    splits : dict of str to semsim.data.dataset.Split
        The source of an image is its path inside the data set.

    Raises
    ------
    SemsimError
        If the files are not available or not the published ones, or there are too few images.
    """
    if request.mirror and (mirrored := request.mirror / f"{kind}.zip").exists():
        opened, ordered = open_source(mirrored), False
    else:
        opened, ordered = PUBLISHED[kind].open(*_fetch_files(kind, request)), PUBLISHED[kind].ordered
    with opened as source:
        return read_images(source, request, ordered)


def is_downloaded(kind: str) -> bool:
    """Return whether the published files of a data set lie in the cache; nothing is downloaded."""
    from semsim.io.cache import cache_folder

    return all((cache_folder() / kind / file.name).is_file() for file in PUBLISHED[kind].files)


def _fetch_files(kind, request):
    """Return the paths of the published files; if they are not available, say how to provide them."""
    # They need packages that only the data environment has.
    from semsim.data.download import fetch
    from semsim.io.cache import cache_folder

    published, folder = PUBLISHED[kind], cache_folder() / kind
    try:
        return [fetch(folder / file.name, file.checksum, file.url, file.size) for file in published.files]
    except SemsimError as error:
        files = " and ".join(file.name for file in published.files)
        raise SemsimError(
            f"data set '{request.name}': {error} Get {files} from {published.page} and put it into {folder} "
            f"(SEMSIM_CACHE sets another cache). Or put {kind}.zip, with <class>/<image> inside, into a mirror folder "
            "(`mirror` or SEMSIM_MIRROR)."
        ) from None


def _open_tar(path):
    """Open the images of a tar file that is laid out like an image folder."""
    return nullcontext(TarArchive(path, partial(open, path, "rb")))


@contextmanager
def _open_caltech(path):
    """Open the images of Caltech-101, a compressed tar file inside a .zip file, without the background class."""
    with open_source(path) as outer:
        images = TarArchive(path, partial(outer.open, "caltech-101/101_ObjectCategories.tar.gz"))
        yield Selection(images, {name: name for name in images.names() if BACKGROUND not in name})


@contextmanager
def _open_celeba(images_path, identities_path):
    """Open the aligned images of CelebA by identity, for identities with enough images."""
    identities = dict(line.split() for line in Path(identities_path).read_text(encoding="ascii").splitlines())
    numbers = Counter(identities.values())
    entries = {
        f"{int(identity):05d}/{image}": f"img_align_celeba/{image}"
        for image, identity in identities.items()
        if numbers[identity] >= FEWEST_IMAGES
    }
    with open_source(images_path) as images:
        yield Selection(images, entries)


PUBLISHED = {
    "cifar100": PublishedSet(
        "https://www.cs.toronto.edu/~kriz/cifar.html",
        (
            RemoteFile(
                "cifar-100-python.tar.gz",
                "sha256:85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
                "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
                169_001_437,
            ),
        ),
        lambda path: nullcontext(CifarArchive(path)),
        ordered=True,
    ),
    "caltech101": PublishedSet(
        "https://data.caltech.edu/records/mzrjq-6wc02",
        (
            RemoteFile(
                "caltech-101.zip",
                "md5:3138e1922a9193bfa496528edbbc45d0",
                "https://data.caltech.edu/records/mzrjq-6wc02/files/caltech-101.zip",
                137_414_764,
            ),
        ),
        _open_caltech,
    ),
    "imagenette": PublishedSet(
        "https://github.com/fastai/imagenette",
        (
            # Shorter side 320: well above the 112 pixels of the paper, and a fifth of the download in full size.
            RemoteFile(
                "imagenette2-320.tgz",
                "sha256:569b4497c98db6dd29f335d1f109cf315fe127053cedf69010d047f0188e158c",
                "https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-320.tgz",
                341_663_724,
            ),
        ),
        _open_tar,
    ),
    "celeba": PublishedSet(
        "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
        (
            RemoteFile(
                "img_align_celeba.zip",
                "sha256:46fb89443c578308acf364d7d379fe1b9efb793042c0af734b6112e4fd3a8c74",
                None,
            ),
            RemoteFile("identity_CelebA.txt", "md5:32bd1bd63d3c78cd57e08160ec5ed1e2", None),
        ),
        _open_celeba,
    ),
    "stanford_dogs": PublishedSet(
        "http://vision.stanford.edu/aditya86/ImageNetDogs/",
        (
            RemoteFile(
                "images.tar",
                "sha256:a443fc2f9a851aa1a7b8e4fa4af94b8459fce2c9f5a2f4dd4669cf9673a4ec58",
                "https://vision.stanford.edu/aditya86/ImageNetDogs/images.tar",
                793_579_520,
            ),
        ),
        _open_tar,
    ),
}
"""Published data sets by kind. Checksums are those of torchvision (MD5), TensorFlow Datasets and Keras (SHA-256).

That of Imagenette is of the file which replaced the one in TensorFlow Datasets; torchvision has its MD5.
"""

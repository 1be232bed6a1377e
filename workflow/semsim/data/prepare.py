"""From a data set's settings to its images."""

from semsim.data.dataset import SPLITS, ImageDataset
from semsim.data.request import check_request


def prepare_dataset(name, settings, image_size, seed, mirror=None):
    """Make a data set: draw it, read it from where it lies, or download it.

    Parameters
    ----------
    name : str
        What the study calls the data set.
    settings : dict
        Those of `semsim.data.request.DatasetSettings`.
    image_size : int
        Side of the square images in pixels.
    seed : int
        The study's seed. The same seed gives the same images on every machine.
    mirror : path-like, optional
        The folder in which a relative `path` is looked up first, and the published data sets as ``<kind>.zip``.

    Returns
    -------
    ImageDataset

    Raises
    ------
    SemsimError
        If the settings make no sense, or the images asked for cannot be had.

    Examples
    --------
    >>> dataset = prepare_dataset("symbols", {"kind": "glyphs", "train": 3, "originals": 2, "public": 1}, 32, seed=1)
    >>> dataset.splits["train"].images.shape
    (3, 3, 32, 32)
    """
    kind, request = check_request(name, settings, image_size, seed, mirror)
    classes, splits = kind.read(request)
    return ImageDataset(name, settings["kind"], classes, {split: splits[split] for split in SPLITS})

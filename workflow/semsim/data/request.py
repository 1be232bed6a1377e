"""What a study asks of a data set."""

from dataclasses import dataclass
from pathlib import Path

from semsim.data.dataset import SPLITS
from semsim.errors import SemsimError

SMALLEST_IMAGE = 8
"""Side in pixels below which nothing can be recognised."""


@dataclass(frozen=True)
class Request:
    """A data set's settings, checked.

    Attributes
    ----------
    name : str
        What the study calls the data set.
    counts : dict of str to int
        How many images each of `SPLITS` gets.
    image_size : int
        Side of the square images in pixels.
    seed : int
        The study's seed.
    class_limit : int or None
        Use only the first so many classes, by name.
    path : str or None
        Where a data set of kind `folder` lies.
    mirror : pathlib.Path or None
        The folder in which a relative `path` is looked up first, and the published data sets as ``<kind>.zip``.
    """

    name: str
    counts: dict[str, int]
    image_size: int
    seed: int
    class_limit: int | None = None
    path: str | None = None
    mirror: Path | None = None

    @classmethod
    def from_settings(cls, name, settings, image_size, seed, mirror=None):
        """Check a data set's settings (the parameters of `semsim.data.prepare_dataset`).

        Raises
        ------
        SemsimError
            If the image size or a number is missing or makes no sense.
        """
        if image_size < SMALLEST_IMAGE:
            raise SemsimError(f"image_size: {image_size} pixels are too few; {SMALLEST_IMAGE} is the least.")
        counts = {split: settings.get(split) for split in SPLITS}
        for setting, number in (counts | {"classes": settings.get("classes") or 0}).items():
            if type(number) is not int or number < 0:
                raise SemsimError(f"data set '{name}': `{setting}` must be a whole number, and is {number!r}.")
        return cls(
            name=name,
            counts=counts,
            image_size=image_size,
            seed=seed,
            class_limit=settings.get("classes"),
            path=settings.get("path"),
            mirror=Path(mirror).expanduser() if mirror else None,
        )

    def first_classes(self, names):
        """Return the classes to use out of all `names`: sorted, and no more than `class_limit`, a tuple of str.

        Raises
        ------
        SemsimError
            If there are fewer than asked for, or fewer than the two that a classifier needs.
        """
        names = sorted(names)
        wanted = len(names) if self.class_limit is None else self.class_limit
        if not 2 <= wanted <= len(names):
            raise SemsimError(
                f"data set '{self.name}': has {len(names)} classes, and {wanted} are to be used. "
                "Set `classes` between 2 and what there is."
            )
        return tuple(names[:wanted])

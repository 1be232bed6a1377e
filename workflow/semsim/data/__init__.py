"""Images for the study: embedded sets that need no download, published ones, and anyone's own folder of images.

Every data set has three disjoint splits: `train` (the target model's), `originals` (attacked) and `public` (for whoever
needs other images of the same classes). Nothing here imports torch.
"""

from semsim.data.dataset import SPLITS, ImageDataset, Split, load_classes, load_split, open_split, save_dataset
from semsim.data.kinds import KINDS
from semsim.data.prepare import prepare_dataset

__all__ = [
    "KINDS",
    "SPLITS",
    "ImageDataset",
    "Split",
    "load_classes",
    "load_split",
    "open_split",
    "prepare_dataset",
    "save_dataset",
]

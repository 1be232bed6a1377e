"""What annotators recognise: campaigns, tables of labels, recognition rates, the published human study.

Nothing here imports torch.
"""

from semsim.labels.images import read_campaign, shown_images
from semsim.labels.recognition import recognition_rates, with_truth
from semsim.labels.table import CANNOT_TELL, check_labels, name_images, read_labels

__all__ = [
    "CANNOT_TELL",
    "check_labels",
    "name_images",
    "read_campaign",
    "read_labels",
    "recognition_rates",
    "shown_images",
    "with_truth",
]

"""What annotators see in reconstructions: tables of labels, recognition rates, and the published human study.

Nothing here imports torch.
"""

from semsim.labels.recognition import recognition_rates, with_truth
from semsim.labels.table import CANNOT_TELL, check_labels, name_images, read_labels

__all__ = ["CANNOT_TELL", "check_labels", "name_images", "read_labels", "recognition_rates", "with_truth"]

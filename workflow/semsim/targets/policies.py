"""Transformation policies: sequences of image operations that make training images resist reconstruction.

Reading them needs no PyTorch; `semsim.targets.operations` applies them.

References
----------
Gao, Guo, Zhang, Qiu, Wen, Liu: Privacy-preserving Collaborative Learning with Automatic Transformation Search. CVPR
2021.
"""

import re

from semsim.errors import SemsimError
from semsim.text import shortened

# The search space by index: operation and magnitude, 0 to 9. The published list has a probability for each entry as
# well, which the published code does not use: every operation of a policy is always applied.
POLICIES = (
    ("invert", 7),
    ("contrast", 6),
    ("rotate", 2),
    ("translate_x", 9),
    ("sharpness", 1),
    ("sharpness", 3),
    ("shear_y", 2),
    ("translate_y", 2),
    ("autocontrast", 5),
    ("equalize", 2),
    ("shear_y", 5),  # 10
    ("posterize", 5),
    ("colour", 3),
    ("brightness", 5),
    ("sharpness", 9),
    ("brightness", 9),
    ("equalize", 5),
    ("equalize", 1),
    ("contrast", 7),
    ("sharpness", 5),
    ("colour", 5),  # 20
    ("translate_x", 5),
    ("equalize", 7),
    ("autocontrast", 8),
    ("translate_y", 3),
    ("sharpness", 6),
    ("brightness", 6),
    ("colour", 8),
    ("solarize", 0),
    ("invert", 0),
    ("equalize", 0),  # 30
    ("autocontrast", 0),
    ("equalize", 8),
    ("equalize", 4),
    ("colour", 5),
    ("equalize", 5),
    ("autocontrast", 4),
    ("solarize", 4),
    ("brightness", 3),
    ("colour", 0),
    ("solarize", 1),  # 40
    ("autocontrast", 0),
    ("translate_y", 3),
    ("translate_y", 3),
    ("autocontrast", 1),
    ("solarize", 1),
    ("equalize", 5),
    ("invert", 0),
    ("translate_y", 3),
    ("autocontrast", 1),
)


def parse_policies(text: str) -> tuple[tuple[int, ...], ...]:
    """Read policies written as indices joined by ``-``, and joined by ``+`` if there are several.

    Parameters
    ----------
    text : str
        For instance ``"3-1-7"`` or ``"3-1-7+43-18-18"``.

    Returns
    -------
    tuple of tuple of int
        The policies, each a sequence of indices into `POLICIES`.

    Raises
    ------
    SemsimError
        If the text has another form, or an index is out of range.
    """
    if not re.fullmatch(r"[0-9]{1,9}(-[0-9]{1,9})*(\+[0-9]{1,9}(-[0-9]{1,9})*)*", text):
        raise SemsimError(
            f"augmentation '{shortened(text)}' is not known. Write none, crop, or policies such as 3-1-7 or "
            f"3-1-7+43-18-18: indices from 0 to {len(POLICIES) - 1} joined by '-', policies joined by '+'."
        )
    policies = tuple(tuple(int(index) for index in policy.split("-")) for policy in text.split("+"))
    for index in (index for policy in policies for index in policy):
        if index >= len(POLICIES):
            raise SemsimError(
                f"augmentation '{shortened(text)}' uses operation {index}, but the operations are 0 to"
                f" {len(POLICIES) - 1}. Use these indices, joined by '-' within a policy and by '+' between policies,"
                " as in 3-1-7+43-18-18."
            )
    return policies

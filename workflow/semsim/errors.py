"""The exception that is shown to users."""

import errno
from collections.abc import Iterable

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Error numbers for a full disk, an exceeded quota, and a file that is larger than allowed."""


class SemsimError(Exception):
    """Something the user can put right: the message says what is wrong, where, and what to do.

    Command lines print the message and exit with 1; they never show a traceback for it.
    """


def refuse(problems: Iterable[str], heading: str) -> None:
    """Raise one `SemsimError` that lists all problems, if there are any."""
    if problems := list(dict.fromkeys(problems)):
        raise SemsimError("\n  ".join([f"{heading}:", *problems]))

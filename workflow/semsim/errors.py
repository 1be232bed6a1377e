"""The one exception that speaks to people."""

import errno

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Error numbers for a full disk, an exceeded quota, and a file that is larger than allowed."""


class SemsimError(Exception):
    """Something the user can put right: the message says what is wrong, where, and what to do.

    Command lines print the message and exit with 1; they never show a traceback for it.
    """

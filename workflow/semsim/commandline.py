"""What every script's `main` shares: settings given as JSON, and errors that people can read."""

import argparse
import errno
import json
import os
import sys
import warnings

from semsim.errors import SemsimError


def json_object(text):
    """Parse a JSON object given as a command-line argument (an `argparse` type)."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise argparse.ArgumentTypeError(f"not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError("expected a JSON object, such as '{\"steps\": 100}'")
    return value


def positive(text):
    """Parse a whole number above 0 given as a command-line argument (an `argparse` type)."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def share_cores():
    """Let threads of PyTorch sleep while they wait for each other; it has to be called before PyTorch is imported.

    By default they spin. That is a little faster on cores of their own, and up to eight times slower where other
    processes, or threads that read files, want the same cores.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


_as_python_does = warnings.formatwarning


def _in_one_line(message, category, *place):
    """Write a warning for users without the line of code that gave it; others, such as deprecations, keep it."""
    return f"warning: {message}\n" if category is UserWarning else _as_python_does(message, category, *place)


def run(main):
    """Call `main()`; turn what users can put right into one message and exit status 1.

    Any other exception is a defect of the program and keeps its traceback. What users are warned of is one line, too.
    """
    warnings.formatwarning = _in_one_line
    try:
        main()
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read the output, such as `head`, has enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it ends
        sys.exit(1)
    except SemsimError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.ENAMETOOLONG):
            raise
        sys.exit(f"error: {error.filename or 'output'}: {error.strerror}. Make room or take another folder.")
    except KeyboardInterrupt:
        sys.exit("stopped")

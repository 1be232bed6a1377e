"""What every script's `main` shares: settings given as JSON, and errors that people can read."""

import argparse
import errno
import json
import os
import sys

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


def run(main):
    """Call `main()`; turn what users can put right into one message and exit status 1.

    Any other exception is a defect of the program and keeps its traceback.
    """
    try:
        main()
    except SemsimError as error:
        sys.exit(f"error: {error}")
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it ends
        sys.exit(1)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            raise
        sys.exit(f"error: {error.filename or 'output'}: {error.strerror}. Make room or take another folder.")
    except KeyboardInterrupt:
        sys.exit("stopped")

"""Progress bars, calm in log files."""

import sys

from tqdm import tqdm


def progress_bar(total, description, unit="it", initial=0):
    """Return a `tqdm` bar on standard error.

    On a terminal it moves twice a second; in a log file it writes a line every ten seconds at most.

    Parameters
    ----------
    total : int or None
        How many units the whole work has, if that is known.
    description : str
        What is being done, for instance ``"glyphs/convnet/dlg"``.
    unit : str
        The name of one unit; "B" for bytes, which are then counted in kB, MB and so on.
    initial : int
        Units already done (resumed work).
    """
    terminal = sys.stderr.isatty()
    return tqdm(
        total=total,
        desc=description,
        unit=unit,
        unit_scale=unit == "B",
        initial=initial,
        mininterval=0.5 if terminal else 10,
        dynamic_ncols=terminal,
        leave=True,
    )

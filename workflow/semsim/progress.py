"""Progress bars that stay quiet in log files."""

import sys

from tqdm import tqdm


def progress_bar(total: int | None, description: str, unit: str = "it", initial: int = 0) -> tqdm:
    """Return a `tqdm` bar on standard error.

    On a terminal it updates twice a second; in a log file it writes at most one line every ten seconds.

    Parameters
    ----------
    total : int or None
        Total number of units, if known.
    description : str
        The task, for instance ``"glyphs/convnet/dlg"``.
    unit : str
        The name of one unit; "B" for bytes, which are shown in kB, MB and so on.
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

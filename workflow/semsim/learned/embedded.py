"""The weights of SemSim that come with the repository."""

from pathlib import Path

from semsim.errors import SemsimError


def embedded_weights():
    """Return the folder of weights that the study of embedded images learnt.

    Returns
    -------
    pathlib.Path
        For `semsim.learned.metric.SemSim.from_pretrained`.

    Raises
    ------
    SemsimError
        If this copy of semsim has none, such as one that is installed without its repository.
    """
    folder = Path(__file__).parents[3] / "results/reference/demo/semsim/weights"
    if not folder.is_dir():
        raise SemsimError("no weights of SemSim come with this copy of semsim. Give some: --weights FOLDER.")
    return folder

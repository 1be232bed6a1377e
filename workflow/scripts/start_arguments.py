"""The arguments that name the plain classifier from which SemSim starts, or whose features are asked."""

from semsim.learned.starts import shipped_start


def add_start_arguments(parser, required=False):
    """Add the arguments that `start_of` needs."""
    start = parser.add_mutually_exclusive_group(required=required)
    start.add_argument("--classifier", metavar="X.safetensors", help="plain classifier of the study's public images")
    start.add_argument("--start", metavar="NAME", help="one that comes with semsim, by the kinds that it has seen")


def start_of(arguments):
    """Return the file of the classifier that the arguments name, or None."""
    return shipped_start(arguments.start) if arguments.start else arguments.classifier

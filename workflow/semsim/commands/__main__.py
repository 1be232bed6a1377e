"""``python -m semsim.commands``: the command line where it is not installed."""

from semsim.commands import main

main()

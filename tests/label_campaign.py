"""A small label campaign, and a real server for it: what tests of the labelling read."""

import re
import subprocess
import sys
from contextlib import contextmanager

import pandas as pd
from PIL import Image

from semsim.labelling.campaign import read_campaign_folder
from semsim.labelling.making import make_campaign
from semsim.labelling.material import Material

CLASSES = {"shapes": ["square", "disc", "cross", "ice_cream"], "digits": ["0", "1", "2"]}
ORIGINALS = 6


def small_material():
    """Images of two data sets, two target models and two attacks: 48, and 8 clear ones."""
    rows = [
        {"dataset": dataset, "target": target, "attack": attack, "original": original, "label": original % 3}
        for dataset in CLASSES
        for target in ("lenet", "mlp")
        for attack in ("dlg", "idlg")
        for original in range(ORIGINALS)
    ]
    checks = [{"dataset": dataset, "label": number % 3} for dataset in CLASSES for number in range(4)]
    return Material(_pictured(rows, 90), _pictured(checks, 91), CLASSES, "a test")


def _pictured(rows, green):
    """Add pictures of different colours."""
    pictures = [lambda number=number: Image.new("RGB", (8, 8), (5 * number, green, 200)) for number in range(len(rows))]
    return pd.DataFrame(rows).assign(picture=pictures)


def small_campaign(folder, **settings):
    """Make the campaign."""
    return make_campaign(folder / "pilot", small_material(), **settings)


def change_settings(campaign, text, new_text):
    """Change ``campaign.yaml`` and read the campaign again."""
    path = campaign.folder / "campaign.yaml"
    content = path.read_text()
    assert text in content
    path.write_text(content.replace(text, new_text))
    return read_campaign_folder(campaign.folder)


@contextmanager
def served(campaign, *options, port=0):
    """Serve a campaign by the command line in a process of its own; give the process, the address and its output."""
    command = [sys.executable, "-m", "semsim.commands", "label", "serve", str(campaign.folder.absolute())]
    with subprocess.Popen(
        [*command, "--port", str(port), *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            line = process.stdout.readline()
            yield process, re.search(r"http://[^/]+", line).group()
        finally:
            process.kill()

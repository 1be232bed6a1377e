"""Draw docs/examples.png, the picture at the top of README.md, from a finished default study: ``make examples``."""

import io
from pathlib import Path

from semsim.commandline import run
from semsim.figures.contact_sheet import draw_contact_sheet
from semsim.figures.style import RESOLUTION
from semsim.io.tables import read_table
from semsim.io.tensors import read_metadata
from semsim.results.keeping import small_picture

RESULTS, DATASET = Path("results/demo"), "glyphs"
SHOWN = ("mlp-gaussian/invertgrad", "mlp/gradinversion", "lenet/invertgrad", "convnet/invertgrad", "convnet-prune/idlg")
"""From clear to hopeless."""


def main():
    classes = read_metadata(RESULTS / "data" / f"{DATASET}.safetensors")["classes"]
    paths = [RESULTS / "reconstructions" / DATASET / f"{name}.safetensors" for name in SHOWN]
    figure = draw_contact_sheet(DATASET, classes, paths, read_table(RESULTS / "tables" / "metrics.csv"))
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=RESOLUTION)
    Path(__file__).with_name("examples.png").write_bytes(small_picture(drawn.getvalue()))


if __name__ == "__main__":
    run(main)

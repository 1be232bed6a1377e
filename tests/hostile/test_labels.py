"""Damaged tables of labels and images: every one is read, or refused in words."""

import warnings

import numpy as np
import pandas as pd
import pytest

from semsim.errors import SemsimError
from semsim.labelling.campaign import read_results_folder
from semsim.labelling.importing import Elsewhere, import_campaign
from semsim.labelling.measuring import read_metrics
from semsim.labelling.results import describe_annotators, describe_datasets, read_answers
from semsim.labelling.status import status_text

BITS = [b"\0", b"\xff", b"\xfe\xff", b'"', b"'", b",", b";", b"\t", b"\r", b"\n", b"-1", b"na", b"NaN", b"1e999", b""]
BITS += [b"=1+1", b"\x1b[2J", b"../", b"9" * 400, b"x" * 20_000, b"x" * 200_000, b"\x85", b" ", b"\xcc\x81"]
BITS += ["\u202e".encode(), "\u2028".encode()]
"""What is written over a place of a file."""
TRIES = 30


@pytest.fixture(scope="module")
def campaign(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    images = pd.DataFrame({"image": [f"i{n}" for n in range(6)], "label": [0, 1, 2, 0, 1, ""]})
    labels = pd.DataFrame([(f"i{n}", who, (n + len(who)) % 3) for n in range(6) for who in ("ann", "ben j.")])
    images.to_csv(folder / "i.csv", index=False)
    labels.to_csv(folder / "l.csv", index=False, header=["image", "annotator", "label"])
    images[["image"]].assign(ssim=0.5).to_csv(folder / "m.csv", index=False)
    given = Elsewhere(folder / "i.csv", folder / "l.csv", metrics=folder / "m.csv", kind="human")
    return import_campaign(folder / "c", given)


def damaged(content, generator):
    """Return a file with one to three places overwritten, cut out or doubled."""
    for _ in range(generator.integers(1, 4)):
        start, length = generator.integers(len(content)), generator.integers(0, 12)
        bit = BITS[generator.integers(len(BITS))] if generator.random() < 0.8 else content[start:] * 2
        content = content[:start] + bit + content[start + length :]
    return content


@pytest.mark.parametrize("name", ["labels.csv", "images.csv", "metrics.csv", "campaign.yaml"])
def test_a_damaged_file_is_read_or_refused_in_words(campaign, name):
    path, generator = campaign.folder / name, np.random.default_rng(len(name))
    whole, refused = path.read_bytes(), 0
    for _ in range(TRIES):
        path.write_bytes(damaged(whole, generator))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                read = read_results_folder(campaign.folder)
                items, annotators = read_answers(read)
                about = describe_annotators(items, annotators, read.checks)
                assert status_text(read, describe_datasets(items, read), about)
                read_metrics(campaign.folder / "metrics.csv", read.images, {"x": True})
        except SemsimError as error:
            refused += 1
            assert "elete" not in str(error) and len(str(error)) < 2000
        finally:
            path.write_bytes(whole)
    assert refused > TRIES / 4

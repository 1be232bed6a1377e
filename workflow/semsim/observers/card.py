"""The cards of observers: what they are, how the bundled ones were trained, and how accurate they are."""

import pandas as pd

from semsim.observers.reading import MAJORITY
from semsim.observers.shipped import LOOK, PANEL, cautions_of
from semsim.observers.together import RECIPE
from semsim.observers.trunks import TRUNKS
from semsim.pretrained.weights import NETWORKS
from semsim.text import listed

CARD = """# The observers (simulated annotators) of embedded images

Observers are classifiers that stand in for people, five for each kind of embedded images. They say which class they
see in a reconstruction, or that they can't tell. Faithfulness of a metric to them says nothing about people.

## How they were made

`make observers-embedded` retrains them; the training losses are in the `losses.csv` of each folder.

- Training images: glyphs and letters are drawn anew for every step, so that none occurs twice. For digits, a fixed
  fifth of the 5,000, from which no study draws, is rotated, sheared, scaled, shifted and warped at random. Their
  seeds contain a word where those of studies contain a number, so that no study draws any of these images.
- Half of the images of a batch are degraded, from mildly to beyond recognition: colours, blocks, blur,
  edge-preserving smoothing, noise, specks. The noise of a look (see below) is added to all of them, with random
  strength. None is a reconstruction.
- Observers of letters and digits are initialised from those of glyphs, with new last layers.
- The five of a kind are trained side by side on the same batches of {batch} images: AdamW, one cycle up to a learning
  rate of {learning_rate:g}, products in bfloat16. Weights are stored in half precision.
- An answer is the mean over eight looks, each at a noisy copy of the image. The added noise has a standard deviation
  of *noise* if the image has none, and grows with the noise in the image, to *induced* times its standard deviation.
  For digits, which are grey, each look shows one colour channel. An observer names a class if its probability is at
  least the observer's *caution*.
- Noise and caution were chosen on 122 reconstructions of a study whose seed is not reported, so that the majority
  recognises what a careful reader does (a vision-language model). For letters, the caution is that of the panel
  instead: a lower value, chosen in this way, was abandoned after a spot-check in which observers named letters that
  readers could not.

| kind | steps | images | minutes, on a busy core |
| --- | --- | --- | --- |
{training}

| kind | noise | induced |
| --- | --- | --- |
{looking}

| observer | network | width | caution: {kinds} |
| --- | --- | --- | {lines} |
{panel}

## How they read

Of {clear:,} held-out clear images of each kind: right class / wrong class / can't tell, in per cent. The majority
names what more than half of the observers name. Digits are those from which studies draw.

{readings}

For the majority, on {fading} images under increasing degradation of four kinds (`reading.csv` has each observer):

{fadings}
"""


def panel_card(reading: pd.DataFrame, losses: dict[str, pd.DataFrame]) -> str:
    """Return the card, in Markdown.

    Parameters
    ----------
    reading : pandas.DataFrame
        Of all kinds, as `semsim.observers.reading.read_panel` returns it.
    losses : dict of str to pandas.DataFrame
        By kind, as `semsim.observers.together.train_together` returns them.
    """
    clear, fading = reading[reading["degradation"] == "none"], reading[reading["degradation"] != "none"]
    return CARD.format(
        batch=RECIPE.batch_size,
        learning_rate=RECIPE.learning_rate,
        training="\n".join(_training(kind, rows) for kind, rows in losses.items()),
        looking="\n".join(f"| {kind} | {look.noise:g} | {look.induced:g} |" for kind, look in LOOK.items()),
        kinds=" | ".join(LOOK),
        lines=" | ".join(["---"] * len(LOOK)),
        panel="\n".join(_described(name, each) for name, each in PANEL.items()),
        clear=clear["images"].max(),
        readings=_table(clear, "observer"),
        fading=fading["images"].max(),
        fadings=_table(fading[fading["observer"] == MAJORITY], "degradation", "severity"),
    )


STUDY_CARD = """# The observers (simulated annotators) of {dataset}

Classifiers that stand in for people. They say which class they see in a reconstruction, or that they can't tell. They
were trained on degraded images, never on reconstructions. Faithfulness of a metric to them says nothing about people.

| observer | network | caution |
| --- | --- | --- |
{panel}

An observer names a class if its probability is at least the observer's *caution*.
{seen}
## How they read

Right class / wrong class / can't tell, in per cent. The majority names what more than half of the observers name.
Perfect copies are the originals that are attacked.

{readings}
"""
SEEN = """
Trained on {data} before they were fine-tuned on public images of this data set: {networks}.{parts}
"""
PARTS_OF_IMAGENET = {"imagenette": "Imagenette", "stanford_dogs": "Stanford Dogs"}
"""Kinds of data sets whose images were taken from ImageNet, and their names."""


def study_card(reading: pd.DataFrame, shares: dict[str, pd.DataFrame], kind: str) -> str:
    """Return the card of a data set's observers in a study, in Markdown.

    Parameters
    ----------
    reading : pandas.DataFrame
        With the columns dataset, observer, architecture and caution.
    shares : dict of str to pandas.DataFrame
        How they answered, by what they were shown, as `semsim.observers.reading.shares_of` returns it.
    kind : str
        Of the data set.
    """
    observers = reading.drop_duplicates("observer")
    pretrained = [NETWORKS[name] for name in observers["architecture"] if name in TRUNKS]
    seen = ""
    if pretrained:
        part = PARTS_OF_IMAGENET.get(kind)
        seen = SEEN.format(
            networks=listed([network.label for network in pretrained]),
            data=listed(list(dict.fromkeys(network.data for network in pretrained))),
            parts=f" {part} is a subset of ImageNet, so they have seen many of its images." if part else "",
        )
    return STUDY_CARD.format(
        dataset=observers["dataset"].iloc[0],
        panel="\n".join(
            f"| {row.observer} | {row.architecture} | {row.caution:.2f} |" for row in observers.itertuples()
        ),
        seen=seen,
        readings=_shares_table(shares),
    )


def _shares_table(shares):
    """Return a table with a row for each observer, and a column for each kind of images."""
    heads = [f"{name} ({rows['images'].iloc[0]:,})" for name, rows in shares.items()]
    lines = [f"| observer | {' | '.join(heads)} |", "|" + " --- |" * (1 + len(heads))]
    names = next(iter(shares.values()))["observer"]
    cells = [_cells(rows) for rows in shares.values()]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in zip(names, *cells, strict=True))])


def _cells(rows):
    """Return what a cell says of each row: the shares of right and wrong answers, and of none, in per cent."""
    shares = rows[["right", "wrong", "cannot_tell"]].to_numpy()
    return [" / ".join(f"{100 * share:.1f}" for share in row) for row in shares]


def _described(name, settings):
    cautions = " | ".join(f"{cautions_of(kind)[name]:g}" for kind in LOOK)
    return f"| {name} | {settings.architecture} | {settings.width} | {cautions} |"


def _training(kind, losses):
    steps = int(losses["step"].max())
    return f"| {kind} | {steps:,} | {steps * RECIPE.batch_size:,} | {losses['seconds'].max() / 60:.0f} |"


def _table(reading, *keys):
    """Return a table of shares, with a row for each value of the keys and a column for each kind."""
    kinds = list(reading["kind"].unique())
    lines = [f"| {' | '.join([*keys, *kinds])} |", "|" + " --- |" * (len(keys) + len(kinds))]
    for values, rows in reading.groupby(list(keys), sort=False):
        cells = _cells(rows.set_index("kind").loc[kinds])
        lines.append(f"| {' | '.join([*map(str, values), *cells])} |")
    return "\n".join(lines)

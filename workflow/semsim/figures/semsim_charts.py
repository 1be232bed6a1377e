"""Charts of SemSim: its training, its distances, the effect of its settings, and how it generalises."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator

from semsim.figures.layout import draw_ceiling, draw_estimates, legend_above, name_lines, offsets, row_height
from semsim.figures.style import COLOURS, FAINT, INK, MARKERS, panels, styled
from semsim.io.tables import KEYS
from semsim.labels.recognition import MAJORITY
from semsim.learned.folds import WITHIN
from semsim.learned.scales import BEST, LEARNED
from semsim.metrics.scales import without_twins
from semsim.statistics.association import PRIMARY
from semsim.statistics.ceiling import mean_ceiling
from semsim.statistics.generalisation import EVERYTHING, areas, overall
from semsim.text import FOLDS, LEVELS, STATISTICS, decimal, kind_of, sentence_case, variant_label

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from semsim.metrics.scales import Scales

NO_VALUE = {"va": "center", "size": 7, "color": INK, "style": "italic"}
"""The look of what stands in place of a value."""
CURVES = {
    "train_loss": "Loss",
    "train_ordered": "Ordered triplets (share)",
    "validation_auc": "Validation:\narea under the ROC curve",
}


@styled
def training_chart(curves: pd.DataFrame) -> Figure:
    """Draw the training of SemSim on all labels.

    Parameters
    ----------
    curves : pandas.DataFrame
        The table ``semsim_curves.csv``.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = panels(len(CURVES), height=2.2)
    for number, (panel, (column, label)) in enumerate(zip(axes, CURVES.items(), strict=True)):
        panel.plot(curves["epoch"], curves[column], color=COLOURS[number], marker=MARKERS[number], markersize=3)
        panel.set(xlabel="Epoch", ylabel=label)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    if curves["validation_auc"].notna().any():
        best = curves["validation_auc"].max()
        kept = curves.loc[curves["validation_auc"] == best, "epoch"].max()
        axes[-1].axvline(kept, color=FAINT, linewidth=0.8, label="weights kept")
        axes[-1].legend()
    return figure


@styled
def distances_chart(trials: pd.DataFrame, recognition: pd.DataFrame) -> Figure:
    """Draw SemSim's distances for recognised and for unrecognised reconstructions of held-out originals.

    Parameters
    ----------
    trials : pandas.DataFrame
        The table ``semsim.csv``.
    recognition : pandas.DataFrame
        The table of recognition rates by annotators of one kind.

    Returns
    -------
    matplotlib.figure.Figure
    """
    table = trials[trials["folds"] == WITHIN].merge(recognition[[*KEYS, "recognition_rate"]], on=KEYS)
    recognised = table["recognition_rate"] > MAJORITY
    datasets = list(table["dataset"].unique())
    figure, axes = panels(len(datasets), height=2.1, sharex=True)
    bins = np.linspace(0, np.nanmax([*table["semsim"], 1e-6]), 26)
    majority = f"by the majority of {kind_of(recognition)}"
    for panel, dataset in zip(axes, datasets, strict=True):
        for colour, chosen, label in ((0, recognised, "recognised"), (1, ~recognised, "not recognised")):
            values = table.loc[chosen & (table["dataset"] == dataset), "semsim"]
            panel.hist(values, bins, color=COLOURS[colour], alpha=0.6, label=f"{label} {majority}")
        panel.set_title(dataset)
    axes[0].set_ylabel("Reconstructions")
    figure.supxlabel("SemSim's distance between an original and its reconstruction", size=8)
    legend_above(figure, axes[0])
    return figure


@styled
def ablations_chart(ablations: pd.DataFrame, level: str = PRIMARY[0]) -> Figure:
    """Draw how much less or more faithful SemSim is with its settings changed, averaged over data sets.

    Intervals are those of the paired difference from SemSim with the study's settings: one that is off zero says
    that the change matters.

    Parameters
    ----------
    ablations : pandas.DataFrame
        The table ``ablations.csv``.
    level : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    at_level = areas(overall(ablations), level)
    first, rows = at_level.iloc[0], at_level.iloc[1:]
    figure, (panel,) = panels(1, height=0.9 + row_height(len(rows)) * len(rows))
    name_lines(panel, [variant_label(name) for name in rows["variant"]])
    estimates = (rows[f"change{end}"] for end in ("", "_low", "_high"))
    draw_estimates(panel, *estimates, range(len(rows)), color=COLOURS[0], marker="o", markersize=4.5)
    panel.axvline(0, color=FAINT, linewidth=0.8)
    for place in np.flatnonzero(rows["change"].isna()):
        panel.text(0.01, place, "undefined", transform=panel.get_yaxis_transform(), **NO_VALUE)
    panel.set_xlabel(
        f"Change of the {STATISTICS['auc']} {LEVELS[level]},\n{decimal(first['faithfulness'])} with the study's"
        " settings; held-out originals, mean over data sets"
    )
    return figure


@styled
def generalisation_chart(
    generalisation: pd.DataFrame,
    scales: Scales,
    statistic: str = PRIMARY[1],
    level: str = PRIMARY[0],
    ceiling: pd.DataFrame | None = None,
) -> Figure:
    """Draw how faithful every metric is, one panel for each kind of held-out data.

    Parameters
    ----------
    generalisation : pandas.DataFrame
        The table ``generalisation.csv``.
    scales : semsim.metrics.scales.Scales
        Scales of the hand-crafted metrics.
    statistic, level : str
    ceiling : pandas.DataFrame, optional
        The table of the ceiling, of the same annotators; it is of single data sets, and drawn where there is only one.

    Returns
    -------
    matplotlib.figure.Figure
    """
    rows = overall(generalisation)
    rows = rows[(rows["exclusion"] == EVERYTHING) & (rows["statistic"] == statistic) & (rows["level"] == level)]
    limits = {} if ceiling is None else mean_ceiling(ceiling, rows["dataset"].iloc[0], statistic).T
    known = rows.dropna(subset="faithfulness")["metric"]
    names = [*LEARNED, *without_twins(name for name in scales if name in set(known if len(known) else rows["metric"]))]
    labels = [(scales | LEARNED)[name].label for name in names]
    kinds = [kind for kind in FOLDS if kind in set(rows["folds"])]
    figure, axes = panels(len(kinds), height=0.8 + row_height(len(names)) * len(names), sharex=True, sharey=True)
    for panel, kind in zip(axes, kinds, strict=True):
        name_lines(panel, labels)
        panel.set_title(f"Held out: {FOLDS[kind].removeprefix('originals and ')}")
        values = rows[rows["folds"] == kind].set_index("metric").reindex(names)
        for place, name in enumerate(names):
            look = {"color": COLOURS[0 if name == "semsim" else 1 if name in LEARNED else 2], "markersize": 4.5}
            estimates = ([values.loc[name, f"faithfulness{end}"]] for end in ("", "_low", "_high"))
            draw_estimates(panel, *estimates, [place], marker=MARKERS[0 if name in LEARNED else 1], **look)
        panel.axvline(values.loc["semsim", "faithfulness"], color=FAINT, linewidth=0.8)
        if level in limits:
            draw_ceiling(panel, limits[level])
    mean = ", mean over data sets" if rows["dataset"].iloc[0] == EVERYTHING else ""
    figure.supxlabel(f"{sentence_case(STATISTICS[statistic])} {LEVELS[level]}{mean}", size=8)
    if axes[0].get_legend_handles_labels()[0]:
        legend_above(figure, axes[0])
    return figure


@styled
def exclusions_chart(generalisation: pd.DataFrame) -> Figure:
    """Draw how faithful SemSim is on each part of the data that was held out, beside the best hand-crafted metric.

    That is at the level of the primary test, within one original. Where there is no value, the chart says why.

    Parameters
    ----------
    generalisation : pandas.DataFrame
        The table ``generalisation.csv``.

    Returns
    -------
    matplotlib.figure.Figure
    """
    rows = views(generalisation)
    names = list(dict.fromkeys(rows["view"]))
    figure, (panel,) = panels(1, height=1 + row_height(len(names)) * len(names))
    name_lines(panel, names)
    for number, metric in enumerate(("semsim", BEST)):
        chosen = rows[rows["metric"] == metric]
        label = LEARNED[metric].label
        places = np.array([names.index(view) for view in chosen["view"]]) + offsets(2, 0.3)[number]
        look = {"color": COLOURS[2 * number], "marker": MARKERS[number], "markersize": 4.5, "label": label}
        draw_estimates(panel, *(chosen[f"faithfulness{end}"] for end in ("", "_low", "_high")), places, **look)
    undefined = rows[(rows["metric"] == "semsim") & rows["faithfulness"].isna()]
    for view, reason in zip(undefined["view"], undefined["reason"], strict=True):
        panel.text(0.99, names.index(view), reason, transform=panel.get_yaxis_transform(), **NO_VALUE, ha="right")
    panel.axvline(0.5, color=FAINT, linewidth=0.8)
    panel.set_xlabel(f"{sentence_case(STATISTICS['auc'])} {LEVELS[PRIMARY[0]]}")
    legend_above(figure, panel)
    return figure


def views(generalisation: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of single exclusions and of held-out data sets within one original.

    With a name for each, view, and why it has no value, reason: that of single data sets, since their mean has none.
    """
    rows = areas(generalisation)
    of_dataset = (rows["folds"] == "dataset") & (rows["dataset"] != EVERYTHING)
    single = (rows["exclusion"] != EVERYTHING) & rows.index.isin(overall(rows).index)
    names = rows["exclusion"].where(~of_dataset, "dataset-" + rows["dataset"])
    names = names.str.replace("dataset-", "data set ", n=1).replace("defence-none", "no defence")
    names = names.str.removeprefix("targets-")
    keys = [rows[name] for name in ("folds", "exclusion", "metric")]
    own = rows["note"].where(rows["dataset"] != EVERYTHING)
    reasons = own.fillna(own.groupby(keys).transform("first") + " per data set")
    chosen = rows.assign(view=names.str.replace("-", " ", n=1), reason=reasons)[of_dataset | single]
    return chosen.sort_values("folds", key=lambda folds: folds.map(list(FOLDS).index), kind="stable")

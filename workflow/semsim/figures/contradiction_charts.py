"""Charts of contradictions between metrics, or a metric and annotators, and of false and missed leakage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from semsim.figures.layout import draw_estimates, legend_above, look_of, name_lines, offsets, row_height
from semsim.figures.style import COLOURS, FAINT, INK, MARKERS, RANKS, panels, styled
from semsim.figures.triangle import draw_triangle, matrix_of_pairs, triangles
from semsim.learned.scales import LEARNED
from semsim.metrics.scales import without_twins
from semsim.statistics.contradictions import ANNOTATORS, OTHERS, PERSON
from semsim.text import REFERENCE_LABELS, decimal, kind_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from semsim.metrics.scales import Scales


@styled
def contradictions_chart(contradictions: pd.DataFrame, scales: Scales, reference: str) -> Figure:
    """Draw the share of pairs of reconstructions on which two metrics contradict each other, one panel per data set.

    Parameters
    ----------
    contradictions : pandas.DataFrame
        The table of contradictions, of annotators of one kind.
    scales : semsim.metrics.scales.Scales
    reference : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    rows = contradictions[(contradictions["reference"] == reference) & (contradictions["other"] != ANNOTATORS)]
    names = without_twins(scales.among([*rows["metric"], *rows["other"]]))
    labels, datasets = [scales[name].label for name in names], list(rows["dataset"].unique())
    figure, axes = triangles(len(datasets), labels)
    for panel, dataset in zip(axes, datasets, strict=True):
        shares = matrix_of_pairs(rows[rows["dataset"] == dataset], names, "value", ("other", "metric"))
        mesh = draw_triangle(panel, 100 * shares, labels, "{:.0f}".format, RANKS, (0, 50))
        panel.set_title(dataset)
    scale = figure.colorbar(mesh, ax=axes, shrink=0.8, aspect=30, pad=0.02, extend="max")
    scale.set_label("Pairs in opposite order (%)")
    scale.outline.set_visible(False)
    return figure


@styled
def against_annotators_chart(contradictions: pd.DataFrame, scales: Scales) -> Figure:
    """Draw the share of pairs, of those that annotators clearly separate, that each metric orders the opposite way.

    Parameters
    ----------
    contradictions : pandas.DataFrame
        The table of contradictions, of annotators of one kind.
    scales : semsim.metrics.scales.Scales

    Returns
    -------
    matplotlib.figure.Figure
    """
    rows = contradictions[contradictions["other"] == ANNOTATORS]
    names, datasets = without_twins(scales.among(rows["metric"])), list(rows["dataset"].unique())
    rows = rows[rows["metric"].isin(names)]
    references = [name for name in REFERENCE_LABELS if name in set(rows["reference"])]
    height = row_height(len(names)) * (1 + 0.35 * (len(references) - 1))
    figure, axes = panels(len(datasets), height=1.2 + height * len(names), sharey=True, sharex=True)
    for panel, dataset in zip(axes, datasets, strict=True):
        name_lines(panel, [scales[name].label for name in names])
        panel.set_title(dataset)
        panel.axvline(50, color=FAINT, linewidth=0.8)
        for number, (reference, shift) in enumerate(zip(references, offsets(len(references), 0.4), strict=True)):
            chosen = rows[(rows["dataset"] == dataset) & (rows["reference"] == reference)]
            places = [names.index(name) + shift for name in chosen["metric"]]
            estimates = (100 * chosen[column] for column in ("value", "low", "high"))
            draw_estimates(panel, *estimates, places, label=REFERENCE_LABELS[reference], **look_of(number))
        panel.set_xlim(left=0)
    figure.supxlabel(f"Pairs ordered against {kind_of(rows)} (%; coin toss: 50)", size=8)
    legend_above(figure, axes[0])
    return figure


@styled
def leakage_errors_chart(errors: pd.DataFrame, scales: Scales, reference: str) -> Figure:
    """Draw how often each metric calls leaked what annotators cannot tell, and misses what they can.

    Parameters
    ----------
    errors : pandas.DataFrame
        The table ``leakage_errors.csv``, of annotators of one kind.
    scales : semsim.metrics.scales.Scales
    reference : str

    Returns
    -------
    matplotlib.figure.Figure
        One panel per data set.
    """
    rows, scales = errors[errors["reference"] == reference], LEARNED | scales
    names, datasets = without_twins(scales.among(rows["metric"])), list(rows["dataset"].unique())
    height = 1.25 * row_height(len(names))
    figure, axes = panels(len(datasets), height=1.2 + height * len(names), sharex=True, sharey=True)
    labels = {"false": "false leakage (of unrecognised)", "missed": "missed leakage (of recognised)"}
    for panel, dataset in zip(axes, datasets, strict=True):
        name_lines(panel, [scales[name].label for name in names])
        panel.set_title(dataset)
        chosen = rows[(rows["dataset"] == dataset) & rows["metric"].isin(names)]
        for number, (error, shift) in enumerate(zip(labels, offsets(2, 0.4), strict=True)):
            places = [names.index(name) + shift for name in chosen["metric"]]
            estimates = (100 * chosen[f"{error}{end}"] for end in ("", "_low", "_high"))
            draw_estimates(panel, *estimates, places, label=labels[error], **look_of(number))
        panel.set_xlim(-2, 102)
    figure.supxlabel(f"Errors about what most {kind_of(rows)} recognise (%)", size=8)
    legend_above(figure, axes[0])
    return figure


@styled
def curve_chart(curve: pd.DataFrame, scales: Scales, reference: str) -> Figure:
    """Draw how often metrics and one annotator order pairs against the others, by how far these separate them.

    Parameters
    ----------
    curve : pandas.DataFrame
        The table ``contradiction_curve.csv``, of annotators of one kind.
    scales : semsim.metrics.scales.Scales
    reference : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    rows = curve[(curve["reference"] == reference) & (curve["truth"] == OTHERS)]
    names = without_twins(scales.among(rows.loc[rows["metric"] != PERSON, "metric"]))
    datasets = list(rows["dataset"].unique())
    gaps = sorted(rows["gap"].unique())
    figure, axes = panels(len(datasets), height=2.8, sharey=True)
    looks = {
        name: {"color": COLOURS[n % len(COLOURS)], "marker": MARKERS[n % len(MARKERS)]} for n, name in enumerate(names)
    }
    looks[PERSON] = {"color": INK, "marker": "*"}
    labels = {name: scales[name].label for name in names} | {PERSON: "one annotator"}
    for panel, dataset in zip(axes, datasets, strict=True):
        panel.set_title(dataset)
        for (name, look), shift in zip(looks.items(), offsets(len(looks), 0.75), strict=True):
            chosen = rows[(rows["dataset"] == dataset) & (rows["metric"] == name)]
            places, shares = chosen["gap"].map(gaps.index) + shift, 100 * chosen[["value", "low", "high"]]
            panel.vlines(places, shares["low"], shares["high"], color=look["color"], linewidth=0.9)
            panel.plot(places, shares["value"], label=labels[name], linestyle="none", markersize=3.5, **look)
        for place in range(1, len(gaps)):
            panel.axvline(place - 0.5, color=FAINT, linewidth=0.4)
        panel.grid(False, axis="x")
        panel.set(ylim=(0, None), xlim=(-0.5, len(gaps) - 0.5), xticks=range(len(gaps)))
        panel.set_xticklabels([decimal(gap) for gap in gaps])
    figure.supxlabel(f"Smallest gap between the recognition rates of two reconstructions ({kind_of(rows)})", size=8)
    figure.supylabel("Pairs in opposite order (%)", size=8)
    legend_above(figure, axes[0])
    return figure

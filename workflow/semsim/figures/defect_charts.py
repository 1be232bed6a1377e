"""Charts of the effects of defects in the paper's released code: as released and as intended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator

from semsim.defects.defences import RATE, UNDEFENDED
from semsim.defects.set_sizes import ALIKE, NAMES, RECONSTRUCTED
from semsim.defects.versions import VERSIONS
from semsim.figures.layout import draw_estimates, legend_above, look_of, name_lines, offsets, row_height
from semsim.figures.style import COLOURS, FAINT, MARKERS, panels, styled
from semsim.statistics.association import chance_level
from semsim.statistics.generalisation import overall
from semsim.text import STATISTICS, kind_of, sentence_case

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from semsim.metrics.scales import Scales


@styled
def versions_chart(table: pd.DataFrame, scales: Scales, views: dict[str, dict], legend: tuple[str, ...]) -> Figure:
    """Draw how faithful metrics are as released and as intended, averaged over data sets, one panel per view.

    Parameters
    ----------
    table : pandas.DataFrame
        ``misaligned_reference.csv`` or ``unscaled_lpips.csv``, of annotators of one kind.
    scales : semsim.metrics.scales.Scales
    views : dict of str to dict
        For each panel, by its title, the column values that select its rows, including ``statistic``.
    legend : tuple of str
        Names of the released and of the intended version.

    Returns
    -------
    matplotlib.figure.Figure
    """
    rows = overall(table)
    metrics = scales.among(rows["metric"])
    height = 1.3 * row_height(len(metrics))
    one_scale = len({choice["statistic"] for choice in views.values()}) == 1
    figure, axes = panels(len(views), height=1.1 + height * len(metrics), sharey=True, sharex=one_scale)
    for panel, (title, choice) in zip(axes, views.items(), strict=True):
        chosen = rows[np.logical_and.reduce([rows[name] == value for name, value in choice.items()])]
        name_lines(panel, [scales[metric].label for metric in metrics])
        panel.set_title(title)
        for number, (version, shift) in enumerate(zip(VERSIONS, offsets(2, 0.4), strict=True)):
            places = np.array([metrics.index(metric) for metric in chosen["metric"]]) + shift
            estimates = (chosen[f"{version}{end}"] for end in ("", "_low", "_high"))
            draw_estimates(panel, *estimates, places, label=legend[number], **look_of(1 - number))
        panel.axvline(chance_level(choice["statistic"]), color=FAINT, linewidth=0.8)
        panel.set_xlabel(sentence_case(STATISTICS[choice["statistic"]]))
    figure.supxlabel(f"Faithfulness to {kind_of(rows)}, mean over data sets; 1 is best", size=8)
    legend_above(figure, axes[0])
    return figure


@styled
def defences_chart(scope: pd.DataFrame, scales: Scales) -> Figure:
    """Draw what each target model leaks by recognition and by metrics, averaged over data sets.

    Parameters
    ----------
    scope : pandas.DataFrame
        The table ``defence_scope.csv``, of annotators of one kind.
    scales : semsim.metrics.scales.Scales

    Returns
    -------
    matplotlib.figure.Figure
    """
    rows = overall(scope)
    targets = list(rows["target"].unique())
    labels = {RATE: "Recognised (share) ↑"} | {name: scale.axis_label for name, scale in scales.items()}
    measures = [name for name in labels if name in set(rows["measure"])]
    figure, axes = panels(len(measures), height=0.65 + row_height(len(targets)) * len(targets), sharey=True)
    for panel, measure in zip(axes, measures, strict=True):
        values = rows[rows["measure"] == measure].set_index("target").loc[targets]
        name_lines(panel, targets)
        look = {"color": COLOURS[0 if measure == RATE else 2], "marker": MARKERS[measure != RATE], "markersize": 4.5}
        draw_estimates(panel, values["value"], values["low"], values["high"], range(len(targets)), **look)
        compared = values.loc[values["gradient_defence"] == UNDEFENDED, "value"].iloc[0]
        panel.axvline(compared, color=FAINT, linewidth=0.8)
        panel.xaxis.set_major_locator(MaxNLocator(nbins=4))
        panel.set_xlabel(labels[measure])
    figure.supxlabel(f"Means over data sets; labels by {kind_of(rows)}; grey: the first undefended model", size=8)
    return figure


@styled
def set_sizes_chart(sizes: pd.DataFrame) -> Figure:
    """Draw distances between sets against the number of images in each.

    Parameters
    ----------
    sizes : pandas.DataFrame
        The table ``set_sizes.csv``.

    Returns
    -------
    matplotlib.figure.Figure
    """
    names = NAMES[sizes["features"].iloc[0]]
    series = {
        ALIKE: "disjoint sets of clear images (true distance 0)",
        RECONSTRUCTED: "clear images and reconstructions",
    }
    figure, axes = panels(len(names), height=2.6)
    for panel, (distance, name) in zip(axes, names.items(), strict=True):
        for number, (compared, label) in enumerate(series.items()):
            rows = sizes[(sizes["distance"] == distance) & (sizes["compared"] == compared)]
            look = {
                "color": COLOURS[number],
                "marker": MARKERS[number],
                "markersize": 4.5,
                "capsize": 2,
                "linewidth": 1,
            }
            panel.errorbar(rows["images"], rows["mean"], rows["sd"], label=label, **look)
        panel.axhline(0, color=FAINT, linewidth=0.8)
        panel.set_xscale("log")
        ticks = sizes["images"].unique()
        panel.set_xticks(ticks, [f"{size:,}" for size in ticks])
        panel.minorticks_off()
        panel.set(title=sentence_case(name), xlabel="Images in each set")
    axes[0].set_ylabel("Mean ± sd of draws")
    legend_above(figure, axes[0])
    return figure

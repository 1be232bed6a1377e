"""Charts of what protection costs: accuracy against recognition, and both against epsilon."""

from __future__ import annotations

from typing import TYPE_CHECKING

from semsim.figures.layout import draw_model, legend_above, look_of
from semsim.figures.style import COLOURS, FAINT, panels, styled
from semsim.statistics.protection import HIDDEN, noise_levels
from semsim.text import kind_of, significant

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

ACCURACY = ["accuracy", "accuracy_low", "accuracy_high"]
RECOGNITION = ["recognition_rate", "low", "high"]


@styled
def protection_chart(protection: pd.DataFrame) -> Figure:
    """Draw the recognition rate of each target model against its accuracy, with intervals on both axes.

    Parameters
    ----------
    protection : pandas.DataFrame
        The table of protection, of annotators of one kind.

    Returns
    -------
    matplotlib.figure.Figure
    """
    datasets, targets = protection["dataset"].unique(), list(protection["target"].unique())
    columns = min(3, len(datasets))
    figure, axes = panels(len(datasets), height=2.4 + 0.2 * -(-len(targets) // 3) / -(-len(datasets) // 3), sharey=True)
    for number, (panel, dataset) in enumerate(zip(axes, datasets, strict=True)):
        rows = protection[protection["dataset"] == dataset].set_index("target")
        for target in rows.index:
            across, up = (100 * rows.loc[target, names].astype(float) for names in (ACCURACY, RECOGNITION))
            draw_model(panel, targets.index(target), target, across, up)
        panel.set(title=dataset, xlabel="Accuracy on held-out images (%)", ylim=(-3, 103))
        if number % columns == 0:
            panel.set_ylabel(f"Recognised by\n{kind_of(protection)} (%)")
    legend_above(figure, axes[0])
    return figure


@styled
def epsilon_chart(protection: pd.DataFrame) -> Figure:
    """Draw accuracy and recognition rate of differentially private target models against epsilon, with intervals.

    Parameters
    ----------
    protection : pandas.DataFrame
        The table of protection, of annotators of one kind, with at least one such target model.

    Returns
    -------
    matplotlib.figure.Figure
    """
    networks = list(noise_levels(protection))
    figure, axes = panels(len(networks), height=2.6, columns=2, sharey=True)
    for number, (panel, (keys, levels, undefended)) in enumerate(zip(axes, networks, strict=True)):
        series = {"accuracy on held-out images": ACCURACY, f"recognised by {kind_of(levels)}": RECOGNITION}
        for place, (label, (value, low, high)) in enumerate(series.items()):
            look = look_of(place) | {"linewidth": 1}
            errors = 100 * levels[value] - 100 * levels[low], 100 * levels[high] - 100 * levels[value]
            panel.errorbar(levels["epsilon_shared"], 100 * levels[value], errors, label=label, elinewidth=0.9, **look)
            for one in undefended[value].head(1):
                panel.axhline(100 * one, color=COLOURS[place], linewidth=0.8, linestyle="--")
        panel.axhline(100 * HIDDEN, color=FAINT, linewidth=0.8)
        panel.set(title=" · ".join(key for key in keys if key != "none"), xscale="log", ylim=(-3, 103))
        of_training = levels["epsilon"].map(significant, na_action="ignore").fillna("–")
        ticks = levels["epsilon_shared"].map(significant) + "\n" + of_training
        panel.set_xticks(levels["epsilon_shared"], ticks)
        panel.minorticks_off()
        panel.set_xlabel("ε of one shared gradient; below it, ε of the training")
        if number % 2 == 0:
            panel.set_ylabel("%")
    legend_above(figure, axes[0])
    return figure

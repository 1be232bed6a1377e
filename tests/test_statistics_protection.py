"""What protection costs: the table, its limits of epsilon, its sentences and its charts."""

import numpy as np
import pandas as pd
import pytest

from semsim.figures import protection_charts
from semsim.findings import protection_findings
from semsim.statistics.protection import limits_of_epsilon, measure_protection, noise_levels
from semsim.statistics.resampling import share_interval
from semsim.text import NO_BREAK

ORIGINALS = 80
DATASETS = pd.DataFrame({"dataset": ["glyphs"], "originals": [ORIGINALS], "public": [920]})


def study(rates):
    """Return answers and the table of target models: by name, epsilon (None: undefended), and recognition by attack."""
    answers, models = [], []
    for target, (epsilon, by_attack) in rates.items():
        models.append(
            {
                **{"dataset": "glyphs", "target": target, "architecture": "lenet", "augmentation": "none"},
                "gradient_defence": "none" if epsilon is None else f"dp 1 {target} (both)",
                **{"validation_accuracy": 0.75, "delta": 1e-5 if epsilon else np.nan},
                **{"epsilon": 10 * epsilon if epsilon else np.nan, "epsilon_shared": epsilon or np.nan},
            }
        )
        for attack, rate in by_attack.items():
            for original in range(ORIGINALS):
                for annotator in range(5):
                    seen = original < round(rate * ORIGINALS)
                    about = {"dataset": "glyphs", "target": target, "attack": attack, "original": original}
                    answers.append(about | {"annotator": annotator, "kind": "simulated", "recognised": seen})
    return pd.DataFrame(answers), pd.DataFrame(models)


def measured(rates):
    answers, models = study(rates)
    return measure_protection(answers, models, DATASETS)


def levels_of(*rates):
    """Return the levels of noise with these recognition rates, from the smallest epsilon to the largest."""
    table = measured({f"dp{place}": (10.0**place, {"a": rate}) for place, rate in enumerate(rates)})
    [(_, levels, _)] = noise_levels(table)
    return levels


def test_the_table_has_the_worst_attack_with_intervals():
    table = measured({"plain": (None, {"weak": 0.1, "strong": 0.5, "equal": 0.5})})
    [row] = table.to_dict("records")
    assert row["attack"] == "strong" and row["recognition_rate"] == 0.5 and row["count"] == ORIGINALS
    # Answers about an original are all alike here, so they count once.
    assert (row["low"], row["high"]) == pytest.approx((0.393, 0.607), abs=0.002)
    assert row["accuracy"] == 0.75 and (row["accuracy_low"], row["accuracy_high"]) == pytest.approx(
        share_interval(np.repeat([1.0, 0.0], [750, 250]), np.arange(1000))
    )


def test_few_originals_have_a_note():
    answers, models = study({"plain": (None, {"a": 0.5})})
    table = measure_protection(answers[answers["original"] < 5], models, DATASETS)
    assert table["note"].tolist() == ["only 5 originals: the interval is rough"]


@pytest.mark.parametrize(
    ("rates", "hidden", "seen"),
    [
        ((0, 0, 0), 100, None),
        ((0.5, 0.9, 1), None, 1),
        ((0, 0.05, 0.5), 1, 100),
        ((0.05, 0.05, 0.05), None, None),
        ((0, 0.5, 0), 1, 10),  # beyond a level at which something is seen, nothing counts as hidden
    ],
)
def test_limits_of_epsilon(rates, hidden, seen):
    found = [None if row is None else row["epsilon_shared"] for row in limits_of_epsilon(levels_of(*rates))]
    assert found == [hidden, seen]


def test_levels_are_sorted_by_epsilon_and_undefended_models_stand_beside():
    table = measured({"much": (5.0, {"a": 0.9}), "plain": (None, {"a": 1.0}), "little": (0.5, {"a": 0.0})})
    [(keys, levels, undefended)] = noise_levels(table)
    assert keys == ("glyphs", "lenet", "none")
    assert levels["target"].tolist() == ["little", "much"] and undefended["target"].tolist() == ["plain"]


def sentences(rates):
    return [each.replace(NO_BREAK, " ") for each in protection_findings(measured(rates))]


def test_sentences():
    plain = {"plain": (None, {"a": 1.0})}
    first, second = sentences(plain | {"dp0": (2.0, {"a": 0.0}), "dp1": (1234.0, {"a": 0.5})})
    assert first == (
        "On glyphs, from one gradient of lenet, simulated annotators recognise less than 5.0 % up to ε = 2 (of"
        " the training: 20); the upper limit there is 4.6 %. They recognise more from ε = 1,230 (of the training:"
        " 12,300); the lower limit there is 39.3 %."
    )
    assert second == (
        "With that noise, the accuracy of lenet on glyphs is 75.0 % (95 % interval 72.2 % to 77.6 %); without defence,"
        " it is 75.0 % (95 % interval 72.2 % to 77.6 %)."
    )
    [everything] = sentences(plain | {"dp0": (2.0, {"a": 1.0})})
    assert "no noise level tried reliably keeps recognition by simulated annotators below 5.0 %, down to ε = 2" in (
        everything
    )
    assert "They recognise more from ε = 2 (of the training: 20)" in everything
    nothing, _ = sentences(plain | {"dp0": (2.0, {"a": 0.0}), "dp1": (9.0, {"a": 0.0})})
    assert "less than 5.0 % up to ε = 9" in nothing
    assert "More than 5.0 % is not established at any epsilon, up to ε = 9 (of the training: 90)." in nothing
    assert sentences(plain) == []


def test_charts_draw_each_target_model_with_its_intervals():
    table = measured({"plain": (None, {"a": 1.0}), "dp0": (2.0, {"a": 0.0}), "dp1": (1234.0, {"a": 0.5})})
    figure = protection_charts.protection_chart(table)
    [panel] = figure.axes
    points = {line.get_label(): line.get_xydata()[0] for line in panel.lines}
    assert {name: point.tolist() for name, point in points.items()} == {
        "plain": [75, 100],
        "dp0": [75, 0],
        "dp1": [75, 50],
    }
    panel = protection_charts.epsilon_chart(table).axes[0]
    accuracy, recognition = (container.lines[0].get_xydata() for container in panel.containers)
    assert accuracy.tolist() == [[2, 75], [1234, 75]] and recognition.tolist() == [[2, 0], [1234, 50]]
    assert panel.get_xscale() == "log"

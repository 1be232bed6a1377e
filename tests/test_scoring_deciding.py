"""Which differences are too small to say what people would see: the shipped limits, and what is said of them."""

import numpy as np
import pandas as pd
import pytest

from semsim.labels.human_study import SCALES
from semsim.metrics.scales import scales_of
from semsim.scoring import deciding
from semsim.scoring.deciding import limits, limits_of, too_small
from semsim.statistics.ranking import OWN, RATES, SIZES


@pytest.fixture
def known(monkeypatch):
    table = pd.DataFrame({"metric": "psnr", "originals": [3, 12, 50], "difference": [np.nan, 1.5, 0.5]})
    monkeypatch.setattr(deciding, "limits", lambda: table)


@pytest.mark.parametrize(
    ("originals", "differences", "said"),
    [
        (2, [0.1], ""),
        (3, [9], "no difference in PSNR over 3 originals was enough"),
        (49, [1.4, 2], "no difference in PSNR below 1.500 over 12 originals was enough"),
        (49, [1.5, -2, np.nan], ""),
        (50, [-0.4], "below 0.5000 over 50 originals"),
        (10**6, [0.6], ""),
    ],
)
def test_what_is_said_is_about_as_many_originals_or_fewer(known, originals, differences, said):
    found = too_small("psnr", "PSNR", originals, differences)
    assert said in found and bool(said) == bool(found)


def test_nothing_is_said_of_a_metric_that_people_did_not_judge(known):
    assert too_small("semsim", "SemSim", 3, [0]) == ""


def test_the_shipped_limits_are_of_metrics_that_can_be_compared():
    table = limits()
    assert set(table["metric"]) == {"mse", "psnr"}
    assert (table.groupby("metric")["originals"].apply(tuple) == SIZES).all()
    assert (table["difference"].dropna() > 0).all()


def test_limits_are_made_of_exactly_these_models_and_a_metric_s_own_differences():
    about = {"originals": 12, "gap": 9.0, "these_gap": [1.0, 2.0, 3.0, 4.0]}
    table = pd.DataFrame(about | {"metric": ["psnr", "psnr", "ssim", "person"], "by": [OWN, RATES, OWN, OWN]})
    assert limits_of(table, scales_of(SCALES)).to_numpy().tolist() == [["psnr", 12, 1.0]]

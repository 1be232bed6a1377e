"""Who is shown what: balanced, spread over originals, with checks and repeats at their shares and distances."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from label_campaign import small_material

from semsim.labelling.assignment import ASKED, CHECK, REPEAT, arrange, choose_images

IMAGES = small_material().images.drop(columns="picture").assign(image=[f"{number:04}.png" for number in range(48)])
CHECKS = small_material().checks.drop(columns="picture").assign(image=[f"{number:04}.png" for number in range(48, 56)])


def generator(seed=1):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("each", [1, 7, 20, 48])
def test_numbers_of_labels_never_differ_by_more_than_one_and_end_at_what_is_wanted(each):
    labels, annotators = Counter({image: 0 for image in IMAGES["image"]}), 0
    while True:
        chosen = choose_images(IMAGES, labels, 3, each, generator(annotators))["image"]
        if chosen.empty:
            break
        assert chosen.is_unique and len(chosen) <= each
        labels.update(chosen)
        annotators += 1
        assert max(labels.values()) - min(labels.values()) <= 1
    assert set(labels.values()) == {3}
    assert annotators == -(-48 * 3 // each)


def test_one_annotator_sees_different_originals_as_long_as_there_are_any():
    chosen = choose_images(IMAGES, {}, 5, 12, generator())
    assert not chosen.duplicated(["dataset", "original"]).any()


def test_choice_and_order_depend_on_the_seed_alone():
    def order(seed):
        draws = generator(seed)
        return arrange(choose_images(IMAGES, {}, 5, 20, draws), CHECKS, 0.1, 0.1, draws)

    assert order(1) == order(1)
    assert order(1) != order(2)


def big(count):
    return pd.DataFrame({"image": [f"{number}.png" for number in range(count)], "dataset": "shapes", "original": 0})


@pytest.mark.parametrize(("count", "checks", "repeats"), [(40, 2, 4), (3, 1, 0), (4, 1, 1), (1, 1, 0)])
def test_checks_and_repeats_have_their_shares(count, checks, repeats):
    order = arrange(big(count), CHECKS, 0.05, 0.1, generator())
    assert Counter(item.purpose for item in order) == Counter({ASKED: count, CHECK: checks, REPEAT: repeats})
    assert len(set(order)) == len(order)


def test_none_are_shown_where_their_share_is_nothing_or_there_are_no_clear_images():
    assert {item.purpose for item in arrange(big(40), CHECKS, 0, 0, generator())} == {ASKED}
    assert {item.purpose for item in arrange(big(40), CHECKS.head(0), 0.5, 0, generator())} == {ASKED}


def test_a_repeat_comes_a_quarter_of_the_images_after_the_first_time():
    for seed in range(30):
        order = arrange(big(40), CHECKS, 0.1, 0.25, generator(seed))
        first = {item.image: place for place, item in enumerate(order) if item.purpose == ASKED}
        gaps = [place - first[item.image] for place, item in enumerate(order) if item.purpose == REPEAT]
        assert len(gaps) == 10 and min(gaps) > 10


def test_checks_are_spread():
    order = arrange(big(40), CHECKS, 0.1, 0, generator())
    places = [place for place, item in enumerate(order) if item.purpose == CHECK]
    assert [place // 11 for place in places] == [0, 1, 2, 3]


def test_the_list_of_classes_changes_once_for_each_data_set():
    order = arrange(IMAGES, CHECKS, 0.1, 0.1, generator())
    dataset = pd.concat([IMAGES, CHECKS]).set_index("image")["dataset"]
    shown = [dataset[item.image] for item in order]
    assert sum(one != other for one, other in zip(shown, shown[1:], strict=False)) == 1

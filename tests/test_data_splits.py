"""Which image goes into which split."""

from collections import Counter

import pytest

from semsim.data.request import Request
from semsim.data.splits import Candidate, balanced_order, choose_splits
from semsim.errors import SemsimError


def candidates(*sizes, prefix=""):
    return [Candidate(f"{prefix}{label}/{number}", label) for label, size in enumerate(sizes) for number in range(size)]


def request(train, originals, public, seed=1):
    counts = {"train": train, "originals": originals, "public": public}
    return Request("mine", counts, image_size=32, seed=seed)


def per_class(images):
    return Counter(image.label for image in images)


def test_classes_take_turns_until_they_are_used_up():
    ordered = balanced_order(candidates(2, 5, 3), 1, "mine")
    assert len(set(ordered)) == 10
    assert [set(per_class(ordered[:n]).values()) for n in (3, 6)] == [{1}, {2}]
    assert per_class(ordered[:8]) == {0: 2, 1: 3, 2: 3}


def test_order_depends_on_the_seed_and_not_on_the_listing():
    images = candidates(20, 20)
    assert balanced_order(images, 1, "mine") == balanced_order(reversed(images), 1, "mine")
    assert balanced_order(images, 1, "mine") != balanced_order(images, 2, "mine")
    fewer = [image for image in images if image.key != "0/7"]
    kept = [image for image in balanced_order(images, 1, "mine") if image.label == 0 and image.key != "0/7"]
    assert kept == [image for image in balanced_order(fewer, 1, "mine") if image.label == 0]


def test_three_disjoint_splits():
    chosen = choose_splits(candidates(100, 100, 100), request(150, 9, 60))
    assert {split: len(images) for split, images in chosen.items()} == {"train": 150, "originals": 9, "public": 60}
    assert len({image.key for images in chosen.values() for image in images}) == 219
    assert set(per_class(chosen["originals"]).values()) == {3}
    assert set(per_class(chosen["public"]).values()) <= {19, 20, 21}


def test_small_classes_are_shared_between_train_and_public():
    chosen = choose_splits(candidates(10, 100, 100), request(100, 3, 50))
    # Nine are left of the small class: two thirds for train, one third for public, to within one.
    assert per_class(chosen["train"])[0] in (5, 6, 7)
    assert per_class(chosen["public"])[0] in (2, 3, 4)
    assert len(chosen["train"]) == 100 and len(chosen["public"]) == 50


def test_every_image_can_be_used():
    images = candidates(7, 11)
    chosen = choose_splits(images, request(9, 4, 5))
    assert {image for split in chosen.values() for image in split} == set(images)


def test_held_out_images_are_never_trained_on():
    training, held_out = candidates(20, 20, prefix="train/"), candidates(10, 10, prefix="test/")
    chosen = choose_splits(training, request(36, 12, 12), held_out)
    assert set(chosen["train"]) <= set(training)
    assert set(chosen["originals"]) <= set(held_out)
    # What is left: four of the training part, eight of the held-out part.
    assert len({image.key for split in chosen.values() for image in split}) == 60
    assert per_class(chosen["originals"]) == {0: 6, 1: 6}


@pytest.mark.parametrize(
    "counts, words",
    [
        ((41, 1, 0), "41 images requested for train .* only 40 available .20 per class in 2 classes"),
        ((1, 21, 0), "21 images requested for originals .* only 20 available .10 per class"),
        ((30, 10, 21), "21 images requested for public .* only 20 available"),
    ],
)
def test_too_few_images(counts, words):
    training, held_out = candidates(20, 20, prefix="train/"), candidates(10, 10, prefix="test/")
    with pytest.raises(SemsimError, match=words):
        choose_splits(training, request(*counts), held_out)

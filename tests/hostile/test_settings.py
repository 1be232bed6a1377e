"""Settings that hang, overflow or mean two things: told in a few lines, at once."""

import copy
import os
import time

import pytest

from semsim.config.study import Study, read_config
from semsim.errors import SemsimError
from semsim.io.yaml_files import MOST_BYTES, read_yaml
from semsim.labelling.campaign import read_settings
from semsim.targets.own_networks import check_file

SMALL = {
    "study": "small",
    "datasets": {"digits": {"kind": "mnist", "train": 100, "originals": 12, "public": 100}},
    "targets": {"plain": {"architecture": "lenet"}},
    "attacks": {"dlg": {"steps": 5}},
}
AT_ONCE = 20
"""Seconds that no file may take; most take none. Without bounds, these take hours or all memory."""


def bomb(item, of_nine):
    """Return YAML in which each of twelve lines stands nine times in the next."""
    lines = [f"a0: &a0 {item}", *(f"a{n}: &a{n} {of_nine(f'*a{n - 1}')}" for n in range(1, 12))]
    return "\n".join(lines)


FILES = {
    "a list of aliases": (bomb("[x]", lambda alias: f"[{', '.join([alias] * 9)}]"), "more than 100,000 values"),
    "sections of aliases": (
        bomb("{x: 1}", lambda alias: "{" + ", ".join(f"k{n}: {alias}" for n in range(9)) + "}"),
        "more than 100,000 values",
    ),
    "merged aliases": (
        bomb("{x: 1}", lambda alias: f"{{<<: [{', '.join([alias] * 9)}]}}"),
        "more than 100,000 values|nested too deeply",
    ),
    "in itself": ("a: &a {b: *a}", "a.b.b: nested too deeply, or in itself"),
    "lists in lists": ("a: " + "[" * 5_000, "nested too deeply"),
    "sections in sections": ("{a: " * 5_000, "nested too deeply"),
    "lines in lines": ("- " * 5_000, "nested too deeply"),
    "a long file": ("#" * (MOST_BYTES + 1), "1,048,577 bytes, more than 1,048,576"),
    "a long tag": ("!" * 50_000 + " x", "not valid YAML"),
    "a zero byte": ("a: \0", "a NUL byte, in line 1"),
    "two of one name": ("seed: 1\nstudy: a\nseed: 2\n", r"line 3: 'seed' is set again, after line 1\. Remove"),
    "two inside": ("targets:\n  a: {width: 1, width: 2}\n", "line 2: 'width' is set again, after line 2"),
    "two of one value": ("0x10: a\n16: b\n", "line 2: '16' is set again, after line 1"),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("read", [read_config, read_settings])
def test_a_file_is_refused_at_once_and_in_a_line(tmp_path, name, read):
    content, message = FILES[name]
    path = tmp_path / "hostile.yaml"
    path.write_text(content)
    start = time.monotonic()
    with pytest.raises(SemsimError, match=f"hostile.yaml.*({message})") as error:
        read(path)
    assert time.monotonic() - start < AT_ONCE
    assert len(str(error.value)) < 1000 and "\n" not in str(error.value)


@pytest.mark.parametrize("read", [read_config, read_settings, lambda path: check_file(path, "net")])
def test_a_pipe_is_not_waited_for(tmp_path, read):
    path = tmp_path / "pipe.py"
    os.mkfifo(path)
    with pytest.raises(SemsimError, match="pipe.py: a folder, pipe, socket or device, not a file"):
        read(path)


def test_keys_that_a_merge_changes_are_not_set_twice(tmp_path):
    (tmp_path / "a.yaml").write_text("x: &x {a: 1, b: 2}\ny: {<<: *x, a: 3}\nz: {<<: *x}\n")
    assert read_yaml(tmp_path / "a.yaml") == {"x": {"a": 1, "b": 2}, "y": {"a": 3, "b": 2}, "z": {"a": 1, "b": 2}}


def with_setting(place, value):
    """Return a study with one setting at a dotted place."""
    config = copy.deepcopy(SMALL)
    *sections, name = place.split(".")
    section = config
    for each in sections:
        section = section.setdefault(each, {})
    section[name] = value
    return config


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("study", "demo\n", "study: 'demo.n' cannot be used"),
        ("builds_on", "demo\n", "builds_on: 'demo.n' cannot be used"),
        ("targets", {"plain\n": {"architecture": "lenet"}}, "'plain.n' cannot be used"),
        ("targets.plain.architecture", "lenet\n", "architecture: 'lenet.n' is not one of"),
        ("targets.plain.architecture", "torchvision:resnet18\n", "'torchvision:resnet18.n' is not a network"),
        ("targets.plain.augmentation", "3-1-7\n", "is not known"),
        ("targets.plain.augmentation", "3-1-" + 5000 * "7", "augmentation '3-1-7{25}…7{29}' is not known"),
        ("targets.plain.weights", "a\0b", "weights: .* has a line break or another control character"),
        ("targets.plain.architecture", {"file": "a\nb.py"}, "file: .* has a line break"),
        ("mirror", "data\n", "mirror: 'data.n' has a line break"),
        ("weights", "\x1b[2J", "weights: .* control character"),
        ("labels", "annotations/people\n", "labels: .* has a line break"),
        ("datasets.digits.originals", 10**30, "datasets.digits.originals: this number is too large"),
        ("datasets.digits.originals", "1e30", "datasets.digits.originals: this number is too large"),
        ("datasets.digits.originals", 10**9, "datasets.digits.originals: 1,000,000,000 images are too many"),
        ("datasets.digits.train", 10**9, "datasets.digits.train: 1,000,000,000 images are too many"),
        ("datasets.digits", {"kind": "mnist", "train": 9, "originals": 10**6, "public": 99}, None),
        ("memory_gib", float("nan"), "memory_gib: nan is not a finite number"),
        ("memory_gib", "1e999", "memory_gib: inf is not a finite number"),
        ("attacks.dlg.priors", {"total_variation": float("inf")}, "total_variation: inf is not a finite number"),
        ("attacks.dlg", {"steps": 10**5000}, "attacks.dlg.steps: this number is too large"),
        ("resamples", 10**9, "resamples: 1,000,000,000 are too many"),
        ("targets.plain", {"architecture": "mlp", "width": 10**8}, "width of mlp is 100,000,000"),
        ("semsim", {"backbone": "mlp", "width": 10**8}, "width of mlp is 100,000,000"),
        ("attacks.dlg.priors", {10**5000: 1}, "a name here has an unpaired surrogate, or is a huge"),
    ],
)
def test_a_value_is_told_with_its_place(place, value, message):
    config = with_setting(place, value)
    if message is None:
        assert Study(config).name == "small"
    else:
        with pytest.raises(SemsimError, match=message) as error:
            Study(config)
        str(error.value).encode()


def test_more_jobs_than_anybody_can_plan_are_refused():
    config = with_setting("datasets.digits.originals", 10**6)
    with pytest.raises(SemsimError, match="shard: the 1,000,000 originals of digits would be 1,000,000 jobs"):
        Study(config | {"shard": 1})
    Study(config | {"shard": 1000})


def test_sections_that_share_one_object_again_and_again_are_refused():
    section = {"x": 1}
    for _ in range(12):
        section = {f"k{number}": section for number in range(9)}
    with pytest.raises(SemsimError, match="more than 100,000 values|nested too deeply"):
        Study(SMALL | {"training": section})


NETWORK = "def build(classes, depth=1):\n    raise NotImplementedError\n"


@pytest.fixture
def networks(tmp_path, monkeypatch):
    """Two files of one stem, in the working directory."""
    monkeypatch.chdir(tmp_path)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "net.py").write_text(NETWORK)


def targets(*architectures):
    return SMALL | {"targets": {f"t{number}": {"architecture": each} for number, each in enumerate(architectures)}}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"file": "a/net.py"}, {"file": "b/net.py"}),
        ({"file": "a/net.py", "arguments": {"depth": 1}}, {"file": "a/net.py", "arguments": {"depth": "1"}}),
        ({"file": "a/net.py", "arguments": {"depth": "1/2"}}, {"file": "a/net.py", "arguments": {"depth": "1-2"}}),
    ],
)
def test_different_networks_of_one_name_are_refused(networks, first, second):
    with pytest.raises(SemsimError, match="targets.t0 and targets.t1: different networks, but tables would call both"):
        Study(targets(first, second))


def test_one_network_may_be_written_in_two_ways(networks):
    Study(targets({"file": "a/net.py"}, {"file": "./a/../a/net.py", "last": "1"}))
    Study(targets({"file": "a/net.py"}, {"file": "a/net.py", "arguments": {"depth": 2}}))

"""The repository: small enough to be cloned in a moment, and without photographs that may not be passed on."""

import subprocess

import pytest

LARGEST_CHECKOUT = 15e6
LARGEST_FILE = 2 * 2**20  # but weights that ship


@pytest.fixture(scope="module")
def sizes(house):
    """The bytes of each file that git tracks, by its path."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=house, capture_output=True)
    if listed.returncode:
        pytest.skip("needs a git checkout")
    paths = [house / name for name in listed.stdout.decode().split("\0") if name]
    return {path.relative_to(house): path.stat().st_size for path in paths if path.is_file()}


def test_a_checkout_is_small(sizes):
    total = sum(sizes.values())
    largest = sorted(sizes, key=sizes.get, reverse=True)[:10]
    listing = "\n".join(f"{sizes[path]:>12,} {path}" for path in largest)
    assert total < LARGEST_CHECKOUT, f"{total:,} bytes; the largest files:\n{listing}"


def test_no_file_is_large(sizes):
    large = [f"{path}: {size:,} bytes" for path, size in sizes.items() if size > LARGEST_FILE]
    assert not [line for line in large if "learned/shipped/" not in line]


def test_pages_are_made_and_not_kept(sizes):
    assert not [path for path in sizes if path.suffix == ".html" and "reference" in path.parts]

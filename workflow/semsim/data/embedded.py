"""Embedded images, which come with packages that the study needs anyway, and seeds for images that no study draws.

Networks that ship with semsim were trained on images of these kinds. In the seeds of these images, a word replaces the
study's seed, which is a number, so that no study draws any of them.
"""

EMBEDDED = ("glyphs", "letters", "mnist")
IMAGE_SIZE = 32
"""Side in pixels of the images that these networks take."""
UNDRAWN = "embedded"
"""What stands in place of a study's seed."""

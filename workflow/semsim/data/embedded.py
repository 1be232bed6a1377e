"""The kinds of images that come with packages that the study needs anyway, and that no study draws of them.

Networks that come with semsim learnt from images of these kinds. Where a study's seed stands in the seed of an image,
there is a word for those: seeds are numbers, so that no study draws any of them.
"""

EMBEDDED = ("glyphs", "letters", "mnist")
IMAGE_SIZE = 32
"""Side in pixels of the images that these networks take."""
UNDRAWN = "embedded"
"""What stands in place of a study's seed."""

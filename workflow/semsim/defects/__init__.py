"""What defects of the paper's released code do to its conclusions: each measured beside what is meant."""

DEFECTS = ("misaligned_reference", "unscaled_lpips", "defence_scope", "set_sizes")
"""Those that a study may measure; the others are settings of SemSim."""

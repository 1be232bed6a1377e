"""The effects of defects in the paper's released code on its conclusions, each compared with what is intended."""

DEFECTS = ("misaligned_reference", "unscaled_lpips", "defence_scope", "set_sizes")
"""The defects that a study may measure; the others are settings of SemSim."""

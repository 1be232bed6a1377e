"""SemSim, the learned metric: its module, the triplets that it learns from, and its training."""

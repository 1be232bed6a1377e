"""SemSim, the learned metric: its module, the triplets on which it is trained, and its training."""

"""Scoring anyone's reconstructions, one folder of them or several: `semsim score` and `semsim compare`."""

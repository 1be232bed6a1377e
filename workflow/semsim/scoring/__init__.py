"""Scoring reconstructions without a study, in one folder or several: `semsim score` and `semsim compare`."""

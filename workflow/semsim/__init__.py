"""Measure whether a person could recognise an image reconstructed from what a model shares.

The subpackages follow the order in which the study's data flows; each imports only from earlier ones:
`data` -> `targets` -> `attacks` -> `metrics`, `labels` -> `statistics` -> `figures`, `report`.
"""

__version__ = "0.1.0"

"""Observers, the simulated annotators: classifiers that say what they see in a reconstruction, or that they can't tell.

They stand in for people where there are no human labels. They are trained on degraded public images, never on
reconstructions, and are called simulated wherever their answers appear.
"""

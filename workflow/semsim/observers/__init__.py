"""Simulated observers: classifiers that say what they see in a reconstruction, or that they can't tell.

They stand in for people where there are none. They learn from degraded public images, never from reconstructions, and
are called simulated wherever their answers appear.
"""

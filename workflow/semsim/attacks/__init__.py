"""Reconstruction attacks: from the gradient that a client shares back to the image it came from.

`settings` names the parts of an attack and composes the presets; `objectives` and `priors` are the terms of the cost;
`optimisers` minimise it; `initialisation` and `labels` define where a search starts and which class it assumes. These
hold registries and can be imported without PyTorch. `observation` computes the gradients that an attacker observes;
`gradients` computes per-image gradients of a batch; `engine` combines them into a search, which `cuda` accelerates on a
GPU; `run` attacks the originals of a study's target, and `reconstruct` any images through any module.
"""

"""Reconstruction attacks: from the gradient that a client shares back to the image it came from.

`settings` names the parts of an attack and composes the presets; `objectives` and `priors` are the terms of the cost;
`optimisers` minimise it; `initialisation` and `labels` say where a search starts and what class it assumes. These hold
registries and can be imported without PyTorch. `observation` makes the gradients that an attacker sees; `gradients`
computes the gradients of many images at once, each on its own; `engine` puts all together, with `cuda` to make it fast
on a GPU; `run` attacks the originals of a study's target, and `reconstruct` any images through any module.
"""

"""Reconstruction attacks: from the update that a client shares back to the images on which it was computed.

`settings` names the parts of an attack and composes the presets; `objectives` and `priors` are the terms of the cost;
`optimisers` minimise it; `initialisation` and `labels` define where a search starts and which class it assumes. These
hold registries and can be imported without PyTorch, like `clients`, which says what a client does before it shares.
`observation` computes the updates that an attacker observes; `gradients` computes those of many clients at once, with
`batchnorm` in train mode, by a method that `planning` chooses; `engine` combines them into a search, which `cuda`
accelerates on a GPU; `matching` puts the images of a batch in order; `run` attacks the originals of a study's target,
with its `state` on disk, and `reconstruct` any images through any module, once `arguments` has checked them.
"""

"""Target models: their networks, training and defences, and any network of yours as one of them.

`settings`, `architectures`, `recipe`, `defences`, `policies`, `traits` and `own_networks` can be imported without
PyTorch: they say what there is, and check what a study asks for. `models` builds and keeps a target model, `networks`
and `torchvision_networks` have the networks, and `wrapping` makes a target model of any other. `training` trains it,
with `augmentation` and `operations` on images, and `privacy` for differential privacy. `calls` and `normalisation` are
for attacks, which differentiate these networks twice.
"""

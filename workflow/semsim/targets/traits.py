"""Traits: requirements that parts of an attack may have of the target model, the client or the attacker's knowledge.

Parts of attacks declare the traits that they need, architectures and clients those that they have; planning a study
compares the two. Importing this needs no PyTorch.
"""

TARGET = {
    "first_linear": "a fully connected first layer with a bias",
    "last_bias": "a linear last layer with a bias",
    "batchnorm": "BatchNorm layers on feature maps",
}
"""Traits of a target model, described as what it has."""

CLIENT = {
    "single_image": "a batch of one image",
    "batchnorm_train": "BatchNorm layers in train mode",
}
"""Traits of a client, described as what it has."""

KNOWLEDGE = {
    "shared_gradient": "the gradient or update that each client shares",
    "batch_shape": "the number and size of a client's images",
    "labels": "the true labels",
    "running_statistics": "the running statistics of BatchNorm layers",
    "batch_statistics": "the BatchNorm statistics of the private batch",
    "public_images": "public images of the same classes",
}
"""Traits of the attacker, described as what it knows. What a client shares is what its defence leaves of a gradient."""

ATTACK = {"several_restarts": "two or more restarts"}
"""Traits of the attack's own settings."""


def lacking(who: str, trait: str) -> str:
    """Return a clause that says which missing trait something needs."""
    if trait in TARGET:
        return f"{who} needs a target model with {TARGET[trait]}"
    if trait in CLIENT:
        return f"{who} needs a client with {CLIENT[trait]}"
    if trait in KNOWLEDGE:
        return f"{who} needs an attacker who knows {KNOWLEDGE[trait]}"
    return f"{who} needs {ATTACK[trait]}"

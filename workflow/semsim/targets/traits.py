"""Traits: what parts of an attack may need, of the target model or of what the attacker knows.

Parts of attacks declare the traits that they need, architectures those that they have, and whoever plans compares the
two. Importing this needs no PyTorch.
"""

TARGET = {
    "first_linear": "a first layer that is fully connected and has a bias",
    "last_bias": "a last layer that is linear and has a bias",
    "batchnorm": "BatchNorm layers on feature maps",
}
"""Traits of a target model, each as what it has."""

KNOWLEDGE = {
    "true_labels": "the true labels",
    "batchnorm_statistics": "the running statistics of BatchNorm layers",
}
"""Traits of the attacker, each as what it knows."""

ATTACK = {"several_restarts": "two or more restarts"}
"""Traits of the attack's own settings."""


def lacking(who: str, trait: str) -> str:
    """Return a sentence that says that something needs a trait which is not there."""
    if trait in TARGET:
        return f"{who} needs a target model with {TARGET[trait]}"
    if trait in KNOWLEDGE:
        return f"{who} needs an attacker who knows {KNOWLEDGE[trait]}"
    return f"{who} needs {ATTACK[trait]}"

"""What the attacker observes: the gradient of one augmented image, after the client's defences."""

import torch

from semsim.attacks.gradients import PerImageGradients
from semsim.attacks.outer_products import written_out


def augment(images, augmentation, seeds):
    """Return the images that enter the target model.

    Parameters
    ----------
    images : torch.Tensor, shape [N, 3, S, S], uint8
    augmentation : semsim.targets.augmentation.Augmentation
    seeds : list of int
        One per image, so that the augmentation of an image does not depend on the rest of the batch.

    Returns
    -------
    torch.Tensor, shape [N, 3, S, S], uint8
    """
    pairs = zip(images, seeds, strict=True)
    return torch.cat([augmentation(image[None], torch.Generator().manual_seed(seed)) for image, seed in pairs])


def shared_gradients(target, plan, images, labels, defence, seeds):
    """Return the gradient that each client shares: one image, one step, the model in eval mode.

    Parameters
    ----------
    target : semsim.targets.models.Target
    plan : semsim.attacks.gradients.GradientPlan
    images : torch.Tensor, shape [N, 3, S, S]
        In [0, 1], on the target's device.
    labels : torch.Tensor, shape [N], int64
    defence : semsim.targets.defences.GradientDefence
        Applied if it acts on the shared gradient.
    seeds : list of int
        One for each image, for the defence's noise.

    Returns
    -------
    list of torch.Tensor, each [N, *shape]
        In the order of ``target.network.parameters()``.
    """
    per_image_gradients = PerImageGradients(target, plan)
    passes = []
    for rows in torch.arange(len(images)).split(plan.images_per_pass):
        gradients, _ = per_image_gradients(target.normalise(images[rows]), labels[rows])
        passes.append([written_out(gradient).detach() for gradient in gradients])
    gradients = [torch.cat(parts) for parts in zip(*passes, strict=True)]
    if defence.acts_on("shared"):
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        gradients = defence.apply_per_sample(gradients, generators)
    return gradients

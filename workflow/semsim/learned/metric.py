"""SemSim: the distance of an original and its reconstruction in the features of a network trained on labels."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from semsim.errors import SemsimError
from semsim.io.tensors import encode_metadata
from semsim.io.whole import written_whole
from semsim.targets.models import build_target, read_state, state_on_cpu

WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "CARD.md"
REDUCTIONS = {"none": lambda distances: distances, "mean": torch.mean, "sum": torch.sum}


class SemSim(nn.Module):
    """A metric of reconstructions: small where annotators would recognise what they show.

    Parameters
    ----------
    backbone : str
        An architecture of `semsim.targets.models.ARCHITECTURES`, which loses its classifier; the paper's is resnet18.
    width : int, optional
        The backbone's width.
    image_size : int
        The side at which the backbone sees images, in pixels; others are resized to it.
    normalised : bool
        Whether embeddings are scaled to length 1, so that a distance lies in [0, 2].
    mean, std : sequence of 3 floats
        Of each channel, for the backbone's input.
    reduction : {"none", "mean", "sum"}
        What `forward` makes of the distances of a batch.

    Attributes
    ----------
    lower_is_better : bool
        True: a distance.
    config : dict
        The arguments that build this metric again.

    References
    ----------
    Sun et al.: Privacy Assessment on Reconstructed Images. NeurIPS 2023, section 4.

    Examples
    --------
    >>> metric = SemSim("vgg3", width=4).eval()
    >>> images = torch.rand(2, 3, 32, 32)
    >>> metric(images, images)
    tensor([0., 0.], grad_fn=...)
    """

    lower_is_better = True

    def __init__(
        self,
        backbone="resnet18",
        width=None,
        image_size=32,
        normalised=True,
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        reduction="none",
    ):
        super().__init__()
        if reduction not in REDUCTIONS:
            raise SemsimError(f"reduction '{reduction}' is not known. Choose one of {', '.join(REDUCTIONS)}.")
        self.backbone = build_target(backbone, 1, image_size, width, mean, std)
        self.backbone.network.head = nn.Identity()
        self.reduction = reduction
        self.config = {
            "backbone": backbone,
            "width": width,
            "image_size": image_size,
            "normalised": normalised,
            "mean": [float(value) for value in mean],
            "std": [float(value) for value in std],
        }

    @classmethod
    def from_classifier(cls, classifier, normalised=True, reduction="none"):
        """Return the metric that compares the penultimate features of a classifier.

        Parameters
        ----------
        classifier : semsim.targets.models.Target
            It is not changed.
        normalised, reduction
            As above.

        Returns
        -------
        SemSim
            In training mode, on the classifier's device.
        """
        spec = classifier.spec
        mean, std = (getattr(classifier, name).flatten().tolist() for name in ("mean", "std"))
        metric = cls(spec["architecture"], spec.get("width"), spec["image_size"], normalised, mean, std, reduction)
        metric.backbone.network.body.load_state_dict(classifier.network.body.state_dict())
        return metric.to(classifier.mean.device)

    def forward(self, originals, reconstructions):
        """Return the distances of pairs, as `distances` does, reduced as `reduction` says."""
        return REDUCTIONS[self.reduction](self.distances(originals, reconstructions))

    def distances(self, originals, reconstructions):
        """Return how far reconstructions are from their originals.

        Parameters
        ----------
        originals, reconstructions : torch.Tensor
            Pairs of RGB images, float [N, 3, H, W] in [0, 1], on the module's device.

        Returns
        -------
        torch.Tensor
            [N], at least 0.

        Raises
        ------
        SemsimError
            If the images are not such pairs.
        """
        if originals.shape != reconstructions.shape:
            raise SemsimError(
                f"originals are {_shape(originals)}, but reconstructions {_shape(reconstructions)}."
                " Give pairs of the same number and size."
            )
        return torch.linalg.vector_norm(self.embed(originals) - self.embed(reconstructions), dim=1)

    def embed(self, images):
        """Return the embeddings [N, D] of RGB images, float [N, 3, H, W] in [0, 1].

        Raises
        ------
        SemsimError
            If the images have another shape, type, range or device.
        """
        self._check(images)
        size = (self.config["image_size"],) * 2
        if images.shape[2:] != size:
            images = functional.interpolate(images, size, mode="bilinear", antialias=True).clamp(0, 1)
        features = self.backbone.features(images)
        return functional.normalize(features, dim=1) if self.config["normalised"] else features

    def _check(self, images):
        """Raise if these are not images as `embed` takes them."""
        if images.ndim != 4 or images.shape[1] != 3 or 0 in images.shape:
            raise SemsimError(f"images are {_shape(images)}, but must be [N, 3, H, W]: RGB, none of them 0.")
        if not images.is_floating_point():
            raise SemsimError(f"images are {images.dtype}, but must be floats in [0, 1]: divide bytes by 255.")
        device = self.backbone.mean.device
        if images.device != device:
            raise SemsimError(
                f"images are on {images.device}, but the metric is on {device}. Move one of them with .to()."
            )
        low, high = images.detach().aminmax()
        if not (low >= 0 and high <= 1):  # also where there is a NaN
            raise SemsimError(f"images range from {low:.3g} to {high:.3g}, but must be finite and in [0, 1].")

    def save_pretrained(self, folder, card=""):
        """Write ``model.safetensors``, ``config.json`` and a model card, each whole or not at all.

        Parameters
        ----------
        folder : path-like
            It is created where missing.
        card : str
            Markdown: which labels the metric learnt from, which folds, and how it was measured.
        """
        folder = Path(folder)
        with written_whole(folder / WEIGHTS) as part:
            save_file(state_on_cpu(self), part, metadata=encode_metadata(self.config))
        for name, text in ((CONFIG, json.dumps(self.config, indent=2) + "\n"), (CARD, card)):
            with written_whole(folder / name) as part:
                part.write_text(text, encoding="utf-8")

    @classmethod
    def from_pretrained(cls, folder, device="cpu", reduction="none"):
        """Read a metric that `save_pretrained` wrote. Nothing is ever downloaded.

        Parameters
        ----------
        folder : path-like
        device : torch.device or str
        reduction : {"none", "mean", "sum"}

        Returns
        -------
        SemSim
            In eval mode.

        Raises
        ------
        SemsimError
            If a file is missing, damaged or not of this metric.
        """
        folder = Path(folder)
        try:
            config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
            metric = cls(**config, reduction=reduction)
        except OSError as error:
            raise SemsimError(
                f"{folder / CONFIG}: cannot be read ({error.strerror}). Name a folder of weights."
            ) from None
        except (ValueError, TypeError) as error:
            raise SemsimError(f"{folder / CONFIG}: not the configuration of a SemSim ({error}).") from None
        state = read_state(folder / WEIGHTS)
        try:
            metric.load_state_dict(state)
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            raise SemsimError(
                f"{folder / WEIGHTS}: not the weights of the metric that {CONFIG} describes ({reason})."
            ) from None
        return metric.to(device).eval()


def _shape(tensor):
    return f"[{', '.join(map(str, tensor.shape))}]"

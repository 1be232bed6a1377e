"""SemSim: the distance between an original and its reconstruction in the features of a network trained on labels."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from semsim.errors import SemsimError
from semsim.io.folders import read_file
from semsim.io.images import as_tensor, check_images, check_pairs
from semsim.io.tensors import encode_metadata
from semsim.io.whole import write_text, written_whole
from semsim.learned.backbones import BACKBONES, PRETRAINED
from semsim.learned.calibration import NO_CALIBRATION, Calibration
from semsim.learned.channels import WeightedChannels
from semsim.learned.embedding import Embedding
from semsim.learned.shipped import shipped_weights, weights_folder
from semsim.pretrained.weights import PretrainedError
from semsim.statistics.recalibration import count_interval
from semsim.targets.models import Target, read_state, state_on_cpu
from semsim.text import quoted

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "CARD.md"
LARGEST_CONFIG = 2**16
"""Bytes of a configuration, which has a few lines."""
LONGEST_REASON = 300
"""Characters of somebody else's error that a message quotes."""
REDUCTIONS = {"none": lambda distances: distances, "mean": torch.mean, "sum": torch.sum}


class SemSim(nn.Module):
    """A metric of reconstructions: small where annotators would recognise what they show.

    Parameters
    ----------
    backbone : str
        An architecture of `semsim.targets.models.ARCHITECTURES`, which loses its classifier (the paper's is resnet18);
        or one of `semsim.learned.backbones.PRETRAINED`.
    reduction : {"none", "mean", "sum"}
        What `forward` makes of the distances of a batch.
    calibration : mapping, optional
        What the chances rest on, as `semsim.learned.calibration.Calibration` takes it; without it there are no chances.
    pretrained : path-like, optional
        Folder to search first for the weights of a pretrained backbone, as for
        `semsim.pretrained.weights.find_weights`.
    **settings
        Of the backbone: arguments of `semsim.learned.embedding.Embedding` or, if it is pretrained, of
        `semsim.learned.channels.WeightedChannels`.

    Attributes
    ----------
    backbone : semsim.learned.embedding.Embedding or semsim.learned.channels.WeightedChannels
        What compares images.
    calibration : semsim.learned.calibration.Calibration or None
    lower_is_better : bool
        True: a distance.

    References
    ----------
    Sun et al.: Privacy Assessment on Reconstructed Images. NeurIPS 2023, section 4.

    Examples
    --------
    >>> metric = SemSim.from_pretrained("embedded")
    >>> images = torch.rand(2, 3, 32, 32)
    >>> metric(images, images)
    tensor([0., 0.], grad_fn=...)
    """

    lower_is_better = True

    def __init__(
        self,
        backbone: str = "resnet18",
        reduction: str = "none",
        calibration: Mapping[str, Any] | None = None,
        pretrained: str | os.PathLike | None = None,
        **settings: Any,
    ) -> None:
        super().__init__()
        if reduction not in REDUCTIONS:
            raise SemsimError(f"reduction '{reduction}' is not known. Choose one of {', '.join(REDUCTIONS)}.")
        self.backbone = _build_backbone(backbone, pretrained, settings)
        self._name, self.reduction, self.calibration = backbone, reduction, None
        if calibration is not None:
            self.calibrate(Calibration(calibration, self.backbone.size))

    @property
    def config(self) -> dict[str, Any]:
        """The arguments that build this metric again."""
        calibration = {"calibration": self.calibration.facts} if self.calibration else {}
        return {"backbone": self._name, **self.backbone.settings, **calibration}

    def calibrate(self, calibration: Calibration) -> None:
        """Take over a calibration of this metric's distances."""
        self.calibration = calibration

    @classmethod
    def from_classifier(cls, classifier: Target, normalised: bool = True, reduction: str = "none") -> Self:
        """Return the metric that compares the penultimate features of a classifier.

        Parameters
        ----------
        classifier : semsim.targets.models.Target
            It is not changed.
        normalised : bool
            Whether features are scaled to length 1.
        reduction : {"none", "mean", "sum"}

        Returns
        -------
        SemSim
            In training mode, on the classifier's device.
        """
        spec = classifier.spec
        settings = {name: getattr(classifier, name).flatten().tolist() for name in ("mean", "std")}
        settings |= {"width": spec.get("width"), "image_size": spec["image_size"], "normalised": normalised}
        metric = cls(spec["architecture"], reduction, **settings)
        metric.backbone.network.body.load_state_dict(classifier.network.body.state_dict())
        return metric.to(classifier.mean.device)

    def forward(self, originals: "Tensor | ArrayLike", reconstructions: "Tensor | ArrayLike") -> Tensor:
        """Return the distances of pairs, as `distances` does, reduced as `reduction` says."""
        return REDUCTIONS[self.reduction](self.distances(originals, reconstructions))

    def distances(self, originals: "Tensor | ArrayLike", reconstructions: "Tensor | ArrayLike") -> Tensor:
        """Return how far reconstructions are from their originals.

        Parameters
        ----------
        originals, reconstructions : torch.Tensor or array-like
            Pairs of RGB images, floats [N, 3, H, W] in [0, 1]. Tensors have to be on the module's device; other arrays
            are brought there. All are cast to the type of the module's weights.

        Returns
        -------
        torch.Tensor
            [N], at least 0.

        Raises
        ------
        SemsimError
            If the images are not such pairs.
        """
        return self._compared(originals, reconstructions)[0]

    def chances(self, originals: "Tensor | ArrayLike", reconstructions: "Tensor | ArrayLike") -> Tensor:
        """Return the chance that one annotator would recognise each reconstruction.

        Parameters
        ----------
        originals, reconstructions
            As for `distances`.

        Returns
        -------
        torch.Tensor
            [N], in [0, 1]. The kind of the annotators is ``calibration.facts["annotators"]``.

        Raises
        ------
        SemsimError
            If the images are not such pairs, or the weights carry no calibration.
        """
        return self._calibrated().chances(*self._compared(originals, reconstructions))

    def expected_count(self, chances: "Tensor | ArrayLike") -> tuple[float, int, int]:
        """Return how many of a set of reconstructions one annotator would recognise, with a 95 % interval.

        Parameters
        ----------
        chances : torch.Tensor or array-like
            Of the reconstructions of one target model under one attack, [N].

        Returns
        -------
        expected : float
        low, high : int
            With the chance of each image, and how far the set may deviate as a whole.

        Raises
        ------
        SemsimError
            If the weights carry no calibration.
        """
        deviation = self._calibrated().deviation.double().cpu().numpy()
        chances = np.asarray(chances.detach().cpu() if isinstance(chances, Tensor) else chances, dtype=float)
        return float(chances.sum()), *count_interval(chances, deviation)

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return next(self.backbone.parameters()).device

    def _calibrated(self):
        if self.calibration is None:
            raise SemsimError(f"{NO_CALIBRATION}, so there are distances but no chances. Use weights that have one.")
        return self.calibration

    def _compared(self, originals, reconstructions):
        """Return the distances of pairs, [N], and the embeddings of the originals, [N, D]."""
        originals, reconstructions = self._on_device(originals), self._on_device(reconstructions)
        check_pairs(originals, reconstructions)
        return self.backbone.compare(*map(self._checked, (originals, reconstructions)))

    def embed(self, images: "Tensor | ArrayLike") -> Tensor:
        """Return the embeddings [N, D] of RGB images, floats [N, 3, H, W] in [0, 1].

        Raises
        ------
        SemsimError
            If the images have another shape, range or device, or are no floats.
        """
        return self.backbone.embed(self._checked(self._on_device(images)))

    def features(self, images: "Tensor | ArrayLike") -> Tensor:
        """Return what `embed` does before it is scaled to length 1, where it is."""
        return self.backbone.features(self._checked(self._on_device(images)))

    def _checked(self, images):
        """Return images in the type of the weights; raise if they are none."""
        if images.is_floating_point():
            images = images.to(next(self.backbone.parameters()).dtype)
        check_images(images, "images")
        return images

    def _on_device(self, images):
        """Return images as a tensor on the metric's device; raise if they are a tensor on another one."""
        if isinstance(images, Tensor) and images.device != self.device:
            raise SemsimError(
                f"images are on {images.device}, but the metric is on {self.device}. Move one of them with .to()."
            )
        return as_tensor(images, "images", self.device)

    def save_pretrained(self, folder: str | os.PathLike, card: str = "") -> None:
        """Write ``model.safetensors``, ``config.json`` and a model card, each whole or not at all.

        Parameters
        ----------
        folder : path-like
            It is created where missing.
        card : str
            Markdown: the labels that the metric learned from, and how it was evaluated.
        """
        folder = Path(folder)
        with written_whole(folder / WEIGHTS) as part:
            save_file(state_on_cpu(self), part, metadata=encode_metadata(self.config))
        for name, text in ((CONFIG, json.dumps(self.config, indent=2) + "\n"), (CARD, card)):
            write_text(text, folder / name)

    @classmethod
    def from_pretrained(
        cls,
        weights: str | os.PathLike,
        device: torch.device | str = "cpu",
        reduction: str = "none",
        pretrained: str | os.PathLike | None = None,
    ) -> Self:
        """Read a metric that `save_pretrained` wrote, or one that comes with the package. Nothing is ever downloaded.

        Parameters
        ----------
        weights : str or path-like
            A folder, or the name of weights that come with the package: ``"embedded"``, which the default study of
            small embedded images learned from simulated annotators.
        device : torch.device or str
        reduction : {"none", "mean", "sum"}
        pretrained : path-like, optional
            Folder to search first for the weights of a pretrained backbone.

        Returns
        -------
        SemSim
            In eval mode.

        Raises
        ------
        SemsimError
            If a file is missing, damaged or not of this metric, or if the pretrained backbone has to be fetched.
        """
        folder = weights_folder(weights)
        try:
            content = read_file(folder / CONFIG, LARGEST_CONFIG)
        except SemsimError as error:
            known = ", ".join(shipped_weights())
            raise SemsimError(f"{error} Give a folder of weights, or weights that come with semsim: {known}.") from None
        try:
            with torch.device("meta"):  # whatever it says, no more memory than the weights need
                metric = cls(**_parsed(content), reduction=reduction, pretrained=pretrained)
        except PretrainedError as error:
            raise SemsimError(f"{folder}: {error}") from None
        except (ValueError, TypeError, RecursionError, SemsimError) as error:
            reason = str(error)[:LONGEST_REASON]
            raise SemsimError(f"{folder / CONFIG}: not the configuration of a SemSim ({reason}).") from None
        state = read_state(folder / WEIGHTS)
        try:
            metric.load_state_dict(state, assign=True)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:LONGEST_REASON]
            raise SemsimError(
                f"{folder / WEIGHTS}: not the weights of the metric that {CONFIG} describes ({reason})."
            ) from None
        metric = metric.float()
        if any(tensor.is_complex() or not tensor.isfinite().all() for tensor in metric.state_dict().values()):
            raise SemsimError(
                f"{folder / WEIGHTS}: has values that are not finite real numbers, so distances are meaningless."
            )
        return metric.to(device).eval()


def _parsed(content):
    """Return a configuration that may come from anybody.

    Raises
    ------
    ValueError, TypeError, RecursionError
    """
    config = json.loads(content)
    if not isinstance(config, dict):
        raise TypeError("no settings by name")
    return config


def _build_backbone(name, pretrained, settings):
    """Return a backbone by its name, which may come from anybody: one that is a file, above all, would be run."""
    if not isinstance(name, str) or name not in BACKBONES:
        raise SemsimError(f"backbone must be one of {', '.join(BACKBONES)}, but is {quoted(name)}")
    if name in PRETRAINED:
        return WeightedChannels(name, **settings, pretrained=pretrained)
    return Embedding(name, **settings)

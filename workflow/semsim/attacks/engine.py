"""The attack engine: many searches as one batch, each with its own cost, optimiser state, seed and end."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch

from semsim.attacks.cuda import Recording, products_as_convolutions
from semsim.attacks.gradients import ClientUpdates
from semsim.attacks.initialisation import INITIALISATIONS
from semsim.attacks.labels import LABELS
from semsim.attacks.objectives import OBJECTIVES
from semsim.attacks.optimisers import OPTIMISERS, Status
from semsim.attacks.priors import PRIORS
from semsim.targets.traits import KNOWLEDGE

if TYPE_CHECKING:
    from semsim.attacks.gradients import UpdatePlan
    from semsim.attacks.observation import Observation
    from semsim.attacks.settings import AttackSettings
    from semsim.targets.models import Target


@dataclass(frozen=True)
class Outcome:
    """The result of the attack on N clients with B images each; all tensors are on the CPU and have N rows.

    Attributes
    ----------
    images : torch.Tensor, uint8, [N, B, 3, S, S]
        Reconstructions, in any order; where a search diverged, the last candidate with a finite cost.
    recovered_labels : torch.Tensor, int64, [N, B]
        The classes that the attack assumed or found.
    status : torch.Tensor, int8
        `Status`; a search that used up its steps is still RUNNING.
    diverged_at : torch.Tensor, int64
        The step at which the kept search became non-finite, or -1.
    restarts : torch.Tensor, int64
        Which restart was kept.
    initial_costs, costs : torch.Tensor, float32
        Of the kept search, before its first step and after its last.
    """

    images: torch.Tensor
    recovered_labels: torch.Tensor
    status: torch.Tensor
    diverged_at: torch.Tensor
    restarts: torch.Tensor
    initial_costs: torch.Tensor
    costs: torch.Tensor

    def named_status(self) -> list[str]:
        """Return the status of each search as text: ``finished`` (all steps used), ``converged`` or ``diverged``."""
        names = {Status.RUNNING: "finished", Status.CONVERGED: "converged", Status.DIVERGED: "diverged"}
        return [names[status] for status in self.status.tolist()]


class Search:
    """Searches for the images behind N observed updates, ``settings.restarts`` for each.

    Parameters
    ----------
    target : semsim.targets.models.Target
        In eval mode; everything runs on its device.
    observed : semsim.attacks.observation.Observation
    labels : torch.Tensor, shape [N, B], int64
        The true classes of the images of each client, used only if the label rule is ``known``.
    seeds : list of list of int
        N * restarts lists of one seed per image; the restarts on one client are adjacent.
    settings : semsim.attacks.settings.AttackSettings
    plan : semsim.attacks.gradients.UpdatePlan

    Notes
    -----
    Row r of every tensor is restart ``r % restarts`` on client ``r // restarts``. A row holds the pixels of all images
    of the batch, followed by their label logits if the attack optimises the labels.
    """

    def __init__(
        self,
        target: Target,
        observed: Observation,
        labels: torch.Tensor,
        seeds: list[list[int]],
        settings: AttackSettings,
        plan: UpdatePlan,
    ):
        self.target = target
        self.settings = settings
        self.plan = plan
        self.step = 0
        self.recording = Recording()
        self.client_updates = ClientUpdates(target, plan)
        updates, self.statistics, labels = _repeated(*observed, labels, settings.restarts)
        self.objective = OBJECTIVES[settings.objective](updates)
        self.priors = settings.priors_on({*target.traits, *plan.client.traits, *KNOWLEDGE})
        steps = plan.client.local_steps
        mean_gradients = updates if steps == 1 else [update / steps for update in updates]
        self.labels = LABELS[settings.label](target, mean_gradients, labels, seeds)
        self.searches_for_label = self.labels.is_floating_point()

        start = INITIALISATIONS[settings.initialisation](target, updates, seeds)
        self.batch_shape = start.shape[1:]
        self.pixels = start[0].numel()
        lower, upper = (target.normalise(torch.full_like(start[0], value)).flatten() for value in (0.0, 1.0))
        start = start.flatten(1)
        if self.searches_for_label:
            start, lower, upper = _with_logits(start, lower, upper, self.labels.flatten(1).to(start))
        self.optimiser = OPTIMISERS[settings.optimiser](start, settings, lower, upper)
        self.initial_costs = torch.full((len(start),), torch.nan, device=start.device)
        self.costs = self.initial_costs.clone()
        self.diverged_at = torch.full((len(start),), -1, device=start.device)

    def advance(self) -> None:
        """Take one step in every running search."""
        self.costs, gradients = self.evaluate(self.optimiser.ask())
        if self.step == 0:
            self.initial_costs = self.costs
        before = self.optimiser.status.clone()
        self.optimiser.tell(self.costs, gradients)
        newly_diverged = (self.optimiser.status == Status.DIVERGED) & (before == Status.RUNNING)
        self.diverged_at[newly_diverged] = self.step
        self.step += 1

    def is_over(self) -> bool:
        """Tell whether no steps are left; synchronises with the device."""
        return self.step >= self.settings.steps or not (self.optimiser.status == Status.RUNNING).any()

    def evaluate(self, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the cost [R] of each row of `points` [R, D] and its gradient [R, D]."""
        if not points.is_cuda:
            return self.compute(points)
        # Rounding changes the signs of tiny gradients only, but would mislead L-BFGS.
        with products_as_convolutions() if self.settings.signed else nullcontext():
            return self.recording(self.compute, points)

    def compute(self, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Evaluate `points` without a recording."""
        costs, gradients = [], []
        for first in range(0, len(points), self.plan.clients_per_pass):
            rows = slice(first, first + self.plan.clients_per_pass)
            candidates = points[rows].detach().requires_grad_()
            cost = self._model_cost(candidates, rows)
            gradients.append(torch.autograd.grad(cost.sum(), candidates)[0])
            costs.append(cost.detach())
        costs, gradients = torch.cat(costs), torch.cat(gradients)

        images = points[:, : self.pixels].detach().unflatten(1, self.batch_shape).requires_grad_()
        cost = self._image_cost(images)
        if cost is not None:
            costs += cost.detach()
            gradients[:, : self.pixels] += torch.autograd.grad(cost.sum(), images)[0].flatten(1)
        return costs, gradients

    def _model_cost(self, candidates, rows):
        """Return the cost terms [R] of candidates [R, D] that depend on the target model."""
        images = candidates[:, : self.pixels].unflatten(1, self.batch_shape)
        updates, batchnorm_inputs = self.client_updates(images, self._labels_of(candidates, rows))
        statistics = [(mean[rows], variance[rows]) for mean, variance in self.statistics]
        terms = self._prior_terms("batchnorm_inputs", batchnorm_inputs)
        terms += self._prior_terms("batch_statistics", batchnorm_inputs, statistics)
        return sum(terms, start=self.objective(updates, rows))

    def _labels_of(self, candidates, rows):
        """Return the labels of candidates [R, D]: classes [R, B], or probabilities [R, B, classes]."""
        if not self.searches_for_label:
            return self.labels[rows]
        return candidates[:, self.pixels :].unflatten(1, self.labels.shape[1:]).softmax(2)

    def _image_cost(self, images):
        """Return the mean over each batch of the priors on the images themselves [R], or None if there are none."""
        groups = images.unflatten(0, (-1, self.settings.restarts)).transpose(1, 2).flatten(0, 1)
        terms = self._prior_terms("images", groups)
        return sum(terms).unflatten(0, (-1, images.shape[1])).mean(1).flatten() if terms else None

    def _prior_terms(self, of, *seen):
        """Return the weighted priors on one kind of input, given that input."""
        return [weight * PRIORS[name](*seen) for name, weight in self.priors.items() if PRIORS[name].of == of]

    def outcome(self) -> Outcome:
        """Return the `Outcome`: of the restarts on each client, the one with the lowest final cost."""
        points = self.optimiser.points
        costs, _ = self.evaluate(points)
        status = self.optimiser.status.clone()
        status[~costs.isfinite()] = Status.DIVERGED
        diverged_at = torch.where((status == Status.DIVERGED) & (self.diverged_at < 0), self.step, self.diverged_at)
        initial_costs = self.initial_costs if self.step else costs

        ranking = torch.where(status == Status.DIVERGED, torch.inf, costs).unflatten(0, (-1, self.settings.restarts))
        restarts = ranking.argmin(1)
        kept = torch.arange(len(restarts), device=restarts.device) * self.settings.restarts + restarts
        images = self.target.denormalise(points[kept, : self.pixels].unflatten(1, self.batch_shape))
        labels = self._labels_of(points, slice(None))
        labels = labels.argmax(2) if self.searches_for_label else labels
        return Outcome(
            images=(images.nan_to_num(0).clamp(0, 1) * 255).round().to("cpu", torch.uint8),
            recovered_labels=labels[kept].cpu(),
            status=status[kept].cpu(),
            diverged_at=diverged_at[kept].cpu(),
            restarts=restarts.cpu(),
            initial_costs=initial_costs[kept].cpu(),
            costs=costs[kept].cpu(),
        )

    def state_dict(self) -> dict:
        """Return everything that is needed to resume exactly."""
        return {
            "step": self.step,
            "optimiser": self.optimiser.state_dict(),
            "initial_costs": self.initial_costs,
            "costs": self.costs,
            "diverged_at": self.diverged_at,
        }

    def load_state_dict(self, state: dict) -> None:
        """Resume from a `state_dict`."""
        self.step = state["step"]
        self.optimiser.load_state_dict(state["optimiser"])
        for name in ("initial_costs", "costs", "diverged_at"):
            setattr(self, name, state[name].to(self.diverged_at.device))


def _repeated(updates, statistics, labels, restarts):
    """Return what each client shares, and its labels, once for each restart on it."""
    if restarts == 1:
        return updates, statistics, labels
    repeat = partial(torch.repeat_interleave, repeats=restarts, dim=0)
    statistics = [(repeat(mean), repeat(variance)) for mean, variance in statistics]
    return [repeat(update) for update in updates], statistics, repeat(labels)


def _with_logits(start, lower, upper, logits):
    """Return starting points [R, D] and their box [D] with label logits [R, L] added, which have no bounds."""
    unbounded = torch.full_like(logits[0], torch.inf)
    return torch.cat([start, logits], 1), torch.cat([lower, -unbounded]), torch.cat([upper, unbounded])

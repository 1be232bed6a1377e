"""The attack engine: many searches as one batch, each with its own cost, optimiser state, seed and end."""

from contextlib import nullcontext
from dataclasses import dataclass

import torch

from semsim.attacks.cuda import Recording, products_as_convolutions
from semsim.attacks.gradients import PerImageGradients
from semsim.attacks.initialisation import INITIALISATIONS
from semsim.attacks.labels import LABELS
from semsim.attacks.objectives import OBJECTIVES
from semsim.attacks.optimisers import OPTIMISERS, Status
from semsim.attacks.priors import PRIORS
from semsim.targets.traits import KNOWLEDGE


@dataclass(frozen=True)
class Outcome:
    """The result of the attack on N originals; all tensors are on the CPU and have N rows.

    Attributes
    ----------
    images : torch.Tensor, uint8, [N, 3, S, S]
        Reconstructions; where a search diverged, the last candidate with a finite cost.
    recovered_labels : torch.Tensor, int64
        The class that the attack assumed or found.
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

    def named_status(self):
        """Return the status of each search as text: ``finished`` (all steps used), ``converged`` or ``diverged``."""
        names = {Status.RUNNING: "finished", Status.CONVERGED: "converged", Status.DIVERGED: "diverged"}
        return [names[status] for status in self.status.tolist()]


class Search:
    """Searches for the images behind N observed gradients, ``settings.restarts`` for each.

    Parameters
    ----------
    target : semsim.targets.models.Target
        In eval mode; everything runs on its device.
    observed : list of torch.Tensor, each [N, *shape]
        What `semsim.attacks.observation.shared_gradients` gives.
    labels : torch.Tensor, shape [N], int64
        The true classes, used only if the label rule is ``known``.
    seeds : list of int
        N * restarts; the restarts of one original are adjacent.
    settings : semsim.attacks.settings.AttackSettings
    plan : semsim.attacks.gradients.GradientPlan

    Notes
    -----
    Row r of every tensor is restart ``r % restarts`` of original ``r // restarts``. A row holds the pixels,
    followed by the label logits if the attack optimises the label.
    """

    def __init__(self, target, observed, labels, seeds, settings, plan):
        self.target = target
        self.settings = settings
        self.plan = plan
        self.step = 0
        self.recording = Recording()
        self.per_image_gradients = PerImageGradients(target, plan)
        if settings.restarts > 1:
            observed = [gradient.repeat_interleave(settings.restarts, 0) for gradient in observed]
            labels = labels.repeat_interleave(settings.restarts)
        self.objective = OBJECTIVES[settings.objective](observed)
        self.priors = settings.priors_on({*target.traits, *KNOWLEDGE})
        self.labels = LABELS[settings.label](target, observed, labels, seeds)
        self.searches_for_label = self.labels.is_floating_point()

        start = INITIALISATIONS[settings.initialisation](target, observed, seeds)
        self.image_shape = start.shape[1:]
        self.pixels = start[0].numel()
        lower, upper = (target.normalise(torch.full_like(start[0], value)).flatten() for value in (0.0, 1.0))
        start = start.flatten(1)
        if self.searches_for_label:
            logits = self.labels.to(start)
            unbounded = torch.full_like(logits[0], torch.inf)
            start = torch.cat([start, logits], 1)
            lower, upper = torch.cat([lower, -unbounded]), torch.cat([upper, unbounded])
        self.optimiser = OPTIMISERS[settings.optimiser](start, settings, lower, upper)
        self.initial_costs = torch.full((len(start),), torch.nan, device=start.device)
        self.costs = self.initial_costs.clone()
        self.diverged_at = torch.full((len(start),), -1, device=start.device)

    def advance(self):
        """Take one step in every running search."""
        self.costs, gradients = self.evaluate(self.optimiser.ask())
        if self.step == 0:
            self.initial_costs = self.costs
        before = self.optimiser.status.clone()
        self.optimiser.tell(self.costs, gradients)
        newly_diverged = (self.optimiser.status == Status.DIVERGED) & (before == Status.RUNNING)
        self.diverged_at[newly_diverged] = self.step
        self.step += 1

    def is_over(self):
        """Tell whether no steps are left; synchronises with the device."""
        return self.step >= self.settings.steps or not (self.optimiser.status == Status.RUNNING).any()

    def evaluate(self, points):
        """Return the cost [R] of each row of `points` [R, D] and its gradient [R, D]."""
        if not points.is_cuda:
            return self.compute(points)
        # Rounding changes the signs of tiny gradients only, but would mislead L-BFGS.
        with products_as_convolutions() if self.settings.signed else nullcontext():
            return self.recording(self.compute, points)

    def compute(self, points):
        """Evaluate `points` without a recording."""
        costs, gradients = [], []
        for first in range(0, len(points), self.plan.images_per_pass):
            rows = slice(first, first + self.plan.images_per_pass)
            candidates = points[rows].detach().requires_grad_()
            cost = self._model_cost(candidates, rows)
            gradients.append(torch.autograd.grad(cost.sum(), candidates)[0])
            costs.append(cost.detach())
        costs, gradients = torch.cat(costs), torch.cat(gradients)

        images = points[:, : self.pixels].detach().unflatten(1, self.image_shape).requires_grad_()
        cost = self._image_cost(images)
        if cost is not None:
            costs += cost.detach()
            gradients[:, : self.pixels] += torch.autograd.grad(cost.sum(), images)[0].flatten(1)
        return costs, gradients

    def _model_cost(self, candidates, rows):
        """Return the cost terms [R] of candidates [R, D] that depend on the target model."""
        images = candidates[:, : self.pixels].unflatten(1, self.image_shape)
        labels = candidates[:, self.pixels :].softmax(1) if self.searches_for_label else self.labels[rows]
        gradients, batchnorm_inputs = self.per_image_gradients(images, labels)
        return sum(self._prior_terms("batchnorm_inputs", batchnorm_inputs), start=self.objective(gradients, rows))

    def _image_cost(self, images):
        """Return the priors on the images themselves [R], or None if there are none."""
        terms = self._prior_terms("images", images.unflatten(0, (-1, self.settings.restarts)))
        return sum(terms).flatten() if terms else None

    def _prior_terms(self, of, seen):
        """Return the weighted priors on one kind of input, given that input."""
        return [weight * PRIORS[name](seen) for name, weight in self.priors.items() if PRIORS[name].of == of]

    def outcome(self):
        """Return the `Outcome`: of each original's restarts, the one with the lowest final cost."""
        points = self.optimiser.points
        costs, _ = self.evaluate(points)
        status = self.optimiser.status.clone()
        status[~costs.isfinite()] = Status.DIVERGED
        diverged_at = torch.where((status == Status.DIVERGED) & (self.diverged_at < 0), self.step, self.diverged_at)
        initial_costs = self.initial_costs if self.step else costs

        ranking = torch.where(status == Status.DIVERGED, torch.inf, costs).unflatten(0, (-1, self.settings.restarts))
        restarts = ranking.argmin(1)
        kept = torch.arange(len(restarts), device=restarts.device) * self.settings.restarts + restarts
        images = self.target.denormalise(points[kept, : self.pixels].unflatten(1, self.image_shape))
        labels = points[:, self.pixels :].argmax(1) if self.searches_for_label else self.labels
        return Outcome(
            images=(images.nan_to_num(0).clamp(0, 1) * 255).round().to("cpu", torch.uint8),
            recovered_labels=labels[kept].cpu(),
            status=status[kept].cpu(),
            diverged_at=diverged_at[kept].cpu(),
            restarts=restarts.cpu(),
            initial_costs=initial_costs[kept].cpu(),
            costs=costs[kept].cpu(),
        )

    def state_dict(self):
        """Return everything that is needed to resume exactly."""
        return {
            "step": self.step,
            "optimiser": self.optimiser.state_dict(),
            "initial_costs": self.initial_costs,
            "costs": self.costs,
            "diverged_at": self.diverged_at,
        }

    def load_state_dict(self, state):
        self.step = state["step"]
        self.optimiser.load_state_dict(state["optimiser"])
        for name in ("initial_costs", "costs", "diverged_at"):
            setattr(self, name, state[name].to(self.diverged_at.device))

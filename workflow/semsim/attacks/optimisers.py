"""Minimisers of many costs at once, each row independently.

``ask()`` returns the points [N, D] at which costs and gradients are needed; ``tell(costs, gradients)`` takes them and
updates the points. ``points`` are the best candidates so far and ``status`` is the state of each search. A row that has
stopped never moves again, and rows do not influence each other. ``state_dict()`` holds everything that is needed to
resume exactly.
"""

from __future__ import annotations

from enum import IntEnum

import lazy_loader

from semsim.registry import Registry

torch = lazy_loader.load("torch")

OPTIMISERS = Registry()


class Status(IntEnum):
    """The state of a search."""

    RUNNING = 0
    CONVERGED = 1
    DIVERGED = 2


@OPTIMISERS.register()
class Adam:
    """Adam with a step-wise schedule, optionally on gradient signs, optionally within a box.

    The update is that of `torch.optim.Adam` with its default betas. That class itself is not used because
    creating one imports PyTorch's compiler, which takes longer than many attacks.

    Parameters
    ----------
    start : torch.Tensor, shape [N, D]
    settings : semsim.attacks.settings.AttackSettings
    lower, upper : torch.Tensor, shape [D]
        The box; used if ``settings.boxed``.

    References
    ----------
    Kingma, Ba: Adam: A Method for Stochastic Optimization. ICLR 2015, algorithm 1.
    """

    BETAS = (0.9, 0.999)
    EPSILON = 1e-8
    _STATE = ("points", "previous", "status", "means", "squares")

    def __init__(self, start, settings, lower, upper):
        self.points = start.clone()
        self.previous = start.clone()
        self.status = torch.full((len(start),), Status.RUNNING, dtype=torch.int8, device=start.device)
        self.means = torch.zeros_like(start)
        self.squares = torch.zeros_like(start)
        self.settings = settings
        self.lower, self.upper = lower, upper
        self.step = 0

    def ask(self):
        return self.points

    def tell(self, costs, gradients):
        running = self.status == Status.RUNNING
        finite = costs.isfinite() & gradients.isfinite().all(1)
        # A search that became non-finite returns to its last point with a finite cost.
        diverged = (running & ~finite)[:, None]
        self.points = torch.where(diverged, self.previous, self.points)
        self.status[running & ~finite] = Status.DIVERGED
        self.status[running & finite & (costs <= self.settings.tolerance)] = Status.CONVERGED

        self.previous = self.points
        moved = self._moved(gradients.sign() if self.settings.signed else gradients)
        if self.settings.boxed:
            moved = torch.clamp(moved, self.lower, self.upper)
        self.points = torch.where((self.status == Status.RUNNING)[:, None], moved, self.points)

    def _moved(self, gradients):
        """Return the points after one descent step, and update the moments."""
        passed = sum(self.step >= round(share * self.settings.steps) for share in self.settings.milestones)
        learning_rate = self.settings.learning_rate * self.settings.decay**passed
        self.step += 1
        first, second = self.BETAS
        self.means = self.means.lerp(gradients, 1 - first)
        self.squares = second * self.squares + (1 - second) * gradients.square()
        means = self.means / (1 - first**self.step)
        squares = self.squares / (1 - second**self.step)
        return self.points - learning_rate * means / (squares.sqrt() + self.EPSILON)

    def state_dict(self):
        return {"step": self.step} | {name: getattr(self, name) for name in self._STATE}

    def load_state_dict(self, state):
        self.step = state["step"]
        for name in self._STATE:
            setattr(self, name, state[name].to(self.points.device))


@OPTIMISERS.register()
class LBFGS:
    """Limited-memory BFGS with a backtracking line search, in lock-step over the rows.

    Every `tell` is one evaluation of every row: a row whose trial point lowers its cost enough accepts it and takes a
    new direction; otherwise it shortens its step and tries again. So each row behaves like a separate search, and none
    waits for another. The first step, the scaling of the first Hessian and the curvature condition are those of
    `torch.optim.LBFGS`, which the published attacks use without a line search, so that some of their searches diverge.

    Parameters
    ----------
    start : torch.Tensor, shape [N, D]
    settings : semsim.attacks.settings.AttackSettings
        `history` and `tolerance` are used.
    lower, upper : ignored
        DLG and related attacks are unconstrained.

    References
    ----------
    Nocedal, Wright: Numerical Optimization. 2nd edition, 2006, algorithms 7.4 and 3.1.
    """

    SUFFICIENT_DECREASE = 1e-4
    MAX_SHORTENINGS = 12
    _STATE = (
        "points", "status", "costs", "gradients", "directions", "step_sizes", "slopes", "shortenings",
        "position_changes", "gradient_changes", "curvatures", "newest",
    )  # fmt: skip

    def __init__(self, start, settings, lower=None, upper=None):
        rows, dimensions = start.shape
        per_row = {"device": start.device, "dtype": start.dtype}
        self.tolerance = settings.tolerance
        self.points = start.clone()
        self.status = torch.full((rows,), Status.RUNNING, dtype=torch.int8, device=start.device)
        self.costs = torch.full((rows,), torch.inf, **per_row)
        self.gradients = torch.zeros_like(start)
        self.directions = torch.zeros_like(start)
        self.step_sizes = torch.zeros(rows, **per_row)
        self.slopes = torch.zeros(rows, **per_row)
        self.shortenings = torch.zeros(rows, dtype=torch.int64, device=start.device)
        # The history is a ring buffer per row; a curvature of 0 marks an unused place.
        self.position_changes = torch.zeros(settings.history, rows, dimensions, **per_row)
        self.gradient_changes = torch.zeros(settings.history, rows, dimensions, **per_row)
        self.curvatures = torch.zeros(settings.history, rows, **per_row)
        self.newest = torch.zeros(rows, dtype=torch.int64, device=start.device)

    def ask(self):
        return self.points + self.step_sizes[:, None] * self.directions

    def tell(self, costs, gradients):
        running = self.status == Status.RUNNING
        finite = costs.isfinite() & gradients.isfinite().all(1)
        first = self.costs.isinf()
        self.status[running & first & ~finite] = Status.DIVERGED
        enough = costs <= self.costs + self.SUFFICIENT_DECREASE * self.step_sizes * self.slopes
        accepted = running & finite & (first | enough)
        rejected = running & ~accepted & ~first

        self._remember(accepted & ~first, gradients)
        self.points = torch.where(accepted[:, None], self.ask(), self.points)
        self.costs = torch.where(accepted, costs, self.costs)
        self.gradients = torch.where(accepted[:, None], gradients, self.gradients)
        self.status[accepted & (costs <= self.tolerance)] = Status.CONVERGED

        self._shorten(rejected, costs)
        exhausted = rejected & (self.shortenings > self.MAX_SHORTENINGS)
        steepest = (self.curvatures == 0).all(0)
        self.status[exhausted & steepest] = Status.CONVERGED  # no descent step is left at this precision
        self.curvatures[:, exhausted] = 0  # restart from steepest descent
        self._aim(accepted | exhausted)

    def _remember(self, rows, gradients):
        """Add the accepted steps that have positive curvature to the history."""
        position_changes = self.step_sizes[:, None] * self.directions
        gradient_changes = gradients - self.gradients
        curvatures = (position_changes * gradient_changes).sum(1)
        rows = (rows & (curvatures > 1e-10)).nonzero()[:, 0]
        self.newest[rows] = (self.newest[rows] + 1) % len(self.curvatures)
        place = self.newest[rows]
        self.position_changes[place, rows] = position_changes[rows]
        self.gradient_changes[place, rows] = gradient_changes[rows]
        self.curvatures[place, rows] = curvatures[rows]

    def _shorten(self, rows, costs):
        """Shorten the steps of rejected rows to the minimum of a parabola, by a factor between 0.1 and 0.5."""
        excess = costs - self.costs - self.step_sizes * self.slopes
        shares = (-0.5 * self.step_sizes * self.slopes / excess).nan_to_num(0.5).clamp(0.1, 0.5)
        self.step_sizes = torch.where(rows, shares * self.step_sizes, self.step_sizes)
        self.shortenings += rows

    def _aim(self, rows):
        """Set new directions and initial step sizes in the given rows."""
        directions = -self._inverse_hessian_times(self.gradients)
        slopes = (directions * self.gradients).sum(1)
        uphill = rows & (slopes >= 0)
        self.curvatures[:, uphill] = 0
        directions = torch.where(uphill[:, None], -self.gradients, directions)
        slopes = torch.where(uphill, -self.gradients.square().sum(1), slopes)
        steepest = (self.curvatures == 0).all(0)
        step_sizes = torch.where(steepest, (1 / self.gradients.abs().sum(1)).clamp(max=1), 1.0)
        self.directions = torch.where(rows[:, None], directions, self.directions)
        self.slopes = torch.where(rows, slopes, self.slopes)
        self.step_sizes = torch.where(rows, step_sizes, self.step_sizes)
        self.shortenings.masked_fill_(rows, 0)

    def _inverse_hessian_times(self, vectors):
        """Return the two-loop recursion over each row's own history."""
        rows = torch.arange(len(vectors), device=vectors.device)
        history = len(self.curvatures)
        places = [(self.newest - age) % history for age in range(history)]
        inverse = torch.where(self.curvatures > 0, 1 / self.curvatures, 0)
        vectors, weights = vectors.clone(), []
        for place in places:
            weight = inverse[place, rows] * (self.position_changes[place, rows] * vectors).sum(1)
            vectors -= weight[:, None] * self.gradient_changes[place, rows]
            weights.append(weight)
        squared = self.gradient_changes[self.newest, rows].square().sum(1)
        curvature = self.curvatures[self.newest, rows]
        vectors *= torch.where(curvature > 0, curvature / squared, 1.0)[:, None]
        for place, weight in zip(reversed(places), reversed(weights), strict=True):
            correction = inverse[place, rows] * (self.gradient_changes[place, rows] * vectors).sum(1)
            vectors += (weight - correction)[:, None] * self.position_changes[place, rows]
        return vectors

    def state_dict(self):
        return {name: getattr(self, name) for name in self._STATE}

    def load_state_dict(self, state):
        for name in self._STATE:
            getattr(self, name).copy_(state[name])

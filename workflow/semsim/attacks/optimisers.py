"""Minimisers of many costs at once, each row independently.

``ask()`` returns the points [N, D] at which costs and gradients are needed; ``tell(costs, gradients)`` takes them and
updates the points. ``points`` are the best candidates so far and ``status`` is the state of each search. A row that has
stopped never moves again, and rows do not influence each other. ``state_dict()`` holds everything that is needed to
resume exactly.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

import lazy_loader

from semsim.registry import Registry

if TYPE_CHECKING:
    from semsim.attacks.settings import AttackSettings

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
    STATE = ("points", "previous", "status", "means", "squares")

    def __init__(self, start: torch.Tensor, settings: AttackSettings, lower: torch.Tensor, upper: torch.Tensor):
        self.points = start.clone()
        self.previous = start.clone()
        self.status = torch.full((len(start),), Status.RUNNING, dtype=torch.int8, device=start.device)
        self.means = torch.zeros_like(start)
        self.squares = torch.zeros_like(start)
        self.settings = settings
        self.lower, self.upper = lower, upper
        self.step = 0

    def ask(self) -> torch.Tensor:
        """Return the points [N, D] at which costs and gradients are needed."""
        return self.points

    def tell(self, costs: torch.Tensor, gradients: torch.Tensor) -> None:
        """Take the costs [N] and the gradients [N, D] at the points that were asked for."""
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

    def state_dict(self) -> dict:
        """Return everything that is needed to resume exactly."""
        return {"step": self.step} | {name: getattr(self, name) for name in self.STATE}

    def load_state_dict(self, state: dict) -> None:
        """Resume from a `state_dict`."""
        self.step = state["step"]
        for name in self.STATE:
            setattr(self, name, state[name].to(self.points.device))


@OPTIMISERS.register()
class LBFGS:
    """Limited-memory BFGS in lock-step over the rows, which takes full steps unless they are clearly too short or long.

    Every `tell` is one evaluation of every row, and no row waits for another. A row takes the full quasi-Newton step
    even if its cost rises, as published attacks do with `torch.optim.LBFGS`, and the best point is kept. Two kinds of
    trials are rejected:

    - too long: the cost is not finite, or more than `TOLERATED_RISE` times the row's lowest. The row tries a shorter
      step.
    - too short: the cost falls, but still almost as steeply as at the base. The row tries a longer step, as a strong
      Wolfe search does. This matters at the start, where nothing is known of the scale of a step: the first one is
      often a hundred times too short, and the history would begin with a scale that is wrong.

    A line search that asks for descent fails here. Gradients of a network with ReLUs jump wherever a unit switches, and
    so does the distance between gradients, by percents where a step is expected to gain a thousandth: such a search
    rejects four of five evaluations (benchmarks/lbfgs.py). With no bound at all, some searches never return from a bad
    step. The bound is a ratio because costs are distances, which are at least 0.

    Parameters
    ----------
    start : torch.Tensor, shape [N, D]
    settings : semsim.attacks.settings.AttackSettings
        `history` and `tolerance` are used.
    lower, upper : ignored
        DLG and related attacks are unconstrained.

    Notes
    -----
    The first step, the scaling of the first Hessian, the curvature condition and the lengthening of steps are those of
    `torch.optim.LBFGS`. The history of a row holds those of the last `history` evaluations that were steps of positive
    curvature.

    References
    ----------
    Nocedal, Wright: Numerical Optimization. 2nd edition, 2006, algorithms 7.4 and 7.5, and equation 3.58.
    Byrd, Nocedal, Schnabel: Representations of quasi-Newton matrices and their use in limited memory methods.
    Mathematical Programming 63, 1994.
    """

    TOLERATED_RISE = 5.0
    STEEP = 0.9
    LONGEST_STRETCH = 10.0
    LEAST_CURVATURE = 1e-10
    MAX_SHORTENINGS = 12
    MAX_LENGTHENINGS = 25
    STATE = (
        "points", "status", "costs", "gradients",
        "bases", "base_costs", "base_gradients", "directions", "slopes", "step_sizes", "shortenings", "lengthenings",
        "short_sizes", "short_costs", "short_slopes",
        "position_changes", "gradient_changes", "products", "scales", "used",
    )  # fmt: skip

    def __init__(
        self,
        start: torch.Tensor,
        settings: AttackSettings,
        lower: torch.Tensor | None = None,
        upper: torch.Tensor | None = None,
    ):
        rows, dimensions = start.shape
        self.history = settings.history
        self.tolerance = settings.tolerance
        self.step = 0
        self.status = torch.full((rows,), Status.RUNNING, dtype=torch.int8, device=start.device)
        # The best point of each row, and the base from which it steps next.
        self.points, self.bases = start.clone(), start.clone()
        self.costs, self.base_costs = (start.new_full((rows,), torch.inf) for _ in range(2))
        self.gradients, self.base_gradients, self.directions = (torch.zeros_like(start) for _ in range(3))
        self.step_sizes, self.slopes = start.new_zeros(rows), start.new_zeros(rows)
        self.shortenings, self.lengthenings = (
            torch.zeros(rows, dtype=torch.int64, device=start.device) for _ in range(2)
        )
        # The last trial of each row that was too short, at first the base itself.
        self.short_sizes, self.short_costs, self.short_slopes = (start.new_zeros(rows) for _ in range(3))
        # A ring buffer with one place for each evaluation, the same for all rows; not every row uses each.
        self.position_changes, self.gradient_changes = (
            start.new_zeros(rows, self.history, dimensions) for _ in range(2)
        )
        self.products = start.new_zeros(rows, self.history, self.history)
        self.scales = start.new_ones(rows)
        self.used = torch.zeros(rows, self.history, dtype=torch.bool, device=start.device)

    def ask(self) -> torch.Tensor:
        """Return the points [N, D] at which costs and gradients are needed."""
        return self.bases + self.step_sizes[:, None] * self.directions

    def tell(self, costs: torch.Tensor, gradients: torch.Tensor) -> None:
        """Take the costs [N] and the gradients [N, D] at the points that were asked for."""
        trials = self.ask()
        running = self.status == Status.RUNNING
        finite = costs.isfinite() & gradients.isfinite().all(1)
        first = self.costs.isinf()
        self.status[running & first & ~finite] = Status.DIVERGED
        sound = running & finite & (first | (costs <= self.TOLERATED_RISE * self.costs))
        slopes = (self.directions * gradients).sum(1)
        too_long = running & ~sound & ~first
        too_short = sound & ~first & self._is_too_short(costs, slopes)
        accepted = sound & ~too_short

        self._remember(accepted & ~first, trials - self.bases, gradients - self.base_gradients)
        improved = sound & (costs < self.costs)
        self._set(improved, points=trials, costs=costs, gradients=gradients)
        self.status[improved & (costs <= self.tolerance)] = Status.CONVERGED
        self._shorten(too_long, costs)
        self._lengthen(too_short, costs, slopes)
        self._set(accepted, bases=trials, base_costs=costs, base_gradients=gradients)
        exhausted = too_long & (self.shortenings > self.MAX_SHORTENINGS)
        self._return(exhausted)
        self._aim(accepted | exhausted)
        self.step += 1

    def _set(self, rows, **values):
        """Set parts of the state in the given rows, a mask [N]."""
        for name, new in values.items():
            old = getattr(self, name)
            setattr(self, name, torch.where(rows if old.ndim == 1 else rows[:, None], new, old))

    def _remember(self, rows, position_changes, gradient_changes):
        """Add the changes that have positive curvature to the history."""
        curvatures = (position_changes * gradient_changes).sum(1)
        rows = rows & (curvatures > self.LEAST_CURVATURE)
        place, filled = self.step % self.history, self._filled()
        self.used[:, place] = rows
        self.position_changes[:, place] = torch.where(rows[:, None], position_changes, 0)
        self.gradient_changes[:, place] = torch.where(rows[:, None], gradient_changes, 0)
        # The recursion needs the products of gradient changes with older position changes only: a column, but no row.
        self.products[:, :filled, place] = _products(self.position_changes[:, :filled], self.gradient_changes[:, place])
        self._set(rows, scales=curvatures / gradient_changes.square().sum(1))

    def _shorten(self, rows, costs):
        """Shorten the steps of rejected rows to the minimum of a parabola, by a factor between 0.1 and 0.5."""
        excess = costs - self.base_costs - self.step_sizes * self.slopes
        shares = (-0.5 * self.step_sizes * self.slopes / excess).nan_to_num(0.5).clamp(0.1, 0.5)
        self._set(rows, step_sizes=shares * self.step_sizes, shortenings=self.shortenings + 1)

    def _is_too_short(self, costs, slopes):
        """Return which rows go on falling, almost as steeply as at the base, and have not been too far already."""
        falls = (costs < self.short_costs) & (slopes < self.STEEP * self.slopes)
        return falls & (self.shortenings == 0) & (self.lengthenings < self.MAX_LENGTHENINGS)

    def _lengthen(self, rows, costs, slopes):
        """Lengthen steps to the minimum of the cubic through this trial and the last one, by a factor of up to 10."""
        sizes = self.step_sizes
        least, most = sizes + 0.01 * (sizes - self.short_sizes), self.LONGEST_STRETCH * sizes
        minima = _cubic_minima((self.short_sizes, self.short_costs, self.short_slopes), (sizes, costs, slopes))
        longer = torch.where(minima.isfinite(), minima.clamp(least, most), (least + most) / 2)
        self._set(rows, short_sizes=sizes, short_costs=costs, short_slopes=slopes)
        self._set(rows, step_sizes=longer, lengthenings=self.lengthenings + 1)

    def _return(self, rows):
        """Return to the best points without a history; without one already, no step is left at this precision."""
        self.status[rows & ~self.used.any(1)] = Status.CONVERGED
        self._set(rows, bases=self.points, base_costs=self.costs, base_gradients=self.gradients)
        self._forget(rows)

    def _forget(self, rows):
        self.used &= ~rows[:, None]
        self.scales = self.scales.masked_fill(rows, 1)

    def _aim(self, rows):
        """Set new directions and initial step sizes in the given rows."""
        gradients = self.base_gradients
        directions = -self._inverse_hessian_times(gradients)
        uphill = (directions * gradients).sum(1) >= 0
        self._forget(rows & uphill)
        directions = torch.where(uphill[:, None], -gradients, directions)
        step_sizes = torch.where(self.used.any(1), 1, (1 / gradients.abs().sum(1)).clamp(max=1))
        slopes = (directions * gradients).sum(1)
        none = torch.zeros_like(self.shortenings)
        self._set(
            rows, directions=directions, slopes=slopes, step_sizes=step_sizes, shortenings=none, lengthenings=none
        )
        self._set(rows, short_sizes=torch.zeros_like(slopes), short_costs=self.base_costs, short_slopes=slopes)

    def _inverse_hessian_times(self, vectors):
        """Return the two-loop recursion over each row's own history.

        Each loop solves a triangular system: with the upper triangle U of the products of position changes S and
        gradient changes Y, from old to new, the weights of the first loop are the solution of U a = S v. These small
        systems are solved in double precision, where rounding does not depend on how many rows there are.
        """
        filled = self._filled()
        oldest = (self.step + 1) % filled
        used, position_changes, gradient_changes = (
            each[:, :filled] for each in (self.used, self.position_changes, self.gradient_changes)
        )
        products = self.products[:, :filled, :filled]
        both = (used[:, :, None] & used[:, None]).roll((-oldest, -oldest), (1, 2))
        upper = products.roll((-oldest, -oldest), (1, 2)).triu().double()
        upper = torch.where(both, upper, torch.eye(filled, dtype=upper.dtype, device=upper.device))

        def solve(matrices, values, upper):
            values = torch.where(used, values, 0).roll(-oldest, 1).to(matrices)
            solution = torch.linalg.solve_triangular(matrices, values[:, :, None], upper=upper)[:, :, 0]
            return solution.roll(oldest, 1).to(vectors)

        weights = solve(upper, _products(position_changes, vectors), upper=True)
        rest = self.scales[:, None] * (vectors - _combined(weights, gradient_changes))
        corrections = products.diagonal(dim1=1, dim2=2) * weights - _products(gradient_changes, rest)
        return rest + _combined(solve(upper.mT, corrections, upper=False), position_changes)

    def _filled(self):
        """Return how many places of the history have been written to, this evaluation's included."""
        return min(self.step + 1, self.history)

    def state_dict(self) -> dict:
        """Return everything that is needed to resume exactly."""
        return {"step": self.step} | {name: getattr(self, name) for name in self.STATE}

    def load_state_dict(self, state: dict) -> None:
        """Resume from a `state_dict`."""
        self.step = state["step"]
        for name in self.STATE:
            getattr(self, name).copy_(state[name])


def _cubic_minima(first, second):
    """Return where the cubics through two trials have their minima [N], NaN where they have none.

    Each trial is a tuple of the step sizes, costs and slopes [N].
    """
    (near, near_costs, near_slopes), (far, far_costs, far_slopes) = first, second
    centres = near_slopes + far_slopes - 3 * (near_costs - far_costs) / (near - far)
    roots = (centres.square() - near_slopes * far_slopes).sqrt()
    return far - (far - near) * (far_slopes + roots - centres) / (far_slopes - near_slopes + 2 * roots)


def _products(matrices, vectors):
    """Return the inner products [N, H] of the rows of each matrix [N, H, D] with its vector [N, D].

    On a CPU, with the vector on the left: on the right, the product takes several times as long, and its rounding
    depends on N.
    """
    return torch.bmm(vectors[:, None], matrices.mT)[:, 0]


def _combined(weights, matrices):
    """Return the sums [N, D] of the rows of each matrix [N, H, D], weighted [N, H]."""
    return torch.bmm(weights[:, None], matrices)[:, 0]

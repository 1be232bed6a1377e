"""One attack on all clients of one target, in shares that fit in memory; its state is saved, so that it can resume."""

import hashlib
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

import pandas as pd
import torch

from semsim.attacks.clients import ClientSettings, consecutive, drawn
from semsim.attacks.engine import Outcome, Search
from semsim.attacks.gradients import UpdatePlan
from semsim.attacks.matching import match_batch
from semsim.attacks.observation import augment, shared_updates
from semsim.attacks.optimisers import OPTIMISERS
from semsim.attacks.planning import count_activations, plan_updates
from semsim.attacks.priors import PRIORS
from semsim.attacks.settings import AttackSettings
from semsim.attacks.state import RunState
from semsim.errors import SemsimError
from semsim.io.images import as_floats
from semsim.progress import progress_bar
from semsim.seeds import seed_for
from semsim.targets.calls import batchnorm_layers_without_maps
from semsim.targets.defences import GradientDefence
from semsim.targets.device import memory_of
from semsim.targets.models import Target, count_parameters
from semsim.targets.traits import KNOWLEDGE
from semsim.text import counted

log = logging.getLogger(__name__)

DEFAULT_BYTES = 2 * 2**30
MEASURED_SECONDS = 0.5
"""A step on one client that takes longer is not measured on more of them."""
LOOK_EVERY_STEPS = 20  # asking a GPU for a cost makes it wait


@dataclass(frozen=True)
class AttackRun:
    """One attack on the originals of one target model, which its clients hold.

    Parameters
    ----------
    dataset, target_name, attack : str
        Names within the study; seeds are drawn from them.
    target : semsim.targets.models.Target
        In eval mode, on the device to run on.
    originals : torch.Tensor, shape [N, 3, S, S], uint8
        Or, with an augmentation that takes them, floating point in [0, 1].
    labels : torch.Tensor, shape [N], int64
    settings : semsim.attacks.settings.AttackSettings
    augmentation : callable
        As `semsim.targets.augmentation.Augmentation`: what a client does to an image before the model sees it.
    defence : semsim.targets.defences.GradientDefence
        What a client does to its update before sharing it.
    study_seed : int
    memory_gib : float or None
        How much memory the searches of one share may take. The shares follow from it, so it belongs to the study:
        another value gives other, equally good reconstructions. None is 2, or a quarter of a GPU's if that is more, and
        one client may take more, up to the memory of the device.
    first : int
        The number that the first of these originals has among all of the data set.
    client : ClientSettings
        What clients do. If the number of originals is not a multiple of its batch, the last client has fewer.
    draw_clients : bool
        Whether the originals of each client are drawn at random, the same for every target model and attack; otherwise
        consecutive ones belong to one client.
    plan : semsim.attacks.gradients.UpdatePlan, optional
        How the updates are computed. Choosing one takes seconds, so runs on one target share it; by default, it is
        chosen when it is needed.
    """

    dataset: str
    target_name: str
    attack: str
    target: Target
    originals: torch.Tensor
    labels: torch.Tensor
    settings: AttackSettings
    augmentation: Callable[[torch.Tensor, torch.Generator], torch.Tensor]
    defence: GradientDefence
    study_seed: int
    memory_gib: float | None
    first: int = 0
    client: ClientSettings = ClientSettings()
    draw_clients: bool = False
    plan: UpdatePlan | None = None

    @cached_property
    def _plan(self):
        return self.plan or plan_updates(self.target, self.client, self.target.mean.device)

    def attacked(self) -> torch.Tensor:
        """Return the images that enter the target model, uint8 [N, 3, S, S]; the same for every attack."""
        return augment(self.originals, self.augmentation, self._seeds("augmentation", range(len(self.originals))))

    def left_out(self) -> list[str]:
        """Return which priors, or parts of them, are left out on this target and why, as sentences."""
        traits = self._traits()
        looking = [name for name in self.settings.priors_on(traits) if PRIORS[name].of != "images"]
        layers = batchnorm_layers_without_maps(self.target) if looking else []
        overlooked = [
            f"prior {name} has nothing to compare in BatchNorm layer '{layer}', which is given no feature maps"
            for name in looking
            for layer in layers
        ]
        return self.settings.left_out(traits) + overlooked

    def run(self, state_path: str | os.PathLike | None = None, code: str = "") -> tuple[torch.Tensor, Outcome]:
        """Run the attack.

        Parameters
        ----------
        state_path : path-like, optional
            Where to keep the state of the run and, in the end, its outcome. If it holds the state of the same run, the
            run resumes from it, with the same result as without interruption; one that was finished is not run again.
        code : str
            Which code this is. A state that other code left is of another run.

        Returns
        -------
        attacked : torch.Tensor, uint8 [N, 3, S, S]
        outcome : semsim.attacks.engine.Outcome
            With one row for each original, as a client of its own: the reconstructions of a batch are matched with its
            images by `semsim.attacks.matching.match_batch`.

        Raises
        ------
        SemsimError
            If one client alone does not fit into `memory_gib`, or the device has less memory than that; if the target
            or the client lacks what the attack needs, or its update cannot be computed.
        """
        self._check()
        for sentence in self.left_out():
            log.warning("attack %s: %s, and runs without it.", self._title, sentence)
        attacked = self.attacked()
        shares = self._shares()
        with RunState(state_path, self._fingerprint(attacked, code)) as state:
            self._run_shares(shares, attacked, state)
        joined = {field.name: [getattr(outcome, field.name) for outcome in state.outcomes] for field in fields(Outcome)}
        order = torch.cat([share.flatten() for share in shares]).argsort()
        return attacked, Outcome(**{name: torch.cat(parts)[order] for name, parts in joined.items()})

    @cached_property
    def step_seconds(self) -> float:
        """How long a step on one original takes, measured as the second step on the first clients.

        One client is measured first, and all of a share only if that is quick.
        """
        attacked, first_share = self.attacked(), self._shares()[0]
        for share in (first_share[:1], first_share):
            search = self._search(share, attacked[share])
            search.advance()
            search.costs.sum().item()  # which waits for a GPU
            started = time.monotonic()
            search.advance()
            search.costs.sum().item()
            seconds = time.monotonic() - started
            if seconds > MEASURED_SECONDS:
                break
        return seconds / share.numel()

    def left(self, state_path: str | os.PathLike) -> float:
        """Return the share of its steps that `run` would still take, from 0 (finished) to 1 (new); nothing changes."""
        if not Path(state_path).exists():
            return 1.0
        with RunState(state_path, self._fingerprint(self.attacked(), "")) as state:
            done = len(state.outcomes) + (state.search["step"] / self.settings.steps if state.search else 0)
        return max(0.0, 1 - done / len(self._shares()))

    def table(self, outcome: Outcome) -> pd.DataFrame:
        """Return a table with one row per original: what the attack knew, did and reached."""
        firsts = {place: self.first + batch[0] for batch in self.clients() for place in batch}
        return pd.DataFrame(
            {
                "dataset": self.dataset,
                "target": self.target_name,
                "attack": self.attack,
                "original": range(self.first, self.first + len(self.labels)),
                "client": str(self.client),
                "batch": [firsts[place] for place in range(len(self.labels))],
                "label": self.labels.numpy(),
                "recovered_label": outcome.recovered_labels.numpy(),
                "status": outcome.named_status(),
                "diverged_at": pd.array(outcome.diverged_at.tolist(), dtype="Int64"),
                "restart": outcome.restarts.numpy(),
                "initial_cost": outcome.initial_costs.numpy(),
                "cost": outcome.costs.numpy(),
                "seed": [self._search_seeds(place)[0] for place in range(len(self.labels))],
                "knowledge": " ".join(self.settings.knowledge(self._traits())),
            }
        ).replace({"diverged_at": {-1: pd.NA}})

    def _traits(self):
        return {*self.target.traits, *self.client.traits, *KNOWLEDGE}

    @property
    def _title(self):
        return f"{self.dataset}/{self.target_name}/{self.attack}"

    def _check(self):
        """Refuse an attack that lacks what it needs, and a client that lacks what its defence needs."""
        if problems := self.settings.unmet(self._traits()):
            raise SemsimError(f"attack {self._title}: {'; '.join(problems)}. Choose another attack, target or client.")
        if problem := self.client.cannot_defend(self.defence):
            raise SemsimError(f"attack {self._title}: {problem}")

    def clients(self) -> list[list[int]]:
        """Return the places of the originals of each client, in ascending order; the last may have fewer."""
        places = list(range(len(self.originals)))
        if not self.draw_clients:
            return consecutive(places, self.client.batch)
        numbers = drawn(self._numbers(places), self.client.batch, self.study_seed, "client", self.dataset)
        full = sorted(sorted(number - self.first for number in each) for each in numbers)
        return sorted(full, key=len, reverse=True)

    def _shares(self):
        """Return the places of the originals of the clients that are attacked at once: list of [clients, batch]."""
        clients = self.clients()
        full = torch.tensor([each for each in clients if len(each) == self.client.batch], dtype=torch.int64)
        shares = list(full.split(self._clients_per_share()))
        return shares + [torch.tensor([each]) for each in clients if len(each) < self.client.batch]

    def _run_shares(self, shares, attacked, state):
        """Attack the shares that the state does not have, and add their outcomes to it."""
        done = len(state.outcomes) * self.settings.steps + (state.search["step"] if state.search else 0)
        with progress_bar(len(shares) * self.settings.steps, self._title, unit="step", initial=done) as bar:
            try:
                for share in shares[len(state.outcomes) :]:
                    state.finish_share(self._run_share(share, attacked[share], state, bar))
            except (RuntimeError, MemoryError) as error:
                if not _is_out_of_memory(error):
                    raise
                raise SemsimError(
                    f"attack {self._title}: no space for the updates of {counted(len(shares[0]), 'clients')} on "
                    f"{self.target.mean.device}. Lower memory_gib (now {self._budget() / 2**30:.3g})."
                ) from None

    def _run_share(self, share, attacked, state, bar):
        """Attack the clients of one share, from the state if it holds a search; return the outcome by original."""
        search = self._search(share, attacked)
        if state.search:
            search.load_state_dict(state.search)
        while not (search.step % LOOK_EVERY_STEPS == 0 and search.is_over()) and search.step < self.settings.steps:
            search.advance()
            bar.update()
            if search.step % LOOK_EVERY_STEPS == 0:
                bar.set_postfix(mean_cost=f"{search.costs.nanmean():.3g}", refresh=False)
                state.keep(search)
        bar.update(self.settings.steps - search.step)
        return _by_original(search.outcome(), as_floats(attacked))

    def _search(self, share, attacked):
        """Return the search for the originals of the clients of one share, before its first step."""
        labels = self.labels[share].to(self.target.mean.device)
        observed = self._shared(share, attacked, self.defence)
        return Search(self.target, observed, labels, self._seeds_of_share(share), self.settings, self._plan)

    def undefended(self) -> Iterator[tuple[torch.Tensor, list[torch.Tensor]]]:
        """Yield the places of the originals of some clients, [clients, batch], and their updates before any defence."""
        attacked = self.attacked()
        for share in self._shares():
            yield share, self._shared(share, attacked[share], GradientDefence()).updates

    def _shared(self, share, attacked, defence):
        """Return what the clients of a share give away, `semsim.attacks.observation.Observation`."""
        device = self.target.mean.device
        images, labels = as_floats(attacked).to(device), self.labels[share].to(device)
        seeds = self._seeds("defence", share[:, 0].tolist())
        return shared_updates(self.target, self._plan, images, labels, defence, seeds)

    def _clients_per_share(self):
        """Return how many clients fit into the memory budget at once."""
        settings, client, spec = self.settings, self.client, self.target.spec
        # Of each local step: observed update, candidate's update, and their difference or product on the way back.
        updates = 4 * client.local_steps * count_parameters(self.target)
        variables = client.batch * (3 * spec["image_size"] ** 2 + spec["classes"])
        searcher = 6 * variables
        if settings.optimiser == "lbfgs":
            searcher = (2 * settings.history + 12) * variables + 5 * settings.history**2
        client_bytes = 4 * settings.restarts * (updates + searcher)
        # A pass keeps the activations for two backward passes. It is full, or has all clients of the share.
        candidate_bytes = 4 * 6 * client.batch * client.local_steps * count_activations(self.target)
        full_pass_bytes, pass_bytes = candidate_bytes * self._plan.clients_per_pass, candidate_bytes * settings.restarts
        budget = self._budget()
        with_full_passes = (budget - full_pass_bytes) // client_bytes
        in_one_pass = budget // (client_bytes + pass_bytes)
        clients = int(max(with_full_passes, in_one_pass))
        if clients < 1:
            self._check_one_client(client_bytes + min(pass_bytes, full_pass_bytes))
        return max(clients, 1)

    def _budget(self):
        """Return how many bytes the searches of one share may take."""
        if self.memory_gib is not None:
            return min(self.memory_gib * 2**30, sys.maxsize)
        device = self.target.mean.device
        return max(DEFAULT_BYTES, memory_of(device) // 4 if device.type == "cuda" else 0)

    def _check_one_client(self, needed):
        """Refuse to attack one client at once if it takes more bytes than it may."""
        if self.memory_gib is not None:
            limit, advice = f"memory_gib is {self.memory_gib:g}", "Raise memory_gib, or take"
        elif needed > (there := memory_of(self.target.mean.device)):
            limit, advice = f"{self.target.mean.device} has {there / 2**30:.3g} GiB", "Take"
        else:
            return
        raise SemsimError(
            f"attack {self._title}: one client ({self.client}) with"
            f" {counted(self.settings.restarts, 'restarts')} takes {needed / 2**30:.3g} GiB, but {limit}. {advice} an"
            " attack with fewer restarts, a smaller batch or a smaller target."
        )

    def _numbers(self, places):
        """Return the numbers that the originals at these places have in the data set."""
        return [self.first + place for place in places]

    def _seeds(self, purpose, places):
        """Seeds of what a client does: the same for every attack."""
        names = (purpose, self.dataset, self.target_name)
        return [seed_for(self.study_seed, *names, number) for number in self._numbers(places)]

    def _search_seeds(self, place):
        """Seeds of the restarts on the original at a place."""
        names = (self.dataset, self.target_name, self.attack, self.first + place)
        return [seed_for(self.study_seed, "search", *names, restart) for restart in range(self.settings.restarts)]

    def _seeds_of_share(self, share):
        """Seeds of the searches on the clients of a share: for each restart, one for each image of its batch."""
        by_client = ([self._search_seeds(place) for place in client] for client in share.tolist())
        return [list(each) for seeds in by_client for each in zip(*seeds, strict=True)]

    def _fingerprint(self, attacked, code):
        """Return a digest of everything that decides how the run goes."""
        digest = hashlib.blake2b(digest_size=16)
        names = (self.dataset, self.target_name, self.attack, self.study_seed, self._budget(), self.first, code)
        names += (self.draw_clients,)
        device = self.target.mean.device.type
        state = OPTIMISERS[self.settings.optimiser].function.STATE  # another version of this code may keep another
        digest.update(repr((names, self.settings.model_dump(), state, self.defence, self._plan, device)).encode())
        digest.update(torch.__version__.encode())
        for tensor in (attacked, self.labels, *self.target.state_dict().values()):
            digest.update(tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()


def _by_original(outcome, images):
    """Return the outcome on clients as rows of originals, the images [N, B, 3, S, S] in their order.

    The reconstructions of a batch come in any order: they are matched with its images.
    """
    partners = torch.stack([match_batch(*each) for each in zip(images, outcome.images, strict=True)])
    rows = torch.arange(len(partners))[:, None]
    by_client = {field.name: getattr(outcome, field.name) for field in fields(Outcome)}
    by_image = {name: by_client.pop(name)[rows, partners].flatten(0, 1) for name in ("images", "recovered_labels")}
    repeated = {name: each.repeat_interleave(images.shape[1]) for name, each in by_client.items()}
    return Outcome(**by_image, **repeated)


def _is_out_of_memory(error):
    """Tell a lack of memory from other errors; the CPU's allocator has no exception of its own."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)

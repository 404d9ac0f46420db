"""What a trained policy is held against: one that knows everything, orderd's rules, and chance. Imports torch.

    oracle   knows each fault; repairs what can be repaired, causes first, and calls a person for the rest. Also DAgger's expert
    rules    orderd's own rule diagnoser, candidates and order of causes, on the windows that it would have had
    chance   any action that may be taken; mostly none

Axes: N host, L lane, D cure, E slot, R repair.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Final, Protocol

import torch
from torch import Tensor

from orderd.decision.candidates import candidates
from orderd.decision.consequences import COMMON_CAUSE_S, NOT_YET_S
from orderd.decision.precedence import cause_of
from orderd.decision.together import silent_together
from orderd.diagnosis import by_rules
from orderd.domain.faults import Entity, Failure
from orderd.domain.repairs import Repair
from orderd.domain.values import Diagnosis
from orderd.domain.window import Window
from ordertrainer.sim.attempts import ATTEMPTS
from ordertrainer.sim.candidates import held
from ordertrainer.sim.signals import Observation
from ordertrainer.sim.simulator import Simulator
from ordertrainer.sim.state import State
from ordertrainer.sim.tables import Compiled
from ordertrainer.sim.windows import window_of
from ordertrainer.sim.world import hopeless

CHANCE_WAITS: Final = 0.9


class Policy(Protocol):
    """What chooses actions."""

    def act(self, sim: Simulator, seen: Observation) -> Tensor:
        """Return [N] int64 actions for what is seen now."""
        ...


class Oracle:
    """Knows which fault is where."""

    def act(self, sim: Simulator, seen: Observation) -> Tensor:
        """Repair the first thing that can be repaired; wait for what will be; call a person when nothing is left."""
        return expert(sim.compiled, sim.state, sim.usable(seen))


def expert(world: Compiled, state: State, may: Tensor) -> Tensor:
    """Return [N] int64: the right action.

    Args:
        world: the catalogue.
        state: of N hosts.
        may: [N, E, R] bool, what may be tried now (`candidates.usable`).
    """
    now, slots = state.lanes, state.levels.slot
    cure = world.faults.cure[state.levels.fault]
    places = slots[..., None] * world.no_repair + cure.clamp(max=world.no_repair - 1)
    possible = may.flatten(1).gather(1, places.flatten(1)).view(places.shape) & (cure < world.no_repair)
    grounded = now.front & now.sick & ~(now.breaks[:, None] & state.known.beneath).any(0)
    possible = (possible & grounded.T[..., None]).flatten(1)
    first = possible.to(torch.int8).argmax(-1, keepdim=True)
    otherwise = torch.where(hopeless(state) & state.idle, world.escalate, world.wait)
    return torch.where(possible.any(-1), places.flatten(1).gather(1, first)[:, 0], otherwise)


class Chance:
    """Takes any action that may be taken, seldom."""

    def __init__(self, seed: int, waits: float = CHANCE_WAITS) -> None:
        """Draw from a seed; ``waits`` is how often nothing is done."""
        self._generator = torch.Generator().manual_seed(seed)
        self._waits = waits

    def act(self, sim: Simulator, seen: Observation) -> Tensor:
        """Draw one action for each host, evenly from those that may be taken."""
        weights = sim.masks(seen).to("cpu", torch.float32)
        drawn = torch.multinomial(weights, 1, generator=self._generator)[:, 0]
        waits = torch.rand(len(weights), generator=self._generator) < self._waits
        return torch.where(waits, sim.compiled.wait, drawn).to(seen.rows.device)


class Diagnoser(Protocol):
    """Who tells what is wrong with hosts."""

    def ask(self, seen: Observation, where: Tensor) -> None:
        """Be shown all hosts that will be asked about in this second.

        Args:
            seen: of N hosts.
            where: [n] int64, those that will be asked about.
        """
        ...

    def name(self, host: int, window: Window) -> Sequence[Diagnosis]:
        """Return what is wrong with one host, and may be acted on."""
        ...

    def forget(self, host: int) -> None:
        """Another host begins in its place."""
        ...


class RuleDiagnoser:
    """What orderd has without a model."""

    def ask(self, seen: Observation, where: Tensor) -> None:
        """Need nothing beforehand."""

    def name(self, host: int, window: Window) -> Sequence[Diagnosis]:  # noqa: ARG002  as of `Diagnoser`
        """Return what the rules say."""
        return by_rules(window)

    def forget(self, host: int) -> None:
        """Remember nothing anyway."""


class Rules:
    """Does what orderd does with a diagnosis: real candidates, real order of causes, on one host after another. Slow, and exact.

    What was announced to orderd is held, as a person's hold would have it: neither repaired, nor is anybody called for it.
    """

    def __init__(self, repairs: Mapping[str, Repair], diagnoser: Diagnoser | None = None) -> None:
        """Repair with a catalogue.

        Args:
            repairs: by name.
            diagnoser: who tells what is wrong; orderd's rules by default.
        """
        self._repairs = repairs
        self._diagnoser = diagnoser or RuleDiagnoser()
        self._since: dict[tuple[int, int], float] = {}
        self._tried: dict[tuple[int, int], list[str]] = defaultdict(list)

    def act(self, sim: Simulator, seen: Observation) -> Tensor:
        """Decide host by host; hosts under repair are left alone."""
        world, ages = sim.compiled, sim.state.at_s.tolist()
        actions, told = torch.full((len(ages),), world.wait), held(world, sim.state)
        idle = sim.state.idle.nonzero()[:, 0]
        self._diagnoser.ask(seen, idle)
        for host in idle.tolist():
            if ages[host] == 0.0:
                self._close(host)
                self._diagnoser.forget(host)
            window = window_of(seen, host, world.layout, ages[host])
            mine = {world.layout.entity(slot) for slot in told[host].nonzero()[:, 0].tolist()}
            actions[host] = self._decide(world, host, ages[host], window, mine)
        return actions.to(seen.rows.device)

    def _decide(self, world: Compiled, host: int, at_s: float, window: Window, told: Collection[Entity]) -> int:
        found = [diagnosis for diagnosis in self._diagnoser.name(host, window) if diagnosis.entity not in told]
        slots = world.layout.slot_of
        self._close(host, {slots[diagnosis.entity] for diagnosis in found})
        wanted = world.wait
        for diagnosis in (diagnosis for diagnosis in found if cause_of(diagnosis, found) is None):
            choice = self._choose(world, (host, slots[diagnosis.entity]), at_s, window, diagnosis)
            if choice < world.wait:
                return choice
            wanted = max(wanted, choice)
        return wanted

    def _close(self, host: int, open_slots: Collection[int] = ()) -> None:
        """Forget incidents that are over."""
        for key in [key for key in (*self._since, *self._tried) if key[0] == host and key[1] not in open_slots]:
            self._since.pop(key, None)
            self._tried.pop(key, None)

    def _choose(self, world: Compiled, key: tuple[int, int], at_s: float, window: Window, diagnosis: Diagnosis) -> int:
        if diagnosis.failure is Failure.UNKNOWN:
            return world.escalate
        tried = self._tried[key]
        since = self._since.setdefault(key, at_s)
        if diagnosis.failure is Failure.SERVICE_HUNG and silent_together(diagnosis.entity, window.newest):
            return world.escalate if at_s - since >= COMMON_CAUSE_S else world.wait
        usable = self._usable(window, diagnosis, tried)
        if usable and len(tried) < ATTEMPTS:
            tried.append(usable[0])
            return world.action(key[1], usable[0])
        return world.escalate if tried or at_s - since >= NOT_YET_S else world.wait

    def _usable(self, window: Window, diagnosis: Diagnosis, tried: Collection[str]) -> Sequence[str]:
        row = window.newest.row(diagnosis.entity)
        return [c.repair for c in candidates(diagnosis, row, self._repairs.values(), tried) if not c.refused_because]

"""Drills of the simulator as examples, judged by the rules that judge recorded ones. Imports torch.

Real drills are few, and of few hosts. Simulated ones are as many as somebody wants, of hosts of every shape, with faults on top
of each other and hosts that have just been repaired; what they show is what contracts say, and no more. So they stand beside the
real ones and never instead. Families, intensities and pairs are those that may be trained (`ordertrainer.policy.levels`).
"""

from collections.abc import Callable, Iterator
from typing import Final

import torch
from torch import Tensor

from orderd.domain.faults import EntityKind, Failure
from orderd.domain.window import Window
from ordertrainer.dataset import Examples, Label, LabelledWindow
from ordertrainer.dataset.examples import pack
from ordertrainer.dataset.labelling import Truth
from ordertrainer.dataset.symptoms import EntityView, troubled, visible
from ordertrainer.heldout import HeldOut
from ordertrainer.policy.levels import Trained
from ordertrainer.sim import Compiled, Observation, Simulator
from ordertrainer.sim.catalogue import FAILURE_CLASSES
from ordertrainer.sim.policies import expert
from ordertrainer.sim.truth import IGNORE, truth
from ordertrainer.sim.truth import Truth as SimulatedTruth
from ordertrainer.sim.windows import slots_of, window_of

HOSTS: Final = 128
REPAIRED_SHARE: Final = 0.5
"""Of episodes, in which somebody repairs; on the others everything goes its way."""
KEPT_FAILING: Final = 0.05
KEPT_CALM: Final = 0.01
_NS: Final = 1_000_000_000

Tick = Callable[[float], None]


def simulated_examples(world: Compiled, held: HeldOut, *, windows: int, seed: int, tick: Tick = lambda _share: None) -> Examples:
    """Draw windows of simulated hosts.

    Args:
        world: the catalogue.
        held: the locked split.
        windows: how many.
        seed: of everything drawn.
        tick: told the share that is done.

    Returns:
        Neighbours are seconds of many hosts; ``run_id`` tells episodes apart.
    """
    kept: list[LabelledWindow] = []
    for labelled in _Episodes(world, held, seed).windows():
        kept.append(labelled)
        tick(len(kept) / windows)
        if len(kept) >= windows:
            break
    return pack(kept)


class _Episodes:
    """Simulated hosts, living on and on."""

    def __init__(self, world: Compiled, held: HeldOut, seed: int) -> None:
        self._sim = Simulator(world, hosts=HOSTS, seed=seed, chaos=Trained(world, held))
        self._seed = seed
        self._episode = [0] * HOSTS
        self._repairs = self._drawn(REPAIRED_SHARE)

    def windows(self) -> Iterator[LabelledWindow]:
        sim, world = self._sim, self._sim.compiled
        while True:
            seen = sim.observe()
            told = truth(world, sim.state, seen)
            kept = torch.where(told.wrong, self._drawn(KEPT_FAILING), self._drawn(KEPT_CALM))
            for host in kept.nonzero()[:, 0].tolist():
                if (labelled := self._labelled(seen, told, host)) is not None:
                    yield labelled
            may = expert(world, sim.state, sim.usable(seen))
            done = sim.step(torch.where(self._repairs, may, world.wait)).done
            sim.reset(done)
            self._repairs = torch.where(done, self._drawn(REPAIRED_SHARE), self._repairs)
            for host in done.nonzero()[:, 0].tolist():
                self._episode[host] += 1

    def _drawn(self, share: float) -> Tensor:
        return torch.rand(HOSTS, generator=self._sim.generator) < share

    def _labelled(self, seen: Observation, told: SimulatedTruth, host: int) -> LabelledWindow | None:
        """Return a window with its label, None where nobody could say what is true of it."""
        sim, world = self._sim, self._sim.compiled
        at_s = float(sim.state.at_s[host])
        window = window_of(seen, host, world.layout, at_s)
        slots = slots_of(seen, host)
        failing = {n: FAILURE_CLASSES[c] for n, slot in enumerate(slots) if (c := int(told.failure[host, slot])) > 0}
        decoy = bool((sim.state.lanes.front & sim.state.known.decoy)[:, host].any())
        if decoy and not failing and self._looks_down(window):
            return None
        if not all(visible(failure, EntityView(window, n)) for n, failure in failing.items()):
            return None
        unjudged = {n for n, slot in enumerate(slots) if int(told.failure[host, slot]) == IGNORE}
        nameless = bool(told.wrong[host]) and not failing
        label = self._label(host, failing, window, nameless=nameless)
        truths = _truths(window, failing, unjudged, wrong=bool(told.wrong[host]))
        return LabelledWindow(window=window, truth=truths, label=label, injected=bool(label.fault))

    @staticmethod
    def _looks_down(window: Window) -> bool:
        views = (EntityView(window, n) for n in range(len(window.entities)))
        return any(view.kind is not EntityKind.PROCESS and troubled(view) for view in views)

    def _label(self, host: int, failing: dict[int, Failure], window: Window, *, nameless: bool) -> Label:
        world, state = self._sim.compiled, self._sim.state
        there = state.lanes.front[:, host].nonzero()[:, 0].tolist()
        lane = there[0] if there else None
        failure = next(iter(failing.values()), Failure.UNKNOWN if nameless else Failure.OK)
        entity = window.entities[next(iter(failing), 0)]
        at_ns = window.at.mono_ns
        return Label(
            run_id=f"sim-{self._seed}-{host}-{self._episode[host]}",
            host_id=f"sim-{self._seed}-{host}-{self._episode[host]}",
            fault="" if lane is None else world.fault_names[int(state.levels.fault[host, lane])],
            failure=failure,
            entity="" if failure is Failure.OK else str(entity),
            target="",
            intensity=None if lane is None else float(state.levels.intensity[host, lane]),
            decoy=lane is not None and bool(state.known.decoy[lane, host]),
            began_mono_ns=0,
            armed_mono_ns=0,
            landed_mono_ns=0,
            ended_mono_ns=at_ns + _NS,
            clean_mono_ns=at_ns + _NS,
            seed=self._seed,
            split="train",
        )


def _truths(window: Window, failing: dict[int, Failure], unjudged: set[int], *, wrong: bool) -> Truth:
    """Return what is true of each entity: beside something that is wrong, what looks troubled is not judged."""

    def of(n: int) -> Failure | None:
        if n in failing:
            return failing[n]
        suffers = n in unjudged or (wrong and troubled(EntityView(window, n)))
        return None if suffers else Failure.OK

    return tuple(of(n) for n in range(len(window.entities)))

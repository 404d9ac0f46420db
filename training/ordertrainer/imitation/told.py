"""A window of a simulated host with what is true of it, as a recorded one has it. Imports torch."""

from typing import Final

from orderd.domain.faults import EntityKind, Failure
from orderd.domain.window import Window
from ordertrainer.dataset import Label, LabelledWindow
from ordertrainer.dataset.labelling import Truth
from ordertrainer.dataset.symptoms import EntityView, troubled, visible
from ordertrainer.sim import Observation, Simulator
from ordertrainer.sim.catalogue import FAILURE_CLASSES
from ordertrainer.sim.truth import IGNORE
from ordertrainer.sim.truth import Truth as SimulatedTruth
from ordertrainer.sim.windows import slots_of, window_of

_NS: Final = 1_000_000_000


def labelled(sim: Simulator, seen: Observation, told: SimulatedTruth, host: int, *, run: str, seed: int) -> LabelledWindow | None:
    """Return a window with its label, None where nobody could say what is true of it.

    Args:
        sim: the hosts.
        seen: what orderd sees of them now.
        told: what is true of it.
        host: which.
        run: what tells this episode from others.
        seed: that it came from.
    """
    world = sim.compiled
    window = window_of(seen, host, world.layout, float(sim.state.at_s[host]))
    slots = slots_of(seen, host)
    failing = {n: FAILURE_CLASSES[c] for n, slot in enumerate(slots) if (c := int(told.failure[host, slot])) > 0}
    decoy = bool((sim.state.lanes.front & sim.state.known.decoy)[:, host].any())
    if decoy and not failing and _looks_down(window):
        return None
    if not all(visible(failure, EntityView(window, n)) for n, failure in failing.items()):
        return None
    unjudged = {n for n, slot in enumerate(slots) if int(told.failure[host, slot]) == IGNORE}
    wrong = bool(told.wrong[host])
    label = _label(sim, host, failing, window, nameless=wrong and not failing, run=run, seed=seed)
    truths = _truths(window, failing, unjudged, wrong=wrong)
    return LabelledWindow(window=window, truth=truths, label=label, injected=bool(label.fault))


def _looks_down(window: Window) -> bool:
    views = (EntityView(window, n) for n in range(len(window.entities)))
    return any(view.kind is not EntityKind.PROCESS and troubled(view) for view in views)


def _label(
    sim: Simulator, host: int, failing: dict[int, Failure], window: Window, *, nameless: bool, run: str, seed: int
) -> Label:
    world, state = sim.compiled, sim.state
    there = state.lanes.front[:, host].nonzero()[:, 0].tolist()
    lane = there[0] if there else None
    failure = next(iter(failing.values()), Failure.UNKNOWN if nameless else Failure.OK)
    entity = window.entities[next(iter(failing), 0)]
    at_ns = window.at.mono_ns
    return Label(
        run_id=run,
        host_id=run,
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
        seed=seed,
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

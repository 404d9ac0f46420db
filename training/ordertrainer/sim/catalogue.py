"""Compiles the contracts of faults and repairs into tensors, once. Reads playbooks; imports torch.

Nothing is named twice: names, classes, kinds, cures, intensities, rungs, risks and conditions are those of the contracts, and how
a fault looks is what its class and its witness say (`symptoms`). Contracts do not say how long a repair takes: a deadline is
meant to be some twenty times that. They do not say either whether a repair asks the host for its cause first; its module does.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch
import yaml
from torch import Tensor

from orderd.catalogue import load_repairs
from orderd.domain.faults import KINDS, EntityKind, Failure
from orderd.domain.repairs import BlastRadius, Comparison, Condition, Op, Repair, Risk
from orderd.domain.signals import ENTITY_INDEX, ENTITY_SIGNALS, HOST_INDEX, HOST_SIGNALS
from ordertrainer.chaos.catalogue import load_faults
from ordertrainer.chaos.contract import NEW, FaultContract
from ordertrainer.chaos.experiment import RESOLVERS
from ordertrainer.sim.courses import moving, of_entities, of_hosts
from ordertrainer.sim.effects import UNBOUNDED, Effect
from ordertrainer.sim.evidence import Signs, measured_in
from ordertrainer.sim.fitted import FILE as FITTED
from ordertrainer.sim.fitted import Fitted, read
from ordertrainer.sim.healthy import ENTITY, Share
from ordertrainer.sim.layout import Layout
from ordertrainer.sim.symptoms import CLASSES, OF_ITS_OWN_PROCESS, looks_of
from ordertrainer.sim.tables import SMALL_MAX, Actions, Compiled, Conditions, Faults, Looks, Repairs

PLAYBOOKS: Final = Path(__file__).parents[3] / "playbooks"
DEADLINE_SHARE: Final = 0.05
"""A deadline is about twenty times what a repair usually takes."""
RECORDED_SHARE: Final = 0.5
"""Of hosts that measure what recorded ones do; the others are drawn widely, so that nobody learns a few hosts by heart."""
DECOY_LASTS_S: Final = (8.0, 30.0)
TOLD_BEFOREHAND: Final = "orderctl"
"""What a decoy needs that announces itself to orderd."""
LOOKS_FIRST: Final = "NOT_THE_CASE"
"""What modules name that can end with "not the case"."""
FAILURE_CLASSES: Final = tuple(Failure)
RISKS: Final = tuple(Risk)
NUMBERS: Final = ("level", "rate", "most")
_PROBE_ONLY: Final = frozenset({"probe_ok_ratio", "probe_latency_s", "unit_main_stopped_ratio"})


def load_compiled(playbooks: Path = PLAYBOOKS, layout: Layout | None = None, fitted: Fitted | Path | None = FITTED) -> Compiled:
    """Compile a folder of playbooks; what the catalogue refuses is not simulated.

    Args:
        playbooks: holds ``faults`` and ``repairs``.
        layout: slots of a host.
        fitted: what recorded hosts taught, or the file that says so; None: nothing.

    Raises:
        CatalogueError: a folder cannot be read.
        FittedError: the fitted values cannot be used.
    """
    told = read(fitted) if isinstance(fitted, Path) else fitted
    repairs = load_repairs(playbooks / "repairs").repairs
    looking = [name for name in repairs if looks_first(playbooks / "repairs", name)]
    return compile_catalogue(load_faults(playbooks / "faults").faults, repairs, looking=looking, layout=layout, fitted=told)


def looks_first(directory: Path, name: str) -> bool:
    """Tell whether a repair asks the host for its cause before it touches anything: whether one of its modules can say so."""
    plays: Any = yaml.safe_load((directory / name / "repair.yml").read_text(encoding="utf-8"))
    modules = {key for play in plays for task in play.get("tasks", ()) for key in task}
    sources = (directory / "library" / f"{module}.py" for module in modules)
    return any(LOOKS_FIRST in source.read_text(encoding="utf-8") for source in sources if source.is_file())


def compile_catalogue(
    faults: Mapping[str, FaultContract],
    repairs: Mapping[str, Repair],
    *,
    looking: Collection[str] = (),
    layout: Layout | None = None,
    fitted: Fitted | None = None,
) -> Compiled:
    """Turn contracts into tables.

    Args:
        faults: by name.
        repairs: by name; cures that are not among them cure nothing here.
        looking: names of repairs that ask for their cause first.
        layout: slots of a host.
        fitted: what recorded hosts taught, if anything.

    Raises:
        ValueError: there are more repairs or slots than SMALL_MAX.
    """
    layout = layout or Layout()
    if max(len(repairs), layout.slots) > SMALL_MAX:
        raise ValueError(f"{len(repairs)} repairs and {layout.slots} slots; at most {SMALL_MAX} of each can be simulated")
    contracts, known = [faults[name] for name in sorted(faults)], [repairs[name] for name in sorted(repairs)]
    looks = [looks_of(contract, fitted) for contract in contracts]
    entities = of_entities(fitted)
    return Compiled(
        layout=layout,
        fault_names=tuple(contract.name for contract in contracts),
        repair_names=tuple(repair.name for repair in known),
        slot_kind=torch.tensor([KINDS.index(kind) for kind in layout.kinds]),
        carried=torch.tensor([[kind in signal.kinds for signal in ENTITY_SIGNALS] for kind in layout.kinds]),
        faults=_faults(contracts, looks, known),
        repairs=_repairs(known, looking),
        moves=_actions(layout, known),
        own=_looks([signs.own for signs in looks], ENTITY_INDEX),
        host=_looks([signs.host for signs in looks], HOST_INDEX),
        hosts=of_hosts(fitted),
        entities=entities,
        recorded_share=RECORDED_SHARE if fitted else 0.0,
        moving=moving(entities),
    )


def _faults(contracts: Sequence[FaultContract], looks: Sequence[Signs], repairs: Sequence[Repair]) -> Faults:
    def flags(values: Iterable[bool]) -> Tensor:
        return torch.tensor([*values, False])

    def numbers(values: Iterable[float], none: float) -> Tensor:
        return torch.tensor([*values, none], dtype=torch.float32)

    classes = [CLASSES[contract.failure] for contract in contracts]
    return Faults(
        kind=torch.tensor([*(KINDS.index(c.target) for c in contracts), -1]),
        failure=torch.tensor([*(FAILURE_CLASSES.index(c.failure) for c in contracts), FAILURE_CLASSES.index(Failure.OK)]),
        sick=flags(not c.decoy for c in contracts),
        decoy=flags(c.decoy for c in contracts),
        held=flags(c.decoy and TOLD_BEFOREHAND in c.needs for c in contracts),
        visible=flags(_visible(signs) for signs in looks),
        starts=flags(NEW in c.targets for c in contracts),
        serves_names=flags(c.target is EntityKind.UNIT and RESOLVERS.issuperset(c.targets) for c in contracts),
        needs=torch.tensor([*(_needs(signs) for signs in looks), [False] * len(Share)]),
        downs=flags("unit_active_ratio" in signs.own for signs in looks),
        breaks_after_s=numbers((c.breaks_after_s for c in classes), UNBOUNDED),
        breaks_latency_s=numbers((c.breaks_latency_s for c in classes), 0.0),
        lasts_s=torch.tensor([*map(_lasts_s, contracts), (UNBOUNDED, UNBOUNDED)]),
        **_cures(contracts, repairs),
    )


def _visible(signs: Signs) -> bool:
    """Tell whether any signal shows it; that a process is there at all is seen only when it stands out."""
    return bool(signs.host) or any(name not in OF_ITS_OWN_PROCESS for name in signs.own)


def _needs(signs: Signs) -> list[bool]:
    """Tell which measurements a fault cannot happen without: what nobody could see or repair there teaches nothing.

    A service that is down is seen without a probe; what only a probe shows needs one; what is missing needs nothing.
    """
    shown = [name for name, effect in signs.own.items() if not math.isnan(effect.level[0])]
    shares = {ENTITY[name].share for name in shown} - {Share.ALWAYS}
    if not _PROBE_ONLY.issuperset(signs.own):
        shares.discard(Share.PROBE)
    return [share in shares for share in Share]


def _lasts_s(contract: FaultContract) -> tuple[float, float]:
    if not contract.decoy:
        return UNBOUNDED, UNBOUNDED
    return (contract.intensity.min, contract.intensity.max) if measured_in(contract, "seconds") else DECOY_LASTS_S


def _cures(contracts: Sequence[FaultContract], repairs: Sequence[Repair]) -> dict[str, Tensor]:
    index = {repair.name: row for row, repair in enumerate(repairs)}
    harm = {repair.name: (RISKS.index(repair.risk), repair.rung, repair.name) for repair in repairs}
    found = [[index[name] for name in sorted(set(c.cures) & set(index), key=harm.__getitem__)] for c in contracts]
    cures = torch.zeros(len(contracts) + 1, len(repairs) + 1, dtype=torch.bool)
    cure = torch.full((len(contracts) + 1, max(map(len, found), default=0) or 1), len(repairs))
    for row, places in enumerate(found):
        cures[row, places] = True
        cure[row, : len(places)] = torch.tensor(places, dtype=torch.int64)
    return {"cures": cures, "cure_count": cures.sum(-1), "cure": cure}


def _looks(signals: Sequence[Mapping[str, Effect]], index: Mapping[str, int]) -> Looks:
    width = len(HOST_SIGNALS) if index is HOST_INDEX else len(ENTITY_SIGNALS)
    moved = torch.zeros(len(signals) + 1, width, dtype=torch.bool)
    numbers = torch.zeros(len(signals) + 1, len(_numbers(Effect())), width)
    cyclic = torch.zeros(len(signals) + 1, width)
    for row, effects in enumerate(signals):
        for name, effect in effects.items():
            column = index[name]
            moved[row, column] = True
            numbers[row, :, column] = torch.tensor(_numbers(effect))
            cyclic[row, column] = float(effect.cyclic)
    return Looks(moved=moved, numbers=numbers, cyclic=cyclic)


def _numbers(effect: Effect) -> list[float]:
    ends = (getattr(effect, name) for name in NUMBERS)
    return [number for low, high in ends for number in (low, high - low)] + [effect.own, effect.after_s, effect.after_more_s]


def _repairs(repairs: Sequence[Repair], looking: Collection[str]) -> Repairs:
    def numbers(values: Iterable[float]) -> Tensor:
        return torch.tensor([*(float(math.ceil(value)) for value in values), 0.0])

    return Repairs(
        kind=torch.tensor([*(KINDS.index(r.target) for r in repairs), -1]),
        failures=torch.tensor([[failure in r.repairs for failure in FAILURE_CLASSES] for r in repairs], dtype=torch.bool),
        rung=torch.tensor([*(r.rung for r in repairs), 0]),
        risk=torch.tensor([*(float(RISKS.index(r.risk)) for r in repairs), 0.0]),
        host_wide=torch.tensor([*(r.blast_radius is BlastRadius.HOST for r in repairs), False]),
        kills=torch.tensor([*(r.target is EntityKind.PROCESS and r.risk is Risk.STOPS_PROCESS for r in repairs), False]),
        looks=torch.tensor([*(r.name in looking for r in repairs), False]),
        run_s=numbers(r.deadline_s * DEADLINE_SHARE for r in repairs),
        hold_s=numbers(r.verify.hold_s for r in repairs),
        within_s=numbers(r.verify.within_s for r in repairs),
        preconditions=compile_conditions([r.preconditions for r in repairs]),
        healthy=compile_conditions([r.verify.healthy for r in repairs]),
        absent_is_healthy=torch.tensor([r.verify.absent_is_healthy for r in repairs], dtype=torch.bool),
    )


def _actions(layout: Layout, repairs: Sequence[Repair]) -> Actions:
    calls = 3
    pairs = [(slot, row, kind is repair.target) for slot, kind in enumerate(layout.kinds) for row, repair in enumerate(repairs)]
    slots, rows, fits = zip(*pairs, *[(0, len(repairs), False)] * calls, strict=True)
    return Actions(
        slot=torch.tensor(slots, dtype=torch.int8), repair=torch.tensor(rows, dtype=torch.int8), fits=torch.tensor(fits)
    )


def compile_conditions(conditions: Sequence[Condition]) -> Conditions:
    """Turn one condition for each repair into comparisons that are made all at once."""
    groups = [(row, group) for row, condition in enumerate(conditions) for group in condition.all_of]
    flat = [(place, comparison) for place, (_, group) in enumerate(groups) for comparison in group]
    alternatives = torch.zeros(len(flat), len(groups))
    needed = torch.zeros(len(groups), len(conditions))
    for column, (place, _) in enumerate(flat):
        alternatives[column, place] = 1.0
    for place, (row, _) in enumerate(groups):
        needed[place, row] = 1.0
    bounds = torch.tensor([_bounds(comparison) for _, comparison in flat]).reshape(-1, 2)
    return Conditions(
        column=torch.tensor([ENTITY_INDEX[comparison.signal] for _, comparison in flat], dtype=torch.int64),
        low=bounds[:, 0],
        high=bounds[:, 1],
        missing=torch.tensor([comparison.missing_holds for _, comparison in flat], dtype=torch.bool),
        alternatives=alternatives,
        needed=needed,
    )


def _bounds(comparison: Comparison) -> tuple[float, float]:
    """Return the least and the largest number of single precision for which a comparison holds."""
    value = torch.tensor(comparison.value, dtype=torch.float32)
    inf = torch.tensor(math.inf)
    below, above = float(torch.nextafter(value, -inf)), float(torch.nextafter(value, inf))
    at = float(value)
    return {
        Op.LT: (-math.inf, below),
        Op.LE: (-math.inf, at),
        Op.GT: (above, math.inf),
        Op.GE: (at, math.inf),
        Op.EQ: (at, at),
    }[comparison.op]

"""What a drill does, in order: batteries are data, and everything about a plan follows from one seed. Reads playbooks/faults.

Touches: playbooks/faults, the batteries beside this file.

A battery is a TOML file under `batteries`: which faults (a list of names; `all` of the catalogue, its `decoys`, or those that
orderd has a name and a repair for, `named`), and in which shape: `each` once, in `pairs`, at `random` for a time, or `quiet`,
which is none.
A plan is a row of items; an item is what one host does without a break: one fault, two of them, or a quiet stretch.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import count, islice
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from orderd.domain.faults import EntityKind, Failure
from ordertrainer.chaos import Experiment, FaultContract, draw, load_faults
from ordertrainer.drill.errors import DrillError

FAULTS_DIR: Final = Path(__file__).parents[3] / "playbooks" / "faults"
BATTERIES_DIR: Final = Path(__file__).with_name("batteries")
DEFAULT: Final = "first"
DRAWS_MAX: Final = 64
QUIET_STRETCH_S: Final = 60.0
S_PER_MINUTE: Final = 60.0

Ratio = Annotated[float, Meta(ge=0.0, le=1.0)]

ENTANGLED: Final = (
    frozenset({"mount:/srv/data", "unit:drill-worker.service"}),
    frozenset({"resolver:system", "unit:dnsmasq.service"}),
)
"""Targets whose symptoms are the same from outside: of two faults on them nobody could tell which one was repaired."""


WHOLE: Final = ((0.0, 1.0),)
"""Every intensity that a fault can have."""


class Battery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A battery as its file has it.

    Attributes:
        summary: one sentence for people.
        faults: names in order, or which part of the catalogue.
        shape: each once, two at a time, at random, or none at all.
        minutes: how long a random or quiet battery takes when nobody says otherwise.
        gap_s: bounds of the time between the two faults of a pair.
        calm_s: bounds of the time before each item of a random battery.
        pairs_ratio: share of the items of a random battery that are pairs.
        intensities: parts of each fault's range to draw from, each end 0 to 1.
    """

    summary: str
    faults: tuple[str, ...] | Literal["all", "named", "decoys"]
    shape: Literal["each", "pairs", "random", "quiet"] = "each"
    minutes: Annotated[float, Meta(ge=0.0)] = 0.0
    gap_s: tuple[float, float] = (0.0, 0.0)
    calm_s: tuple[float, float] = (0.0, 0.0)
    pairs_ratio: Ratio = 0.0
    intensities: Annotated[tuple[tuple[Ratio, Ratio], ...], Meta(min_length=1)] = WHOLE


class Item(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one host does without a break.

    Attributes:
        number: place in the plan, from 1.
        experiments: one, or two of which the second comes `gap_s` after the first; none in a quiet stretch.
        gap_s: seconds between the two.
        calm_s: seconds to wait before.
        quiet_s: length of a quiet stretch.
    """

    number: int
    experiments: tuple[Experiment, ...] = ()
    gap_s: float = 0.0
    calm_s: float = 0.0
    quiet_s: float = 0.0

    @property
    def name(self) -> str:
        """Return what is done, in the faults' own names."""
        return "+".join(experiment.fault for experiment in self.experiments) or "quiet"


def names(directory: Path = BATTERIES_DIR) -> list[str]:
    """Return the batteries there are."""
    return sorted(file.stem for file in directory.glob("*.toml"))


def load(name: str, directory: Path = BATTERIES_DIR) -> Battery:
    """Read one battery.

    Raises:
        DrillError: there is none of that name, or its file is not what it has to be; says which are there.
    """
    if name not in names(directory):
        raise DrillError(f"there is no battery {name!r}; there are: {', '.join(names(directory))}")
    file = directory / f"{name}.toml"
    try:
        return msgspec.toml.decode(file.read_bytes(), type=Battery)
    except msgspec.DecodeError as error:
        raise DrillError(f"{file}: {error}") from error


FIRST: Final = tuple(load(DEFAULT).faults)


def battery(names: Sequence[str] = (), faults_dir: Path = FAULTS_DIR) -> dict[str, FaultContract]:
    """Return the faults to inject, in order, with their contracts.

    Args:
        names: those that are wanted, in this order; the whole first battery when empty.
        faults_dir: the catalogue.

    Raises:
        DrillError: a fault is unknown or its contract is broken; names what there is.
    """
    catalogue = load_faults(faults_dir)
    chosen = {}
    for name in names or FIRST:
        if name in catalogue.refused:
            raise DrillError(f"fault {name!r} cannot be used: {catalogue.refused[name]}")
        if name not in catalogue.faults:
            raise DrillError(f"FAULTS names {name!r}; there are: {', '.join(sorted(catalogue.faults))}")
        chosen[name] = catalogue.faults[name]
    return chosen


def faults_of(chosen: Battery, faults_dir: Path = FAULTS_DIR) -> dict[str, FaultContract]:
    """Return the faults a battery draws from, with their contracts.

    Raises:
        DrillError: a fault it names is unknown, or any contract of the catalogue is broken: a battery of all faults that leaves
            one out would be a lie.
    """
    if isinstance(chosen.faults, tuple):
        return battery(chosen.faults, faults_dir) if chosen.faults else {}
    catalogue = load_faults(faults_dir)
    for name, why in catalogue.refused.items():
        raise DrillError(f"fault {name!r} cannot be used: {why}")
    wanted = {
        "all": lambda _fault: True,
        "named": lambda fault: fault.failure not in {Failure.OK, Failure.UNKNOWN} and fault.cures,
        "decoys": lambda fault: fault.decoy,
    }[chosen.faults]
    return {name: fault for name, fault in sorted(catalogue.faults.items()) if wanted(fault)}


def experiments(
    seed: int, faults: Mapping[str, FaultContract], intensities: Sequence[tuple[float, float]] = WHOLE
) -> list[Experiment]:
    """Draw one experiment a fault, in the order of `faults`.

    Each fault has a random stream of its own. Targets are spread: of many draws the first with the least used target is taken,
    because orderd repairs one target only so often in an hour, and rightly.
    """
    used: Counter[str] = Counter()
    return [
        _least_used(random.Random(f"{seed}/{name}"), contract, used, intensities)  # noqa: S311
        for name, contract in faults.items()
    ]


def plan(chosen: Battery, faults: Mapping[str, FaultContract], *, seed: int, minutes: float, hosts: int) -> Iterator[Item]:
    """Yield the items of a drill, the same for the same arguments; a random battery has no end, its time has.

    Args:
        chosen: the battery.
        faults: what it draws from.
        seed: everything follows from it.
        minutes: of a quiet battery, for every host.
        hosts: how many there are.
    """
    match chosen.shape:
        case "each":
            for number, experiment in enumerate(experiments(seed, faults, chosen.intensities), 1):
                yield Item(number=number, experiments=(experiment,))
        case "pairs":
            yield from _pairs(chosen, faults, seed)
        case "random":
            yield from _random(chosen, faults, seed)
        case _:
            yield from _quiet(minutes, hosts)


def _quiet(minutes: float, hosts: int) -> Iterator[Item]:
    """Yield stretches of about a minute, so that an interruption costs one of them."""
    stretches = max(1, math.ceil(minutes * S_PER_MINUTE / QUIET_STRETCH_S))
    for number in range(1, stretches * hosts + 1):
        yield Item(number=number, quiet_s=round(minutes * S_PER_MINUTE / stretches, 1))


def _pairs(chosen: Battery, faults: Mapping[str, FaultContract], seed: int) -> Iterator[Item]:
    """Yield every fault once, two by two; one that fits to no other comes alone."""
    rng = random.Random(f"{seed}/pairs")  # noqa: S311  has to be drawn again
    waiting = list(faults.values())
    rng.shuffle(waiting)
    used: Counter[str] = Counter()
    for number in count(1):
        if not waiting:
            return
        first = waiting.pop(0)
        drawn = [_least_used(rng, first, used, chosen.intensities)]
        for other in waiting:
            if fitting := _beside(rng, drawn[0], first, other, chosen):
                waiting.remove(other)
                used[fitting.target] += 1
                drawn.append(fitting)
                break
        yield Item(number=number, experiments=tuple(drawn), gap_s=round(rng.uniform(*chosen.gap_s), 1))


def _random(chosen: Battery, faults: Mapping[str, FaultContract], seed: int) -> Iterator[Item]:
    """Yield whatever comes, from a bag that is refilled when it is empty: no fault is forgotten for long."""
    rng = random.Random(f"{seed}/random")  # noqa: S311  has to be drawn again
    used: Counter[str] = Counter()
    bag: list[FaultContract] = []
    for number in count(1):
        if not bag:
            bag = list(faults.values())
            rng.shuffle(bag)
        first = bag.pop()
        drawn = [_least_used(rng, first, used, chosen.intensities)]
        if bag and rng.random() < chosen.pairs_ratio and (fitting := _beside(rng, drawn[0], first, bag[-1], chosen)):
            bag.pop()
            used[fitting.target] += 1
            drawn.append(fitting)
        gap_s, calm_s = round(rng.uniform(*chosen.gap_s), 1), round(rng.uniform(*chosen.calm_s), 1)
        yield Item(number=number, experiments=tuple(drawn), gap_s=gap_s if drawn[1:] else 0.0, calm_s=calm_s)


def _beside(
    rng: random.Random, first: Experiment, contract: FaultContract, other: FaultContract, chosen: Battery
) -> Experiment | None:
    """Draw a second fault that can be told from the first, None where the two never can."""
    for second in islice(iter(lambda: _draw(rng, other, chosen.intensities), None), DRAWS_MAX):
        if _apart(first, contract, second, other):
            return second
    return None


def _apart(first: Experiment, contract: FaultContract, second: Experiment, other: FaultContract) -> bool:
    """Tell whether two faults happen to different things, under different names, and nothing is the cause of both symptoms."""
    ends = {f"{contract.target}:{first.target}", f"{other.target}:{second.target}"}
    if contract.decoy or other.decoy or ends in ENTANGLED or first.id == second.id:
        return False
    both_new = contract.target is EntityKind.PROCESS and other.target is EntityKind.PROCESS
    shared = {first.parameters.get("name")} & {second.parameters.get("name")} - {None}
    return not shared and (both_new or len(ends) > 1)


def _least_used(
    rng: random.Random, contract: FaultContract, used: Counter[str], intensities: Sequence[tuple[float, float]]
) -> Experiment:
    draws = [_draw(rng, contract, intensities) for _ in range(DRAWS_MAX)]
    chosen = min(draws, key=lambda experiment: used[experiment.target])
    used[chosen.target] += 1
    return chosen


def _draw(rng: random.Random, contract: FaultContract, intensities: Sequence[tuple[float, float]]) -> Experiment:
    part = rng.choice(intensities) if len(intensities) > 1 else intensities[0]
    return draw(rng, contract, intensity_range=part)

"""State -> windows, in the daemon's own layout: what orderd would have seen of these hosts. Pure; imports torch.

Nothing is recorded while hosts live: what an entity measured at any age follows from when things landed and ended. So windows
cost nothing until somebody asks, and the same second looks the same in every window that shows it.

Axes: N host, E slot, S slot of the window (newest first), L lane, A attempt, F entity signal, H host signal.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import torch
from torch import Tensor

from orderd.domain.faults import KINDS, EntityKind
from orderd.domain.signals import ENTITY_INDEX, ENTITY_SIGNALS, SLOT_AGES_S
from ordertrainer.sim import hostwide
from ordertrainer.sim.attempts import How
from ordertrainer.sim.baseline import HOST_PLACE, ways
from ordertrainer.sim.courses import deviation, own
from ordertrainer.sim.effects import CYCLE_S
from ordertrainer.sim.evidence import UNANSWERED_S
from ordertrainer.sim.healthy import COUNT_MAX_S, COUNT_PER_S, COUNTS, GROWTHS
from ordertrainer.sim.hostwide import Lane
from ordertrainer.sim.levels import LANES, NEVER_S
from ordertrainer.sim.noise import column, columns, hashed
from ordertrainer.sim.state import State
from ordertrainer.sim.tables import Compiled, Tensors

_PROBED: Final = (EntityKind.UNIT, EntityKind.RESOLVER)
_WAITING_SLOWS: Final = 3.0
"""Answers take so many times longer, and one, on a host where somebody always waits for the processor."""
_OK: Final = ENTITY_INDEX["probe_ok_ratio"]
_LATENCY: Final = ENTITY_INDEX["probe_latency_s"]
_ACTIVE_S: Final = ENTITY_INDEX["unit_active_s"]
_CORES: Final = [ENTITY_INDEX[f"process_cpu_{mode}_cores"] for mode in ("user", "system")]
_MEMORY: Final = ENTITY_INDEX["process_memory_ratio"]
_FULL: Final = 1e-6
JITTER_S: Final = 0.002
"""A sample is taken up to so much later than it was due; ages tell."""
LATE_PLACE: Final = 1 << 19
"""Where it is drawn how late a fault is seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation(Tensors):
    """What orderd sees of N hosts; names and order as in ``ordertrainer.dataset.examples``.

    Attributes:
        host: [N, S, H] float32, NaN where missing.
        rows: [N, E, S, F] float32, NaN where missing and where nothing is.
        kind: [N, E] int64 kind index.
        present: [N, E] bool.
    """

    host: Tensor
    rows: Tensor
    kind: Tensor
    present: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class _Time:
    """The seconds that a window shows, all [N, S].

    Attributes:
        at_s: since the episode began.
        seen: orderd measured already.
    """

    at_s: Tensor
    seen: Tensor


def observe(world: Compiled, state: State, ages_s: Sequence[float] = SLOT_AGES_S) -> Observation:
    """Return what orderd sees now.

    Args:
        world: the catalogue.
        state: of N hosts.
        ages_s: of the window's slots; only the newest costs a fraction.
    """
    time = _time(state, ages_s)
    rows = _in_order(world, state, time)
    strain = hostwide.Strain.none(time.at_s)
    lanes = [_lane(state, time, number) for number in range(LANES)]
    for lane in lanes:
        _overlay(world, state, rows, lane, strain)
        hostwide.add(world, lane, strain)
    _restart(world, state, rows, time, lanes)
    _break_what_rests_on(world, state, rows, lanes)
    host, waiting = hostwide.render(world, state.levels, state.scene.host, time.at_s, strain)
    for kind in _PROBED:
        rows[:, world.layout.span(kind), :, _LATENCY] *= (1.0 + _WAITING_SLOWS * waiting)[:, None]
    present = _presence(world, state, rows, time, lanes)
    return Observation(
        host=torch.where(time.seen[..., None], host, torch.nan),
        rows=rows,
        kind=world.slot_kind.expand(len(state), -1),
        present=present,
    )


def _time(state: State, ages_s: Sequence[float]) -> _Time:
    at_s = state.at_s[:, None] - _ages(tuple(ages_s), state.at_s.device)
    return _Time(at_s=at_s, seen=at_s >= state.levels.seen_from_s[:, None])


@cache
def _ages(ages_s: tuple[float, ...], device: torch.device) -> Tensor:
    return torch.tensor(ages_s, device=device)


def _lane(state: State, time: _Time, number: int) -> Lane:
    levels = state.levels
    age_s = time.at_s - state.shows_s[number, :, None]
    return Lane(
        fault=levels.fault[:, number],
        slot=levels.slot[:, number],
        x=levels.intensity[:, number, None],
        age_s=age_s,
        live=(age_s >= 0.0) & (time.at_s < state.ended_s[number, :, None]) & time.seen,
    )


def _in_order(world: Compiled, state: State, time: _Time) -> Tensor:
    """Return [N, E, S, F] as if nothing had happened, with the noise of the host."""
    levels = state.levels
    started = torch.zeros_like(levels.there).scatter(1, levels.slot, world.faults.starts[levels.fault]) | levels.there
    rows = torch.where((started[:, :, None] & time.seen[:, None])[..., None], state.scene.base[:, :, None], torch.nan)
    slots = torch.arange(world.layout.slots, dtype=torch.int32, device=rows.device)
    seed, way = levels.seed[:, None, None], ways(world, levels.seed)[:, None, None]
    at = time.at_s.to(torch.int32)
    counted = COUNT_PER_S * time.at_s + JITTER_S * column(hashed(levels.seed[:, None], HOST_PLACE, at), _ACTIVE_S)
    for kind, number, name in _varying(world):
        span = world.layout.span(kind)
        view = rows[:, span, :, number]
        if name in COUNTS:
            view += counted[:, None]
            view.clamp_(max=COUNT_MAX_S)
            continue
        part = world.entities.part(way, KINDS.index(kind) * len(ENTITY_SIGNALS) + number)
        here = slots[span, None]
        moves = deviation(part, seed, here, at_s=time.at_s[:, None], column=number)
        value = world.entities.at(part.row, part.own * own(seed, here, number) + levels.noise[:, None, None] * moves)
        view.copy_(torch.where(torch.isnan(view), view, value))
    _grow(state, rows, time)
    _fail_for_no_reason(world, state, rows, hashed(seed, slots[:, None], at[:, None]))
    return rows


def _grow(state: State, rows: Tensor, time: _Time) -> None:
    """Let grow what grows, steadily, but for as much as its growth of this second differs from its usual one."""
    for name, growth in GROWTHS:
        usual, now = state.scene.base[:, :, None, ENTITY_INDEX[growth]], rows[..., ENTITY_INDEX[growth]]
        grown = usual * (time.at_s[:, None] - 1.0) + now
        rows[..., ENTITY_INDEX[name]] = (rows[..., ENTITY_INDEX[name]] + grown.nan_to_num(0.0)).clamp_(0.0, 1.0)


def _varying(world: Compiled) -> list[tuple[EntityKind, int, str]]:
    """Return kind, column and name of what changes by itself."""
    carried = [(kind, number, s.name) for kind in KINDS for number, s in enumerate(ENTITY_SIGNALS) if kind in s.kinds]
    return [(kind, number, name) for kind, number, name in carried if name in COUNTS or (kind, number) in world.moving]


def _fail_for_no_reason(world: Compiled, state: State, rows: Tensor, hashes: Tensor) -> None:
    """Let single probes fail: Bernoulli(flaky) per unit and second."""
    for kind in _PROBED:
        span = world.layout.span(kind)
        fails = column(hashes[:, span], _OK) < state.levels.flaky[:, None, None]
        _fail_probes(rows[:, span], fails, torch.full_like(fails, UNANSWERED_S, dtype=torch.float32))


def _fail_probes(rows: Tensor, fails: Tensor, latency_s: Tensor) -> None:
    """Make probes fail, where there are any."""
    fails = fails & ~torch.isnan(rows[..., _OK])
    rows[..., _OK].masked_fill_(fails, 0.0)
    rows[..., _LATENCY] = torch.where(fails, latency_s, rows[..., _LATENCY])


def _overlay(world: Compiled, state: State, rows: Tensor, lane: Lane, strain: hostwide.Strain) -> None:
    """Lay a lane's symptoms over the rows of its entity, and note what it takes from its host."""
    hosts = torch.arange(len(rows), device=rows.device)
    numbers, moved = world.own.numbers[lane.fault], world.own.moved[lane.fault]
    level, rate, most = _moving(numbers, state.scene.base[hosts, lane.slot], lane.x, state.levels.pace)
    value = _value(level, rate, most, lane.age_s, world.own.cyclic[lane.fault])
    late = columns(hashed(state.levels.seed, lane.fault.to(torch.int32) + LATE_PLACE), 1)
    begins_s = (numbers[:, 7] + numbers[:, 8] * late).round()  # a second is the least that is simulated
    shows = moved[:, None] & lane.live[..., None] & (lane.age_s[..., None] >= begins_s[:, None])
    strain.take(
        value[..., _CORES].masked_fill(~shows[..., _CORES], 0.0), value[..., _MEMORY].masked_fill(~shows[..., _MEMORY], 0.0)
    )
    for number in _CORES:
        value[..., number] = torch.minimum(value[..., number], state.levels.cores[:, None])
    before = rows[hosts, lane.slot]
    after = torch.where(shows, value, before)
    for signal, growth in GROWTHS:
        number = ENTITY_INDEX[signal]
        grows = shows[..., number] & (numbers[:, None, 6, number] > 0.0)
        still = value[..., number] < most[:, None, number] - _FULL
        speed = torch.where(still, rate[:, None, number], 0.0)
        after[..., ENTITY_INDEX[growth]] = torch.where(grows, speed, after[..., ENTITY_INDEX[growth]])
    rows[hosts, lane.slot] = after


def _moving(numbers: Tensor, base: Tensor, x: Tensor, pace: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return [N, F] level, rate and most of the formula of `effects`, at each host's intensity and pace.

    Only what grows from where it was depends on the pace of a host: a second is a second everywhere.
    """
    own = numbers[:, 6]
    level = numbers[:, 0] + numbers[:, 1] * x + own * base
    rate = (numbers[:, 2] + numbers[:, 3] * x) * torch.where(own > 0.0, pace[:, None], 1.0)
    return level, rate, numbers[:, 4] + numbers[:, 5] * x


def _value(level: Tensor, rate: Tensor, most: Tensor, age_s: Tensor, cyclic: Tensor) -> Tensor:
    """Return [N, S, F] the formula itself."""
    again = torch.remainder(age_s, CYCLE_S)
    age = torch.where(cyclic[:, None] > 0.0, again[..., None], age_s[..., None])
    return torch.minimum(level[:, None] + rate[:, None] * age, most[:, None]).clamp_(min=0.0)


def _restart(world: Compiled, state: State, rows: Tensor, time: _Time, lanes: list[Lane]) -> None:
    """Show units as young that were restarted: by a repair, or when what kept them down was over."""
    attempts, span = state.attempts, world.layout.span(EntityKind.UNIT)
    units = torch.arange(span.start, span.stop, device=rows.device)
    risky = world.repairs.risk[attempts.repair.to(torch.int32)] > 0
    acted = (attempts.how == How.HELPED) | ((attempts.how == How.IN_VAIN) & risky)
    anew = torch.full((len(rows), len(units), time.at_s.shape[1]), -NEVER_S, device=rows.device)
    for number in range(len(attempts.slot)):
        mine = acted[number, :, None] & (attempts.slot[number, :, None] == units)
        anew = _later(anew, mine, attempts.ended_s[number, :, None], time)
    for number, lane in enumerate(lanes):
        mine = (lane.slot[:, None] == units) & world.faults.downs[lane.fault, None]
        anew = _later(anew, mine, state.ended_s[number, :, None], time)
    view = rows[:, span]
    view[..., _ACTIVE_S] = torch.minimum(view[..., _ACTIVE_S], time.at_s[:, None] - anew)


def _later(anew: Tensor, mine: Tensor, ended_s: Tensor, time: _Time) -> Tensor:
    """Return when units began anew, now that some did so at ``ended_s``."""
    over = (time.at_s >= ended_s)[:, None] & mine[..., None]
    return torch.where(over, torch.maximum(anew, ended_s[..., None]), anew)


def _break_what_rests_on(world: Compiled, state: State, rows: Tensor, lanes: list[Lane]) -> None:
    """Make the probes fail of what rests on an entity that is broken."""
    for kind in _PROBED:
        span = world.layout.span(kind)
        ground = state.levels.rests_on[:, span]
        for lane in lanes:
            broken = lane.live & (lane.age_s >= world.faults.breaks_after_s[lane.fault, None])
            fails = (ground == lane.slot[:, None])[..., None] & broken[:, None]
            latency_s = world.faults.breaks_latency_s[lane.fault][:, None, None].expand(fails.shape)
            _fail_probes(rows[:, span], fails, latency_s)


def _presence(world: Compiled, state: State, rows: Tensor, time: _Time, lanes: list[Lane]) -> Tensor:
    """Empty the rows of processes while they are not there, and return [N, E] what is there now."""
    levels, attempts, span = state.levels, state.attempts, world.layout.span(EntityKind.PROCESS)
    places = torch.arange(span.start, span.stop, device=rows.device)
    mine = attempts.killed[..., None] & (attempts.slot[..., None] == places)
    killed_s = torch.where(mine, attempts.ended_s[..., None], NEVER_S).amin(0)
    alive = levels.there[:, span, None] & (time.at_s[:, None] < killed_s[..., None])
    for lane in lanes:
        started = (lane.slot[:, None] == places) & world.faults.starts[lane.fault, None]
        alive = alive | (started[..., None] & lane.live[:, None])
    rows[:, span] = torch.where(alive[..., None], rows[:, span], torch.nan)
    present = levels.there.clone()
    present[:, span] = alive[..., 0]
    return present

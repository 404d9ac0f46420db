"""Moments from simulated hosts: consecutive seconds of their lives. Imports torch.

Half of the hosts are repaired by the expert, so that what a repair brings back is seen too; on the others trouble stays. What may
be drawn for a training is decided in `ordertrainer.heldout`; the levels drawn are checked (`ordertrainer.policy.levels`).

Axes: N host, E slot for an entity.
"""

from dataclasses import dataclass, fields, replace
from typing import Final, TypeVar

import torch
from torch import Tensor

from ordertrainer.pretrain.moments import Course, Moments, concatenate
from ordertrainer.sim import Compiled, Simulator, State, Uniform, observe
from ordertrainer.sim.levels import NEVER_S
from ordertrainer.sim.policies import expert
from ordertrainer.sim.tables import Tensors

_NOW: Final = (0.0,)
_Some = TypeVar("_Some", bound=Tensors)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """How hosts are watched.

    Attributes:
        hosts: at once.
        seconds: of each.
        share: of the moments that are kept.
        repaired: share of the hosts on which the expert acts.
    """

    hosts: int = 128
    seconds: int = 90
    share: float = 0.15
    repaired: float = 0.5


def simulated(world: Compiled, chaos: Uniform, watch: Watch, seed: int) -> Moments:
    """Let hosts live and keep some moments, drawn evenly.

    Args:
        world: the catalogue.
        chaos: draws their levels.
        watch: how they are watched.
        seed: of everything.
    """
    sim = Simulator(world, hosts=watch.hosts, seed=seed, chaos=chaos)
    repaired = _drawn(sim) < watch.repaired
    kept: list[Moments] = []
    for _second in range(watch.seconds):
        some = (_drawn(sim) < watch.share).nonzero()[:, 0]
        before = taken(sim.state, some)
        done = sim.step(_actions(sim, repaired)).done
        if len(some):
            kept.append(moments_between(world, before, taken(sim.state, some)))
        repaired = torch.where(done, _drawn(sim) < watch.repaired, repaired)
        sim.reset(done)
    return concatenate(kept)


def courses(world: Compiled, chaos: Uniform, *, hosts: int, seconds: int, seed: int, repaired: float = 0.0) -> list[Course]:
    """Let hosts live and keep every second of them.

    Args:
        world: the catalogue.
        chaos: draws their levels.
        hosts: how many.
        seconds: of each, not more than an episode has.
        seed: of everything.
        repaired: share of the hosts on which the expert acts.
    """
    sim = Simulator(world, hosts=hosts, seed=seed, chaos=chaos)
    acts, kept = _drawn(sim) < repaired, list[Moments]()
    for _second in range(seconds):
        before = sim.state
        sim.step(_actions(sim, acts))
        kept.append(moments_between(world, before, sim.state))
    every, places = concatenate(kept), torch.arange(seconds * hosts).view(seconds, hosts)
    at_s = torch.arange(1.0, seconds + 1.0)
    onset_s = sim.state.levels.onset_s.amin(1)
    return [
        Course(moments=every.take(places[:, host]), fault=_faults(sim, host), landed=at_s - _or_nan(onset_s[host]))
        for host in range(hosts)
    ]


def _faults(sim: Simulator, host: int) -> str:
    names = sim.compiled.fault_names
    return "+".join(names[fault] for fault in sim.state.levels.fault[host].tolist() if fault != sim.compiled.no_fault)


def _or_nan(onset_s: Tensor) -> Tensor:
    return torch.where(onset_s < NEVER_S, onset_s, torch.nan)


def moments_between(world: Compiled, before: State, after: State) -> Moments:
    """Return what N hosts showed, and what they showed a second later."""
    seen, then = observe(world, before), observe(world, after, _NOW)
    return Moments(
        host=seen.host,
        rows=seen.rows,
        kind=seen.kind,
        present=seen.present,
        next_host=then.host[:, 0],
        next_rows=then.rows[:, :, 0],
    )


def taken(bundle: _Some, where: Tensor) -> _Some:
    """Return some hosts of a state or of a part of it: [n] int64 places."""
    changed = {f.name: getattr(bundle, f.name) for f in fields(bundle)}
    for name, value in changed.items():
        if isinstance(value, Tensors):
            changed[name] = taken(value, where)
        elif isinstance(value, Tensor):
            changed[name] = value.index_select(bundle.HOSTS % value.ndim, where)
    return replace(bundle, **changed)


def _actions(sim: Simulator, repaired: Tensor) -> Tensor:
    return torch.where(repaired, expert(sim.compiled, sim.state, sim.usable()), sim.compiled.wait)


def _drawn(sim: Simulator) -> Tensor:
    """Return [N] numbers in [0, 1)."""
    return torch.rand(len(sim.state), generator=sim.generator, device=sim.state.at_s.device)

"""The exam of stage 3: a fresh chaos, trained from scratch against a frozen policy. Imports torch.

Chaos that a policy was trained against knows what hurt it then. What counts is what a chaos finds that begins now and sees
nothing but what becomes of its drills: its levels are drawn, the frozen policy acts as on a host, it learns, and so on for some
rounds. Then it draws new hosts, and the regret on these is what the policy is worth against it. Every policy gets a chaos of its
own.

Axes: N host.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ordertrainer.costs import Costs
from ordertrainer.evolve.learned import Learned
from ordertrainer.evolve.regret import Lived, live, regret_s
from ordertrainer.policy.exam import Played
from ordertrainer.policy.levels import Trained
from ordertrainer.policy.seeds import seed_of
from ordertrainer.sim import Levels
from ordertrainer.sim.policies import Oracle, Policy

Tick = Callable[[float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """How long a fresh chaos looks for what hurts.

    Attributes:
        rounds: of drills.
        hosts: drills a round.
        floor: of its entropy, as a share of the most there can be; lower than a training's, it has only one aim.
    """

    rounds: int = 10
    hosts: int = 160
    floor: float = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a chaos is worth against a policy.

    Attributes:
        levels: N hosts.
        played: what became of them.
        regret_s: [N] seconds.
        rounds_s: mean regret of each round of its training, seconds.
    """

    levels: Levels
    played: Played
    regret_s: Tensor
    rounds_s: tuple[float, ...]


def trained_chaos(
    make: Callable[[], Policy], flat: Trained, costs: Costs, search: Search, *, seed: int, tick: Tick = lambda _share: None
) -> tuple[Learned, tuple[float, ...]]:
    """Train a chaos from scratch against a frozen policy.

    Args:
        make: a new policy for each round.
        flat: whose levels it may draw.
        costs: weights.
        search: how long.
        seed: of its draws.
        tick: told the share that is done.

    Returns:
        The chaos, and its mean regret in each round.
    """
    world = flat.world
    generator = torch.Generator(device=world.slot_kind.device).manual_seed(seed_of(seed, "fresh chaos"))
    chaos, means = Learned(flat, floor=search.floor, fades=1.0), list[float]()
    for number in range(search.rounds):
        choices = chaos.choose(search.hosts, generator)
        flat.locked.refuse(choices.levels)
        found = _regret(make(), flat, choices.levels, costs)
        chaos.learn(choices.chosen, found)
        means.append(round(float(found.mean()), 3))
        tick((number + 1) / search.rounds)
    return chaos, tuple(means)


def _regret(policy: Policy, flat: Trained, levels: Levels, costs: Costs) -> Tensor:
    return regret_s(live(Oracle(), flat.world, levels, costs), live(policy, flat.world, levels, costs))


def examined(
    policy: Policy,
    flat: Trained,
    levels: Levels,
    costs: Costs,
    *,
    rounds_s: tuple[float, ...] = (),
    tick: Tick = lambda _share: None,
) -> Found:
    """Let a policy keep given hosts in order to the end, and tell what it lost.

    Args:
        policy: new.
        flat: of the catalogue.
        levels: of the hosts.
        costs: weights.
        rounds_s: what is known of the chaos that drew them.
        tick: told the share that is done.
    """
    best: Lived = live(Oracle(), flat.world, levels, costs, whole=True)
    mine = live(policy, flat.world, levels, costs, whole=True, tick=tick)
    return Found(levels=levels, played=mine.played, regret_s=regret_s(best, mine), rounds_s=rounds_s)


def drawn(chaos: Learned, flat: Trained, hosts: int, *, seed: int) -> Levels:
    """Return the hosts of an exam: new ones, by a chaos that learns no more."""
    generator = torch.Generator(device=flat.world.slot_kind.device).manual_seed(seed_of(seed, "fresh exam"))
    levels = chaos.draw(hosts, generator)
    flat.locked.refuse(levels)
    return levels


def worst(chaos: Learned, flat: Trained, count: int = 5) -> dict[str, float]:
    """Return the families that a chaos expects to hurt most, by name, and how many seconds of regret it thinks that each adds."""
    adds_s = chaos.expected_s()["first"][: flat.world.no_fault]
    found = adds_s.topk(count)
    return {flat.world.fault_names[int(row)]: round(float(s), 2) for s, row in zip(*found, strict=True)}

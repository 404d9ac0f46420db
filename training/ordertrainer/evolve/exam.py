"""Some policies against a fresh chaos each, and what they lost: plain values. Imports torch."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import torch
from torch import Tensor

from ordertrainer.costs import Costs
from ordertrainer.evolve.fresh import Found, Search, drawn, examined, trained_chaos, worst
from ordertrainer.evolve.population import Population
from ordertrainer.heldout import HeldOut
from ordertrainer.policy.exam import plain, scores
from ordertrainer.policy.playbooks import Playbooks
from ordertrainer.sim.policies import Policy

RESAMPLES: Final = 2000
Tick = Callable[[str, float], None]


def against_fresh_chaos(
    playbooks: Playbooks,
    held: HeldOut,
    policies: Mapping[str, Callable[[], Policy]],
    costs: Costs,
    search: Search,
    *,
    hosts: int,
    seed: int,
    tick: Tick = lambda _what, _share: None,
) -> dict[str, Any]:
    """Train a chaos of its own against each policy, and tell what each lost on hosts that it drew.

    Args:
        playbooks: the catalogue.
        held: the locked split.
        policies: make a new one each time.
        costs: weights.
        search: how long a chaos looks.
        hosts: of the exam.
        seed: of everything that is drawn.
        tick: told who plays, and the share that is done.

    Returns:
        By policy: figures with 95 % intervals, and the regret of each round of the chaos.
    """
    flat, report = Population(playbooks.world, held).flat, dict[str, Any]()
    for place, (name, make) in enumerate(policies.items()):

        def told(share: float, who: str = name, before: int = place) -> None:
            tick(who, (before + share) / len(policies))

        chaos, rounds_s = trained_chaos(make, flat, costs, search, seed=seed, tick=lambda share, told=told: told(0.6 * share))
        levels = drawn(chaos, flat, hosts, seed=seed)
        found = examined(make(), flat, levels, costs, rounds_s=rounds_s, tick=lambda share, told=told: told(0.6 + 0.4 * share))
        report[name] = figures(found) | {"worst": worst(chaos, flat)}
    return report


def figures(found: Found) -> dict[str, Any]:
    """Return what a policy is worth against a chaos, as JSON wants it."""
    every = {name: score for name, score in plain(scores(found.played)).items() if score["value"] is not None}
    return {
        "regret_s": interval(found.regret_s),
        "unsettled": interval((~found.played.settled[found.played.broken]).to(torch.float32)),
        "unrepaired": interval((~found.played.repaired[found.played.curable]).to(torch.float32)),
        "rounds_s": list(found.rounds_s),
        "scores": every,
    }


def interval(values: Tensor, *, resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Any]:
    """Return the mean of [N] values with its 95 % interval, by a bootstrap over hosts."""
    if not len(values):
        return {"value": None, "low": None, "high": None, "hosts": 0}
    cpu = values.cpu().to(torch.float64)
    generator = torch.Generator().manual_seed(seed)
    means = torch.stack([cpu[torch.randint(0, len(cpu), (len(cpu),), generator=generator)].mean() for _ in range(resamples)])
    low, high = torch.quantile(means, torch.tensor((0.025, 0.975), dtype=torch.float64)).tolist()
    return {"value": round(float(cpu.mean()), 5), "low": round(low, 5), "high": round(high, 5), "hosts": len(cpu)}

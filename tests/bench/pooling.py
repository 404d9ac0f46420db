"""Figures of several seeds as one, with intervals that know of seeds, of chaoses and of hosts."""

import statistics
from typing import Any, Final

import torch

from ordertrainer.policy.overseeds import mean

RESAMPLES: Final = 4000


def pooled(seeds: list[list[list[float]]]) -> dict[str, Any]:
    """Return the mean over seeds and their chaoses, with an interval that resamples seeds, chaoses and hosts.

    Args:
        seeds: by seed and chaos, a value a host; a chaos that drew no host that counts has none.
    """
    several = [[torch.tensor(hosts, dtype=torch.float64) for hosts in chaoses if hosts] for chaoses in seeds if any(chaoses)]
    generator = torch.Generator().manual_seed(0)

    def some(count: int) -> list[int]:
        return torch.randint(0, count, (count,), generator=generator).tolist()

    def once(values: torch.Tensor) -> float:
        return float(values[torch.randint(0, len(values), (len(values),), generator=generator)].mean())

    means = [
        statistics.fmean(
            statistics.fmean(once(several[seed][chaos]) for chaos in some(len(several[seed]))) for seed in some(len(several))
        )
        for _ in range(RESAMPLES)
    ]
    low, high = torch.quantile(torch.tensor(means, dtype=torch.float64), torch.tensor((0.025, 0.975), dtype=torch.float64))
    by_seed = [round(statistics.fmean(float(hosts.mean()) for hosts in chaoses), 4) for chaoses in several]
    value = round(statistics.fmean(by_seed), 4)
    return {"value": value, "low": round(float(low), 4), "high": round(float(high), 4), "seeds": by_seed}


def paired(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Return by how much the first arm is above the second: of each seed, and their mean by Student.

    Args:
        one: of ``pooled``.
        other: of as many seeds.
    """
    differences = [round(mine - theirs, 4) for mine, theirs in zip(one["seeds"], other["seeds"], strict=True)]
    return {"seeds": differences, **mean(differences)}


def apart(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Tell whether the first is lower, and the intervals do not overlap."""
    return one["high"] < other["low"]

"""A generation's drills: chaos breaks simulated hosts, an order model keeps them in order, chaos learns. Imports torch.

Axes: N drill.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Final

import torch

from ordertrainer.costs import Costs
from ordertrainer.dataset import Examples
from ordertrainer.dataset.examples import pack
from ordertrainer.evolve.population import Evolving, Source
from ordertrainer.evolve.regret import live, regret_s
from ordertrainer.harden.diagnosing import OrderModel
from ordertrainer.harden.witness import Witness
from ordertrainer.nets.order import OrderNet
from ordertrainer.policy.exam import Played, plain, scores
from ordertrainer.policy.playbooks import Playbooks
from ordertrainer.policy.seeds import seed_of
from ordertrainer.sim.policies import Oracle, Rules

TUNE_EVERY: Final = 5
"""Every fifth drill chooses between epochs, and is not learned from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drilled:
    """What a generation met.

    Attributes:
        train, tune: windows of different drills.
        figures: how the drills ended, as plain values.
    """

    train: Examples
    tune: Examples
    figures: dict[str, Any]


def keeper(playbooks: Playbooks, net: OrderNet) -> Rules:
    """Return what keeps simulated hosts in order by an order model, as orderd does; new for every drill."""
    return Rules(playbooks.repairs, OrderModel(net))


def drilled(
    playbooks: Playbooks,
    net: OrderNet,
    chaos: Evolving,
    *,
    rounds: int,
    hosts: int,
    seed: int,
    generation: int,
    tick: Callable[[float], None] = lambda _share: None,
) -> Drilled:
    """Let a chaos drill an order model, and learn from how it went.

    Args:
        playbooks: the catalogue.
        net: in evaluation mode.
        chaos: learns after each round.
        rounds: of drills.
        hosts: drills a round.
        seed: of everything drawn.
        generation: counts from 0.
        tick: told the share that is done.

    Raises:
        HeldOutError: what was drawn may not be trained on.
    """
    costs, train, tune, played, regrets = Costs(), [], [], [], []
    for number in range(rounds):
        source = torch.Generator().manual_seed(seed_of(seed, "harden", generation, number))
        drills = chaos.draw(hosts, source)
        name = f"gen{generation}-round{number}"
        witness = Witness(keeper(playbooks, net), name=name, seed=seed_of(seed, "witness", generation, number))
        mine = live(
            witness, playbooks.world, drills.levels, costs, tick=lambda share, number=number: tick((number + share) / rounds)
        )
        regret = regret_s(live(Oracle(), playbooks.world, drills.levels, costs), mine)
        chaos.learn(drills, mine.played.settled, regret[drills.source == Source.LEARNED])
        played.append(mine.played)
        regrets.append(regret)
        for window in witness.windows:
            host = int(window.label.run_id.rpartition("-")[2])
            (train if host % TUNE_EVERY else tune).append(window)
    chaos.remember()
    every = _joined(played)
    found = {key: score["value"] for key, score in plain(scores(every, resamples=1)).items()}
    figures = {"drills": len(every), "regret_s": round(float(torch.cat(regrets).mean()), 3), **found}
    return Drilled(train=pack(train), tune=pack(tune), figures=figures)


def _joined(several: list[Played]) -> Played:
    return Played(**{f.name: torch.cat([getattr(each, f.name) for each in several]) for f in fields(Played)})

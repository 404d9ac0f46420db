"""Every generation of order against every generation of chaos. Imports torch; reads the generations of one training.

What is learned against the newest chaos alone may have forgotten an older one. So each order that was kept is held against flat
chaos and against each chaos that was kept, on hosts that are the same for all orders.

Axes: order generation, chaos generation.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch

from ordertrainer.costs import Costs
from ordertrainer.evolve.learned import Learned
from ordertrainer.evolve.population import FADES, FLOOR, Population
from ordertrainer.evolve.regret import Lived, live, regret_s
from ordertrainer.heldout import HeldOut
from ordertrainer.imitation.checkpoint import CheckpointError
from ordertrainer.policy.actor import Network
from ordertrainer.policy.checkpoint import policy_of, read_policy
from ordertrainer.policy.levels import Trained
from ordertrainer.policy.playbooks import Playbooks
from ordertrainer.policy.seeds import seed_of
from ordertrainer.sim import Chaos, Levels
from ordertrainer.sim.policies import Oracle

FLAT: Final = "flat"
Tick = Callable[[float], None]


def cross_play(
    playbooks: Playbooks, held: HeldOut, out: Path, costs: Costs, *, hosts: int, seed: int, tick: Tick = lambda _share: None
) -> dict[str, Any]:
    """Let every generation that a folder holds play against every other one.

    Args:
        playbooks: the catalogue.
        held: the locked split.
        out: folder of a training.
        costs: weights.
        hosts: of each chaos.
        seed: of the hosts.
        tick: told the share that is done.

    Returns:
        ``regret_s``: mean seconds by order generation and chaos; JSON values.

    Raises:
        CheckpointError: there is no generation.
    """
    found = {path.stem: read_policy(path) for path in sorted(out.glob("generation-*.pt"))}
    if not found:
        raise CheckpointError(f"{out}: holds no generation yet; train on with `ordertrainer evolve --resume`")
    flat = Population(playbooks.world, held).flat
    chaoses: dict[str, Chaos] = {FLAT: flat}
    for name, content in found.items():
        if content["chaos"] is not None:
            chaoses[name] = _learned(flat, content)
    asked = {name: _hosts(chaos, playbooks, hosts, seed) for name, chaos in chaoses.items()}
    best = {name: live(Oracle(), playbooks.world, levels, costs) for name, levels in asked.items()}
    table: dict[str, dict[str, float]] = {}
    for place, (order, content) in enumerate(found.items()):
        net = policy_of(content).to(playbooks.contracts.device)
        table[order] = {}
        for turn, (name, levels) in enumerate(asked.items()):
            mine: Lived = live(Network(net, playbooks.contracts), playbooks.world, levels, costs)
            table[order][name] = round(float(regret_s(best[name], mine).mean()), 3)
            tick((place + (turn + 1) / len(asked)) / len(found))
    return {"hosts": hosts, "seed": seed, "regret_s": table}


def _learned(flat: Trained, content: dict[str, Any]) -> Learned:
    chaos = Learned(flat, floor=FLOOR, fades=FADES)
    chaos.load(content["chaos"])
    return chaos


def _hosts(chaos: Chaos, playbooks: Playbooks, hosts: int, seed: int) -> Levels:
    generator = torch.Generator(device=playbooks.contracts.device).manual_seed(seed_of(seed, "cross-play"))
    return chaos.draw(hosts, generator)

"""What a policy lost on given hosts against one that knows everything. Imports torch.

Regret of a drill is the oracle's return less the policy's, in seconds of trouble: what knowing the faults would have been worth
there. What nobody can repair costs the oracle, too, so that levels without hope are worth nothing to chaos.

Axes: N host.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from orderd.domain.signals import SLOT_AGES_S
from ordertrainer.costs import Costs
from ordertrainer.evolve.ledger import Ledger
from ordertrainer.policy.exam import Played
from ordertrainer.sim import Compiled, Levels, Simulator, observe
from ordertrainer.sim.policies import Oracle, Policy
from ordertrainer.sim.tables import Tensors

Tick = Callable[[float], None]
_NEWEST = SLOT_AGES_S[:1]


class Given:
    """Chaos that draws what it was given."""

    def __init__(self, levels: Levels) -> None:
        """Give levels once, all of them."""
        self._levels = levels

    def draw(self, count: int, generator: torch.Generator) -> Levels:  # noqa: ARG002  as of `Chaos`
        """Return them.

        Raises:
            ValueError: others were asked for than there are.
        """
        if count != len(self._levels):
            raise ValueError(f"{count} levels were asked of {len(self._levels)}; given levels begin once, all together")
        return self._levels


@dataclass(frozen=True, slots=True, kw_only=True)
class Lived(Tensors):
    """Drills that are over.

    Attributes:
        played: what became of the hosts.
        returned: [N] float32 seconds, see `ordertrainer.evolve.ledger`.
    """

    played: Played
    returned: Tensor


def live(
    policy: Policy, world: Compiled, levels: Levels, costs: Costs, *, whole: bool = False, tick: Tick = lambda _share: None
) -> Lived:
    """Let a policy keep given hosts in order.

    Args:
        policy: what acts; it must be new, or without a memory.
        world: the catalogue.
        levels: of the hosts.
        costs: weights.
        whole: until the horizon of each, whatever is left to happen.
        tick: told the share that is done.
    """
    sim = Simulator(world, hosts=len(levels), seed=0, chaos=Given(levels), device=world.slot_kind.device)
    ledger = Ledger(sim, costs, whole=whole)
    ages_s = _NEWEST if isinstance(policy, Oracle) else SLOT_AGES_S
    horizon_s = float(levels.horizon_s.max())
    while bool(ledger.lives.any()):
        ledger.add(sim.step(policy.act(sim, observe(world, sim.state, ages_s))))
        tick(float(sim.state.at_s.max()) / horizon_s)
    return Lived(played=ledger.played(), returned=ledger.returned)


def regret_s(oracle: Lived, policy: Lived) -> Tensor:
    """Return [N] float32: what knowing everything would have been worth, seconds; at least nothing.

    The oracle is greedy about risk, so that a lucky policy may return a little more than it: that is no regret.
    """
    return (oracle.returned - policy.returned).clamp(min=0.0)

"""Many hosts with one seeded generator: the door that training uses. Imports torch.

    sim = Simulator(load_compiled(), hosts=4096, seed=0)
    while ...:
        seen = sim.observe()
        outcome = sim.step(policy(seen, sim.masks(seen)))
        sim.reset(outcome.done)

Equal seeds give equal trajectories, on a CPU to the bit. A reset is a call of its own: who learns needs what was true at the end.
"""

import torch
from torch import Tensor

from ordertrainer.sim import candidates, signals, world
from ordertrainer.sim.chaos import Chaos, Uniform
from ordertrainer.sim.levels import Levels
from ordertrainer.sim.outcome import Outcome
from ordertrainer.sim.signals import Observation
from ordertrainer.sim.state import begin
from ordertrainer.sim.tables import Compiled


class Simulator:
    """Hosts that are all at some second of their episodes."""

    def __init__(
        self, compiled: Compiled, *, hosts: int, seed: int, chaos: Chaos | None = None, device: torch.device | str = "cpu"
    ) -> None:
        """Begin an episode on every host.

        Args:
            compiled: the catalogue.
            hosts: N, how many.
            seed: of everything that is drawn.
            chaos: draws levels, for this catalogue on this device; evenly over all faults by default.
            device: where hosts live; the catalogue is moved there.
        """
        self.compiled = compiled.to(device)
        self.chaos = chaos or Uniform(self.compiled)
        self.generator = torch.Generator(device=device).manual_seed(seed)
        self.state = begin(self.compiled, self.chaos.draw(hosts, self.generator))

    def step(self, actions: Tensor) -> Outcome:
        """Let a second pass; arguments as of ``world.step``."""
        self.state, outcome = world.step(self.compiled, self.state, actions)
        return outcome

    def reset(self, done: Tensor) -> None:
        """Begin a new episode where one is over: [N] bool."""
        where = done.nonzero()[:, 0]
        if len(where):
            self.begin(where, self.chaos.draw(len(where), self.generator))

    def begin(self, where: Tensor, levels: Levels) -> None:
        """Begin given levels on given hosts: what plays old levels again calls this instead of ``reset``.

        Args:
            where: [n] int64 hosts.
            levels: n levels.
        """
        self.state.put_(where, begin(self.compiled, levels))

    def observe(self) -> Observation:
        """Return what orderd sees now."""
        return signals.observe(self.compiled, self.state)

    def usable(self, seen: Observation | None = None) -> Tensor:
        """Return [N, E, R] bool: repairs that may be tried now."""
        return candidates.usable(self.compiled, self.state, seen)

    def masks(self, seen: Observation | None = None) -> Tensor:
        """Return [N, actions] bool: actions that may be taken now."""
        return candidates.masks(self.compiled, self.state, seen)

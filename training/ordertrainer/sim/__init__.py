"""The vectorised host simulator: many hosts at once, made from the catalogue. Imports torch; CPU and GPU by one code path.

    catalogue  the contracts of faults and repairs as tensors: a folder more under playbooks is a fault more here
    symptoms   what contracts cannot say: how a failure class moves signals; the witness's sights say the rest
    healthy    what a host in order measures
    levels     settings of the simulator, one a host; `chaos` draws them
    state      of many hosts at a moment
    world      the pure step from one second to the next
    signals    state -> windows in the daemon's layout, by age and without a ring buffer, rendered only when asked
    candidates which repair may be tried where, by kind, presence, preconditions and what was tried
    truth      what is true of a window: labels for who learns to diagnose
    policies   oracle, rules and chance: what a trained policy is held against
    simulator  all of it with one seeded generator

A level is one setting of the simulator; hosts of one batch share nothing but the catalogue.
"""

from ordertrainer.sim.catalogue import Compiled, compile_catalogue, load_compiled
from ordertrainer.sim.chaos import Chaos, Shares, Uniform
from ordertrainer.sim.layout import Layout
from ordertrainer.sim.levels import Levels
from ordertrainer.sim.outcome import Outcome
from ordertrainer.sim.signals import Observation, observe
from ordertrainer.sim.simulator import Simulator
from ordertrainer.sim.state import State, begin
from ordertrainer.sim.world import step

__all__ = [
    "Chaos",
    "Compiled",
    "Layout",
    "Levels",
    "Observation",
    "Outcome",
    "Shares",
    "Simulator",
    "State",
    "Uniform",
    "begin",
    "compile_catalogue",
    "load_compiled",
    "observe",
    "step",
]

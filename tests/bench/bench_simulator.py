"""How many seconds of hosts' lives the simulator gets through on one core, beside one host at a time in plain Python.

Usage: python tests/bench/bench_simulator.py [--hosts N] [--seconds N] [--json]

Both live the same levels under the same actions (`tests/unit/sim/test_peer.py` shows that they live the same lives). Counted is
the processor time of this process on one thread, which is what a core of its own would take. Exit status 1: the goal was missed.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import torch

import simpeer
from ordertrainer.sim import Simulator, load_compiled, observe

GOAL_STEPS_PER_S = 1e6
ROUNDS = 5
PEER_HOSTS = 64
RENDERED = 512


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hosts", type=int, default=4096)
    parser.add_argument("--seconds", type=int, default=120, help="of each host's life, in each of five rounds")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    figures = _measure(options.hosts, options.seconds)
    if options.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:<32} {value:14.2f}")
    return 0 if figures["steps_per_s"] >= GOAL_STEPS_PER_S else 1


def _measure(hosts: int, seconds: int) -> dict[str, float]:
    world = load_compiled()
    sim, draw = Simulator(world, hosts=hosts, seed=0), torch.Generator().manual_seed(0)
    actions = [_actions(sim, draw) for _ in range(seconds)]
    steps = [hosts * seconds / _took_s(lambda: [sim.step(each) for each in actions]) for _ in range(ROUNDS)]
    with_resets = hosts * seconds / _took_s(lambda: [sim.reset(sim.step(each).done) for each in actions])
    peers = _peers(Simulator(world, hosts=PEER_HOSTS, seed=0))
    peer = PEER_HOSTS * seconds / _took_s(lambda: [_step(peers, each[:PEER_HOSTS].tolist()) for each in actions])
    few = Simulator(world, hosts=RENDERED, seed=0)
    windows = RENDERED / statistics.median(_took_s(few.observe) for _ in range(ROUNDS))
    newest = RENDERED / statistics.median(_took_s(lambda: observe(world, few.state, (0.0,))) for _ in range(ROUNDS))
    return {
        "hosts": hosts,
        "entities_per_host": world.layout.slots,
        "faults": world.no_fault,
        "repairs": world.no_repair,
        "goal_steps_per_s": GOAL_STEPS_PER_S,
        "steps_per_s": statistics.median(steps),
        "steps_per_s_slowest": min(steps),
        "steps_per_s_with_resets": with_resets,
        "peer_steps_per_s": peer,
        "times_the_peer": statistics.median(steps) / peer,
        "windows_per_s": windows,
        "newest_slots_per_s": newest,
    }


def _actions(sim: Simulator, draw: torch.Generator) -> torch.Tensor:
    """Return what busy policies do: a repair in one second of ten, somewhere."""
    anywhere = torch.randint(0, sim.compiled.wait, (len(sim.state),), generator=draw)
    return torch.where(torch.rand(len(sim.state), generator=draw) < 0.1, anywhere, sim.compiled.wait)


def _peers(sim: Simulator) -> list[simpeer.Host]:
    catalogue = simpeer.Catalogue(sim.compiled)
    return [simpeer.Host.of(catalogue, sim.state.levels, number) for number in range(len(sim.state))]


def _step(hosts: list[simpeer.Host], actions: list[int]) -> None:
    for host, action in zip(hosts, actions, strict=True):
        host.step(action)


def _took_s(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


if __name__ == "__main__":
    sys.exit(main())

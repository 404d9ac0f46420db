"""What evolving chaos teaches that even chaos does not, at equal drills, under a fresh chaos and in every suite of the exam.

Usage: python tests/bench/bench_evolution.py [--work DIR] [--seeds N] [--drills N] [--iterations N] [--chaoses N] [--only SEED]

    imitated      where both arms begin: stage 2, `ordertrainer imitate`
    population    stage 3 against chaos that evolves, `ordertrainer evolve`
    uniform       stage 3 against even chaos: the same loop, and as many drills

Regret is what the oracle's return on the same hosts is above the policy's, in seconds of trouble (`ordertrainer.evolve.ledger`).
Each policy meets fresh chaoses of its own, each trained from scratch against it as it is; the seeds of these chaoses are the same
in both arms. How good a chaos becomes is luck too, so there are several. Intervals of an arm resample its seeds, in each its
chaoses, and of each the hosts; seeds are also compared in pairs. Whatever is finished lies in --work and is not done
again, so that an interrupted run goes on; --only lets one process a seed do its part side by side, before one puts it all
together. Exit status 1: the arms' intervals of regret under the fresh chaos overlap.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from finished import Finished
from pooling import apart, paired, pooled

from ordertrainer import heldout
from ordertrainer.costs import Costs
from ordertrainer.evolve.cli import summary
from ordertrainer.evolve.crossplay import cross_play
from ordertrainer.evolve.evolve import Settings, evolve
from ordertrainer.evolve.exam import figures as fresh_figures
from ordertrainer.evolve.fresh import Search, drawn, examined, trained_chaos, worst
from ordertrainer.evolve.population import Population
from ordertrainer.fit.profiles import PROFILES
from ordertrainer.policy.actor import Network
from ordertrainer.policy.checkpoint import policy_of, read_policy
from ordertrainer.policy.floored import Floored
from ordertrainer.policy.imitate import imitate
from ordertrainer.policy.iterations import LAST, Bounds
from ordertrainer.policy.playbooks import Playbooks, load_playbooks
from ordertrainer.policy.report import examine
from ordertrainer.policy.suites import suites, training_mix
from ordertrainer.sim.policies import Chance, Oracle, Rules

ARMS = ("population", "uniform")
DRILLS_AN_ITERATION = 128
EXAM_SEED = 7
CHAOS_SEEDS = 100
"""Apart, so that no two seeds meet chaoses of the same draws."""
GOALS = ("regret_s", "unsettled", "unrepaired")


class Told:
    """Says on standard error how far it is."""

    def begin(self, bounds: Any, seconds: float) -> None:
        """Nothing is to be said yet."""

    def part(self, what: str, iteration: int, share: float) -> None:
        """Lines are enough."""

    def line(self, said: dict[str, Any]) -> None:
        """Say how an iteration ended."""
        text = summary(said) if "drills" in said else f"imitation {said['iteration']}: worth {said['worth']:.3f}"
        print(text, file=sys.stderr, flush=True)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("out/evolution"), help="folder of what is finished")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--iterations", type=int, default=8, help="of imitation, by the profile for small machines")
    parser.add_argument("--drills", type=int, default=3072, help="of each training, in whole iterations")
    parser.add_argument("--chaoses", type=int, default=3, help="fresh chaoses that each policy meets")
    parser.add_argument("--fresh", type=int, default=224, help="hosts under each of them")
    parser.add_argument("--rounds", type=int, default=Search().rounds, help="of a fresh chaos")
    parser.add_argument("--search", type=int, default=Search().hosts, help="drills of each round")
    parser.add_argument("--hosts", type=int, default=128, help="of each suite of the exam")
    parser.add_argument("--floored", type=int, default=96, help="hosts for rules, and for networks with rules as their floor")
    parser.add_argument("--held-out", action="store_true", help="ask the final test too")
    parser.add_argument("--only", type=int, help="do the trainings of one seed and their fresh chaoses, and tell nothing")
    parser.add_argument("--finished", action="store_true", help="measure nothing more; tell what is finished")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    bench = Bench(options)
    if options.only is not None:
        bench.part(options.only)
        return 0
    found = bench.run()
    if options.json:
        print(json.dumps(found))
    else:
        _print(found)
    return 0 if found["apart"] else 1


class Bench:
    """Everything that is measured, step by step."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Begin, or go on."""
        self.options, self.work = options, options.work
        self.playbooks: Playbooks = load_playbooks()
        self.held = heldout.load()
        self.flat = Population(self.playbooks.world, self.held).flat
        self.finished = Finished(self.work, only=options.finished)
        elsewhere = {"work", "seeds", "json", "held_out", "finished", "only"}
        self.finished.bind({name: value for name, value in vars(options).items() if name not in elsewhere})

    def part(self, seed: int) -> None:
        """Do what one seed takes; the imitated policy is examined beside the first."""
        start = self._imitated()
        nets = {f"{arm}-{seed}": self._evolved(arm, seed, start) for arm in ARMS}
        for name, path in (nets if seed else {"imitated": start, **nets}).items():
            self._fresh(name, path)

    def run(self) -> dict[str, Any]:
        """Do what is not done yet; return every figure."""
        options = self.options
        start = self._imitated()
        names = {f"{arm}-{seed}": self._evolved(arm, seed, start) for seed in range(options.seeds) for arm in ARMS}
        nets = {"imitated": start, **names}
        fresh = {name: self._fresh(name, path) for name, path in nets.items()}
        arms = {arm: {goal: pooled([fresh[f"{arm}-{s}"][goal] for s in range(options.seeds)]) for goal in GOALS} for arm in ARMS}
        others = self._others(nets)
        return {
            "drills": read_policy(names["population-0"])["history"][-1]["drills"],
            "fresh_hosts": options.fresh,
            "fresh_chaoses": options.chaoses,
            "fresh_drills": options.rounds * options.search,
            "suite_hosts": options.hosts,
            "heldout_sha256": self.held.sha256,
            "apart": apart(arms["population"]["regret_s"], arms["uniform"]["regret_s"]),
            "arms": arms,
            "population_less_uniform": paired(*(arms[arm]["regret_s"] for arm in ARMS)),
            "fresh_chaos": {name: _told(figures) for name, figures in fresh.items()} | others,
            "suites": self._suites(nets),
            "cross_play": self.finished.get("cross-play", lambda: self._cross_play(names["population-0"])),
            "training": {name: _training(path) for name, path in names.items()},
        }

    def _imitated(self) -> Path:
        out = self.work / "imitated"
        bounds, settings = Bounds(iterations=self.options.iterations), PROFILES["cpu-3min"].settings
        return imitate(self.playbooks, self.held, out, settings, bounds=bounds, watcher=Told())

    def _evolved(self, arm: str, seed: int, start: Path) -> Path:
        settings = Settings(seed=seed, chaos=arm, hosts=DRILLS_AN_ITERATION, tune_every=100, tune_hosts=32, generation_every=5)
        bounds = Bounds(iterations=-(-self.options.drills // settings.hosts))
        evolve(self.playbooks, self.held, start, self.work / f"{arm}-{seed}", settings, bounds=bounds, watcher=Told())
        return self.work / f"{arm}-{seed}" / LAST

    def _network(self, path: Path) -> Callable[[], Network]:
        net = policy_of(read_policy(path))
        return lambda: Network(net, self.playbooks.contracts)

    def _fresh(self, name: str, path: Path) -> dict[str, Any]:
        seed = int(name.rpartition("-")[2]) if "-" in name else 0
        make = self._network(path)
        several = [
            self.finished.get(f"fresh-{name}-{n}", lambda n=n: self._against(make, CHAOS_SEEDS * seed + n, self.options.fresh))
            for n in range(self.options.chaoses)
        ]
        return {goal: [each[goal] for each in several] for goal in (*GOALS, "told")}

    def _against(self, make: Callable[[], Any], seed: int, hosts: int) -> dict[str, Any]:
        chaos, rounds_s = trained_chaos(make, self.flat, Costs(), self._search(), seed=seed)
        found = examined(make(), self.flat, drawn(chaos, self.flat, hosts, seed=seed), Costs(), rounds_s=rounds_s)
        each = {
            "regret_s": found.regret_s,
            "unsettled": ~found.played.settled[found.played.broken],
            "unrepaired": ~found.played.repaired[found.played.curable],
        }
        return {goal: [round(float(value), 2) for value in values] for goal, values in each.items()} | {
            "told": fresh_figures(found) | {"worst": worst(chaos, self.flat)}
        }

    def _search(self) -> Search:
        return Search(rounds=self.options.rounds, hosts=self.options.search)

    def _others(self, nets: dict[str, Path]) -> dict[str, Any]:
        """Rules, and networks with rules as their floor, which are slow: on the hosts that a network's own fresh chaos draws."""
        found: dict[str, Any] = {}
        for name in ("imitated", "population-0", "uniform-0"):

            def floored(name: str = name) -> dict[str, Any]:
                seed, make = 0, self._network(nets[name])
                chaos, _ = trained_chaos(make, self.flat, Costs(), self._search(), seed=seed)
                levels = drawn(chaos, self.flat, self.options.floored, seed=seed)
                both = Floored(make(), Rules(self.playbooks.repairs))
                told = {f"{name} + rules": fresh_figures(examined(both, self.flat, levels, Costs()))}
                rules = examined(Rules(self.playbooks.repairs), self.flat, levels, Costs())
                return told | {f"rules, under the chaos of {name}": fresh_figures(rules)}

            found |= self.finished.get(f"floored-{name}", floored) or {}
        return found

    def _suites(self, nets: dict[str, Path]) -> dict[str, Any]:
        asked = [training_mix(self.playbooks.world, self.held), *suites(self.playbooks.world, self.held)]
        asked = [suite for suite in asked if self.options.held_out or not suite.held]
        policies: dict[str, tuple[Callable[[], Any], int]] = {
            name: (self._network(path), self.options.hosts) for name, path in nets.items()
        }
        policies |= {"oracle": (Oracle, self.options.hosts), "chance": (lambda: Chance(0), self.options.hosts)}
        policies["rules"] = (lambda: Rules(self.playbooks.repairs), self.options.floored)
        for name in ("imitated", "population-0", "uniform-0"):
            make = self._network(nets[name])
            policies[f"{name} + rules"] = (
                lambda make=make: Floored(make(), Rules(self.playbooks.repairs)),
                self.options.floored,
            )
        found: dict[str, Any] = {}
        for name, (make, hosts) in policies.items():
            for suite in asked:
                told = self.finished.get(
                    f"suite-{suite.name}-{name}", lambda make=make, hosts=hosts, suite=suite: self._suite(suite, make, hosts)
                )
                if told is not None:
                    found.setdefault(suite.name, {})[name] = told
        return found

    def _suite(self, suite: Any, make: Callable[[], Any], hosts: int) -> dict[str, Any]:
        report = examine(self.playbooks, {"it": make}, [suite], hosts=hosts, seed=EXAM_SEED)
        return report["suites"][suite.name]["scores"]["it"]

    def _cross_play(self, path: Path) -> dict[str, Any]:
        return cross_play(self.playbooks, self.held, path.parent, Costs(), hosts=self.options.floored, seed=EXAM_SEED)


def _told(figures: dict[str, Any]) -> dict[str, Any]:
    """Return what one policy came to under all of its chaoses, and what the first of them found."""
    return {goal: pooled([figures[goal]]) for goal in GOALS} | {"first": figures["told"][0]}


def _training(path: Path) -> dict[str, Any]:
    history = read_policy(path)["history"]
    shown = ("settled", "return_s", "regret_learned_s", "rate_healthy", "rate_harmful", "price_healthy_s", "price_harmful_s")
    return {
        "seconds": round(sum(line["seconds"] for line in history), 1),
        "lines": [{key: line[key] for key in ("iteration", *shown)} for line in history[:: max(1, len(history) // 8)]],
        "tuned": [{"iteration": line["iteration"], "worth": line["worth"]} for line in history if "worth" in line],
    }


def _print(found: dict[str, Any]) -> None:
    met = f"{found['fresh_chaoses']} fresh chaoses of its own, {found['fresh_hosts']} hosts each"
    print(f"{found['drills']} drills each; under {met}")
    for arm, goals in found["arms"].items():
        cells = (f"{goal} {s['value']:.3f} ({s['low']:.3f} to {s['high']:.3f}) {s['seeds']}" for goal, s in goals.items())
        print(f"{arm:<12}" + "  ".join(cells))
    less = found["population_less_uniform"]
    if less["low"] is not None:
        print(
            f"population less uniform, by seed: {less['value']:.1f} s ({less['low']:.1f} to {less['high']:.1f}) {less['seeds']}"
        )
    for name, told in found["fresh_chaos"].items():
        print(f"{name:<36}" + "  ".join(f"{goal} {told[goal]['value']:.3f}" for goal in GOALS))
    for suite, policies in found["suites"].items():
        print(f"\n{suite}")
        for name, scored in policies.items():
            print(f"  {name:<24}" + "  ".join(f"{key} {s['value']:.3f}" for key, s in scored.items() if s["value"] is not None))


if __name__ == "__main__":
    sys.exit(main())

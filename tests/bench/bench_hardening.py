"""What an order model learns from chaos that evolves against it, and not from even chaos, at equal drills, under a fresh chaos.

Usage: python tests/bench/bench_hardening.py --work DIR [--seeds N] [--chaoses N] [--only SEED] [--json]

    trained       where both arms begin: DIR/trained-SEED/best.pt, of `ordertrainer train`
    population    DIR/population-SEED/best.pt, of `ordertrainer harden --chaos population --seed SEED`
    uniform       DIR/uniform-SEED/best.pt, of `ordertrainer harden --chaos uniform --seed SEED`
    rules         orderd without a model

Every model keeps simulated hosts in order as orderd does, rules beside it. A fresh chaos is trained from scratch against each,
and regret is what the oracle's return on the hosts that it draws then is above the model's, in seconds of trouble. Intervals of
an arm resample seeds, chaoses and hosts; seeds are also compared in pairs. What is finished lies in --work and is not done again;
--only lets one process a seed do its part. Exit status 1: the arms' intervals of regret overlap.
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
from ordertrainer.evolve.exam import figures
from ordertrainer.evolve.fresh import Search, drawn, examined, trained_chaos, worst
from ordertrainer.evolve.population import Population
from ordertrainer.harden.drills import keeper
from ordertrainer.imitation.checkpoint import net_of, read
from ordertrainer.policy.playbooks import load_playbooks
from ordertrainer.sim.policies import Policy, Rules

ARMS = ("population", "uniform", "trained", "rules")
CHAOS_SEEDS = 100
"""Apart, so that no two seeds meet chaoses of the same draws."""
GOALS = ("regret_s", "unsettled", "healthy")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("out/hardening"), help="folder of the models, and of what is finished")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--chaoses", type=int, default=2, help="fresh chaoses that each model meets")
    parser.add_argument("--fresh", type=int, default=160, help="hosts under each of them")
    parser.add_argument("--rounds", type=int, default=6, help="of a fresh chaos")
    parser.add_argument("--search", type=int, default=80, help="drills of each round")
    parser.add_argument("--only", type=int, help="measure one seed, and tell nothing")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    bench = Bench(options)
    if options.only is not None:
        bench.seed(options.only)
        return 0
    found = bench.run()
    print(json.dumps(found) if options.json else _table(found))
    return 0 if found["apart"] else 1


class Bench:
    """Everything that is measured, step by step."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Begin, or go on."""
        self.options, self.playbooks, self.held = options, load_playbooks(), heldout.load()
        self.flat = Population(self.playbooks.world, self.held).flat
        self.finished = Finished(options.work)
        self.finished.bind({name: getattr(options, name) for name in ("chaoses", "fresh", "rounds", "search")})

    def run(self) -> dict[str, Any]:
        """Return every figure."""
        by_seed = [self.seed(seed) for seed in range(self.options.seeds)]
        arms = {arm: {goal: pooled([each[arm][goal] for each in by_seed]) for goal in GOALS} for arm in ARMS}
        regret = {arm: arms[arm]["regret_s"] for arm in ARMS}
        return {
            "drills": self._drills(),
            "fresh_chaoses": self.options.chaoses,
            "fresh_hosts": self.options.fresh,
            "fresh_drills": self.options.rounds * self.options.search,
            "heldout_sha256": self.held.sha256,
            "apart": apart(regret["population"], regret["uniform"]),
            "arms": arms,
            "population_less_uniform": paired(regret["population"], regret["uniform"]),
            "population_less_trained": paired(regret["population"], regret["trained"]),
            "worst": {arm: by_seed[0][arm]["worst"] for arm in ARMS},
        }

    def seed(self, seed: int) -> dict[str, Any]:
        """Return what each arm came to from one seed."""
        return {arm: self._under_fresh_chaos(arm, seed) for arm in ARMS}

    def _drills(self) -> int:
        lines = (self.options.work / "population-0" / "history.jsonl").read_text(encoding="utf-8").splitlines()
        return sum(json.loads(line)["drills"] for line in lines)

    def _under_fresh_chaos(self, arm: str, seed: int) -> dict[str, Any]:
        make = self._maker(arm, seed)
        numbers = range(self.options.chaoses)
        several = [
            self.finished.get(f"fresh-{arm}-{seed}-{n}", lambda n=n: self._against(make, CHAOS_SEEDS * seed + n)) for n in numbers
        ]
        return {goal: [each[goal] for each in several] for goal in GOALS} | {"worst": several[0]["told"]["worst"]}

    def _maker(self, arm: str, seed: int) -> Callable[[], Policy]:
        if arm == "rules":
            return lambda: Rules(self.playbooks.repairs)
        net = net_of(read(self.options.work / f"{arm}-{seed}" / "best.pt"))
        return lambda: keeper(self.playbooks, net)

    def _against(self, make: Callable[[], Policy], seed: int) -> dict[str, Any]:
        search = Search(rounds=self.options.rounds, hosts=self.options.search)
        chaos, rounds_s = trained_chaos(make, self.flat, Costs(), search, seed=seed)
        found = examined(make(), self.flat, drawn(chaos, self.flat, self.options.fresh, seed=seed), Costs(), rounds_s=rounds_s)
        each = {
            "regret_s": found.regret_s,
            "unsettled": ~found.played.settled[found.played.broken],
            "healthy": found.played.touched_healthy,
        }
        return {goal: [round(float(value), 2) for value in values] for goal, values in each.items()} | {
            "told": figures(found) | {"worst": worst(chaos, self.flat)}
        }


def _table(found: dict[str, Any]) -> str:
    met = f"{found['fresh_chaoses']} fresh chaoses of its own, {found['fresh_hosts']} hosts each"
    lines = [f"{found['drills']} drills each; under {met}"]
    for arm, goals in found["arms"].items():
        cells = (f"{goal} {s['value']:.3f} ({s['low']:.3f} to {s['high']:.3f}) {s['seeds']}" for goal, s in goals.items())
        lines.append(f"{arm:<12}" + "  ".join(cells))
    for name in ("population_less_uniform", "population_less_trained"):
        less = found[name]
        interval = "" if less["low"] is None else f" ({less['low']:.1f} to {less['high']:.1f})"
        lines.append(f"{name.replace('_', ' ')}, by seed: {less['value']:.1f} s{interval} {less['seeds']}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())

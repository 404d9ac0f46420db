"""How many answers it takes to know what somebody weighs, chosen or by lot, and what that is worth in decisions.

Usage: python tests/bench/bench_preferences.py [--people N] [--answers N] [--by-lot N] [--scenes N] [--slips SHARE] [--json]

People are simulated: each has weights of her own (every weight the default times a factor, drawn from a logarithmic normal
distribution of SPREAD) and a sharpness of her own, answers in proportions as `ordertrainer.prefer.belief` assumes, says "equal"
of plans that come to the same within EQUAL_S, and slips in a share of her answers. Every second one answers otherwise than is
assumed: by differences in seconds, on a scale of her own (plain Bradley-Terry; "steady"). She is asked as `ordertrainer compare`
asks, and by lot from the same questions.

    off          factor by which weights are off hers, geometric mean over the weights
    agreement    of plans for hosts that she was not asked about, the share of pairs of which she would say the same
    regret_s     on such hosts, how much more the way of keeping them in order that comes to least by learned weights costs her
                 than the one that is best for her, a host, among those that do not know what is wrong
    covered      share of 95 % intervals that hold her weight

Exit status 1: the learned weights are not nearer to hers than the defaults, or chosen answers tell no more than as many by lot.
"""

import argparse
import json
import math
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ordertrainer import heldout
from ordertrainer.chaos.catalogue import load_faults
from ordertrainer.costs import NAMES, Costs
from ordertrainer.policy.playbooks import Playbooks, load_playbooks
from ordertrainer.prefer.answers import Answer, AnswersFile, Said, question
from ordertrainer.prefer.belief import Belief, beforehand, learn
from ordertrainer.prefer.bills import Bill
from ordertrainer.prefer.comparisons import comparisons, saved
from ordertrainer.prefer.habits import BLIND
from ordertrainer.prefer.plans import draw_scenes
from ordertrainer.prefer.scenes import Scene
from ordertrainer.prefer.session import Session
from ordertrainer.prefer.words import Words
from ordertrainer.sim.catalogue import PLAYBOOKS

SPREAD = 0.8
SHARPNESS = (3.0, 8.0)
SCALES_S = (5.0, 20.0)
EQUAL_S = 1.0
STEP = 10
Curve = dict[int, dict[str, float]]
MEASURES = ("off", "agreement", "regret_s", "covered")


class Hosts:
    """Hosts that nobody is asked about: what every two plans differ in, and what ways of keeping them come to."""

    def __init__(self, scenes: Sequence[Scene]) -> None:
        self.count = len(scenes)
        self.gains = saved([(one.bill, other.bill) for scene in scenes for one, other in scene.pairs()])
        self.ways = np.array([[scene.bills[name].row for scene in scenes] for name in sorted(BLIND)]).mean(1)


class Person:
    """Somebody whose weights are known."""

    def __init__(self, seed: int, *, slips: float, steady: bool) -> None:
        self.random, self._slips, self._steady = np.random.default_rng(seed), slips, steady
        self.factors = np.exp(self.random.normal(0.0, SPREAD, len(NAMES)))
        self.weights = row_of(Costs()) * np.array([1.0, *self.factors])
        self.sharpness, self.scale_s = (float(np.exp(self.random.uniform(*np.log(ends)))) for ends in (SHARPNESS, SCALES_S))

    def says(self, one: Bill, other: Bill) -> Said:
        """Answer, and slip at times."""
        worth = (np.array(other.row) - np.array(one.row)) * self.weights
        if self.random.random() < self._slips:
            return Said.A if self.random.random() < 0.5 else Said.B
        if abs(worth.sum()) < EQUAL_S:
            return Said.EQUAL
        surer = worth.sum() / self.scale_s if self._steady else self.sharpness * worth.sum() / (EQUAL_S + np.abs(worth).sum())
        return Said.A if self.random.random() < 0.5 * (1.0 + math.tanh(0.5 * surer)) else Said.B

    def judge(self, belief: Belief, hosts: Hosts) -> dict[str, float]:
        """Return how near a belief is to her."""
        learned = row_of(belief.costs)
        ends = np.array([belief.interval(name) for name in NAMES])
        hers, ours = hosts.gains @ self.weights, hosts.gains @ learned
        clear = np.abs(hers) >= EQUAL_S
        costs = hosts.ways @ self.weights
        return {
            "off": float(np.exp(np.abs(np.log(learned / self.weights))[1:].mean())),
            "agreement": float(((hers > 0.0) == (ours > 0.0))[clear].mean()),
            "regret_s": float(costs[(hosts.ways @ learned).argmin()] - costs.min()),
            "covered": float(((ends[:, 0] <= self.weights[1:]) & (self.weights[1:] <= ends[:, 1])).mean()),
        }


def row_of(costs: Costs) -> NDArray[np.float64]:
    """Return weights in the order of columns, that of trouble first."""
    return np.array([1.0, *(getattr(costs, name) for name in NAMES)])


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=3)
    parser.add_argument("--answers", type=int, default=100, help="of each person, chosen")
    parser.add_argument("--by-lot", type=int, default=300, help="of each person, by lot")
    parser.add_argument("--scenes", type=int, default=32, help="hosts to ask about, and as many to judge by")
    parser.add_argument("--slips", type=float, default=0.03, help="share of answers that are given without a look")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    playbooks = load_playbooks()
    words = Words(faults=load_faults(PLAYBOOKS / "faults").faults, repairs=playbooks.repairs, layout=playbooks.world.layout)
    people = [_measured(playbooks, words, seed, options) for seed in range(options.people)]
    figures = {
        "options": vars(options) | {"spread": SPREAD, "sharpness": SHARPNESS, "scales_s": SCALES_S, "equal_s": EQUAL_S},
        "heldout_sha256": heldout.load().sha256,
        "curves": {arm: _curve(people, arm) for arm in ("chosen", "by_lot")},
        "chosen_by_kind": {
            kind: _curve([each for each in people if each["steady"] is steady], "chosen")
            for kind, steady in (("in proportions", False), ("steady", True))
            if any(each["steady"] is steady for each in people)
        },
        "by_lot_needed": _needed(people),
        "people": people,
    }
    print(json.dumps(figures)) if options.json else _print(figures)
    return 0 if _passed(figures, options.answers) else 1


def _measured(playbooks: Playbooks, words: Words, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Ask one person, and judge what was learned."""
    held = heldout.load()
    asked, others = (draw_scenes(playbooks.world, held, options.scenes, 2 * seed + place) for place in range(2))
    hosts = Hosts(others)
    she, again = (Person(seed, slips=options.slips, steady=seed % 2 == 1) for _ in range(2))
    chosen, belief = _chosen(she, asked, hosts, words, options.answers)
    ends = [belief.interval(name) for name in NAMES]
    return {
        "seed": seed,
        "steady": seed % 2 == 1,
        "weights": dict(zip(NAMES, she.weights[1:].tolist(), strict=True)),
        "learned": asdict(belief.costs),
        "intervals": dict(zip(NAMES, ends, strict=True)),
        "moved": [name for name, (low, high) in zip(NAMES, ends, strict=True) if not low <= getattr(Costs(), name) <= high],
        "way_before": sorted(BLIND)[int((hosts.ways @ row_of(Costs())).argmin())],
        "way_after": sorted(BLIND)[int((hosts.ways @ row_of(belief.costs)).argmin())],
        "way_hers": sorted(BLIND)[int((hosts.ways @ she.weights).argmin())],
        "chosen": chosen,
        "by_lot": _by_lot(again, asked, hosts, options.by_lot),
    }


def _chosen(she: Person, asked: Sequence[Scene], hosts: Hosts, words: Words, count: int) -> tuple[Curve, Belief]:
    """Ask as people are asked."""
    with tempfile.TemporaryDirectory() as folder, AnswersFile.opened(Path(folder) / "answers.jsonl") as kept:
        session = Session(kept, asked, beforehand(Costs()), np.random.default_rng(she.random.integers(1 << 32)))
        told = {0: she.judge(session.belief, hosts)}
        while session.answers < count and (one := session.next()) is not None:
            session.say(one, she.says(one.a.bill, one.b.bill), words)
            if session.answers % STEP == 0:
                told[session.answers] = she.judge(session.belief, hosts)
        return told, session.belief


def _by_lot(she: Person, asked: Sequence[Scene], hosts: Hosts, count: int) -> Curve:
    """Ask the same questions in any order."""
    pairs = {question(one.bill, other.bill): (one.bill, other.bill) for s in asked for one, other in s.pairs()}
    order = she.random.permutation(len(pairs))[:count]
    several = [list(pairs.values())[place] for place in order]
    answers = [Answer(a=one, b=other, said=she.says(one, other)) for one, other in several]
    belief = beforehand(Costs())
    told: Curve = {}
    for end in range(0, len(answers) + 1, STEP):
        belief = learn(belief, comparisons(answers[max(0, end - STEP) : end]))
        told[end] = she.judge(belief, hosts)
    return told


def _curve(people: list[dict[str, Any]], arm: str) -> Curve:
    """Return the mean over people after each number of answers."""
    counts = sorted(set.intersection(*(set(each[arm]) for each in people)))
    return {n: {m: statistics.mean(each[arm][n][m] for each in people) for m in MEASURES} for n in counts}


def _needed(people: list[dict[str, Any]]) -> dict[int, int | None]:
    """Return how many answers by lot it takes to be as near as after some that were chosen; None: more than were asked."""
    chosen, by_lot = _curve(people, "chosen"), _curve(people, "by_lot")
    return {n: next((m for m, told in by_lot.items() if told["off"] <= chosen[n]["off"]), None) for n in chosen if n}


def _passed(figures: dict[str, Any], count: int) -> bool:
    chosen, by_lot = (figures["curves"][arm] for arm in ("chosen", "by_lot"))
    last = max(n for n in chosen if n in by_lot and n <= count)
    return chosen[last]["off"] < chosen[0]["off"] and chosen[last]["off"] < by_lot[last]["off"]


def _print(figures: dict[str, Any]) -> None:
    for arm, curve in (figures["curves"] | figures["chosen_by_kind"]).items():
        print(f"\n{arm:<15}" + "".join(f"{name:>12}" for name in MEASURES))
        for count, told in curve.items():
            print(f"{count:<15}" + "".join(f"{told[name]:>12.3f}" for name in MEASURES))
    print("\nby lot it takes: " + ", ".join(f"{m or 'more'} for {n}" for n, m in figures["by_lot_needed"].items()))
    for each in figures["people"]:
        way = f"{each['way_before']} -> {each['way_after']} (hers: {each['way_hers']})"
        print(f"person {each['seed']}: {way}; moved: {', '.join(each['moved'])}")


if __name__ == "__main__":
    sys.exit(main())

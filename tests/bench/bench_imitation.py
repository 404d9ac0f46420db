"""What imitation in the simulator teaches, beside rules and chance, and what is left of it without one of its parts.

Usage: python tests/bench/bench_imitation.py [--arms A,B] [--seeds N] [--iterations N] [--hosts N] [--jobs N] [--held-out]

    dagger       stage 2 as it is (`ordertrainer imitate`)
    cloning      the expert acts in every episode: the learner never sees its own mistakes
    no-hiding    signals that few repairs ask for are never hidden from the learner

Every arm is trained with several seeds and examined on the same hosts, which no training saw. With --held-out the final test is
asked too: that is done once for a state of the training, and kept with its figures. Exit status 1: the network of some seed does
not settle more hosts than the rules' 95 % interval reaches.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from ordertrainer import heldout
from ordertrainer.policy.actor import Network
from ordertrainer.policy.checkpoint import policy_of, read_policy
from ordertrainer.policy.imitate import Settings, imitate
from ordertrainer.policy.iterations import Bounds
from ordertrainer.policy.playbooks import load_playbooks
from ordertrainer.policy.report import BASELINES, NETWORK, RULES, examine, makers
from ordertrainer.policy.suites import MIX, suites, training_mix

ARMS = {"dagger": {}, "cloning": {"expert_decay": 1.0}, "no-hiding": {"hide": 0.0}}
EXAM_SEED = 1
SHOWN = ("settled", "repaired_within_3", "called_wrongly", "harmful_per_host", "calm_hosts_touched", "calm_hosts_called")


class _Silent:
    def begin(self, bounds: Bounds, seconds: float) -> None:
        pass

    def part(self, what: str, iteration: int, share: float) -> None:
        pass

    def line(self, said: dict[str, Any]) -> None:
        pass


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--arms", default="dagger", help=f"by commas, dagger among them, of: {', '.join(ARMS)}")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--iterations", type=int, default=3, help="of each training")
    parser.add_argument("--hosts", type=int, default=64, help="of each suite of the exam")
    parser.add_argument("--jobs", type=int, default=1, help="trainings at once, each on one thread")
    parser.add_argument("--held-out", action="store_true", help="ask the final test too")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        asked = (options.hosts, options.held_out)
        baselines = pool.submit(_baselines, *asked)
        runs = {
            arm: [pool.submit(_trained, arm, seed, options.iterations, *asked) for seed in range(options.seeds)]
            for arm in options.arms.split(",")
        }
        figures = {
            "exam_hosts": options.hosts,
            "iterations": options.iterations,
            "heldout_sha256": heldout.load().sha256,
            "baselines": baselines.result(),
            "arms": {arm: [each.result() for each in several] for arm, several in runs.items()},
        }
    if options.json:
        print(json.dumps(figures))
    else:
        _print(figures)
    return 0 if _passed(figures) else 1


def _asked(world: Any, *, held_out: bool) -> list[Any]:
    held = heldout.load()
    return [training_mix(world, held), *(suite for suite in suites(world, held) if held_out or not suite.held)]


def _baselines(hosts: int, held_out: bool) -> dict[str, Any]:  # noqa: FBT001  called by position in another process
    torch.set_num_threads(1)
    playbooks = load_playbooks()
    asked = _asked(playbooks.world, held_out=held_out)
    return examine(playbooks, makers(playbooks, None, BASELINES, 0), asked, hosts=hosts, seed=EXAM_SEED)["suites"]


def _trained(arm: str, seed: int, iterations: int, hosts: int, held_out: bool) -> dict[str, Any]:  # noqa: FBT001  as above
    torch.set_num_threads(1)
    playbooks, held = load_playbooks(), heldout.load()
    began, cpu = time.monotonic(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        settings = replace(Settings(seed=seed), **ARMS[arm])
        path = imitate(playbooks, held, Path(folder), settings, bounds=Bounds(iterations=iterations), watcher=_Silent())
        content = read_policy(path)
    took = {"train_wall_s": round(time.monotonic() - began, 1), "train_cpu_s": round(time.process_time() - cpu, 1)}
    net = policy_of(content)
    # The rules as a floor are examined with the arm that ships only: they are slow, and the same under every arm.
    arms = makers(playbooks, lambda: Network(net, playbooks.contracts), (RULES,) if arm == "dagger" else (), 0)
    arms = {name: make for name, make in arms.items() if name != RULES}
    report = examine(playbooks, arms, _asked(playbooks.world, held_out=held_out), hosts=hosts, seed=EXAM_SEED)
    return {"seed": seed, "best_iteration": content["iteration"], **took, "suites": report["suites"]}


def _passed(figures: dict[str, Any]) -> bool:
    limit = figures["baselines"][MIX]["scores"][RULES]["settled"]["high"]
    return all(run["suites"][MIX]["scores"][NETWORK]["settled"]["value"] > limit for run in figures["arms"]["dagger"])


def _print(figures: dict[str, Any]) -> None:
    for suite, told in figures["baselines"].items():
        print(f"\n{suite}\n{'':18}" + "".join(f"{name:>28}" for name in SHOWN))
        for name, scored in told["scores"].items():
            print(f"{name:<18}" + "".join(f"{_one(scored[key]):>28}" for key in SHOWN))
        for arm, runs in figures["arms"].items():
            for policy in runs[0]["suites"][suite]["scores"]:
                several = [run["suites"][suite]["scores"][policy] for run in runs]
                label = arm if policy == NETWORK else "  with rules below"
                print(f"{label:<18}" + "".join(f"{_several([s[key]['value'] for s in several]):>28}" for key in SHOWN))


def _one(score: dict[str, Any]) -> str:
    return "-" if score["value"] is None else f"{score['value']:.3f} ({score['low']:.3f} to {score['high']:.3f})"


def _several(values: list[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{statistics.mean(known):.3f} [{min(known):.3f} {max(known):.3f}]" if known else "-"


if __name__ == "__main__":
    sys.exit(main())

"""What predicting the next sample is worth: bits a value beside peers, and what it saves in labels.

Usage: python tests/bench/bench_pretrain.py [--from BEST.pt | --minutes N] [--parts PART,PART] [--data DIR]
           [--external FILE.npz]... [--seeds N] [--windows N,N] [--runs N,N] [--epochs N] [--steps N] [--batch N] [--hosts N]
           [--fit-steps N] [--held-out] [--json]

    hosts        the next second of simulated hosts, and of recorded runs of the split test (--data)
    novelty      surprise against quiet hosts
    foreign      the next sample of foreign telemetry (--external)
    simulated    the order model trained on few labelled windows of the simulator, from random and from pretrained weights
    recorded     the same on few labelled recorded runs of the split train (--data), scored on the split test

Every arm of a seed sees the same examples in the same order. Exit status 1: on simulated hosts the network charges more than a
peer.
"""

import argparse
import json
import statistics
import sys
import tempfile
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ordertrainer import heldout
from ordertrainer.dataset import Examples, digest, load_examples
from ordertrainer.evaluation.predictions import by_network
from ordertrainer.evaluation.scores import auc, confusion_per_run, macro_f1
from ordertrainer.imitation.checkpoint import net_of as order_of
from ordertrainer.imitation.checkpoint import read
from ordertrainer.imitation.simulated import simulated_examples
from ordertrainer.imitation.train import Data, Settings, train
from ordertrainer.policy.iterations import Bounds
from ordertrainer.policy.playbooks import load_playbooks
from ordertrainer.pretrain import report
from ordertrainer.pretrain.checkpoint import net_of, read_pretrained, sha256_of
from ordertrainer.pretrain.fitted import Fit
from ordertrainer.pretrain.learn import Settings as Pretraining
from ordertrainer.pretrain.learn import Sources, pretrain

ARMS = ("random", "pretrained")
TUNE_WINDOWS, TEST_WINDOWS = 400, 1000
TUNE_SEED, TEST_SEED = 1001, 1002


class _Silent:
    def begin(self, bounds: Bounds, seconds: float) -> None:
        pass

    def part(self, what: str, iteration: int, share: float) -> None:
        pass

    def line(self, said: dict[str, Any]) -> None:
        print(json.dumps(said), file=sys.stderr, flush=True)


def main() -> int:
    """Measure and print."""
    options = _options()
    torch.set_num_threads(1)
    world, held = load_playbooks().world, heldout.load()
    with tempfile.TemporaryDirectory() as folder:
        weights = options.weights
        if weights is None:
            bounds = Bounds(minutes=options.minutes)
            weights = pretrain(
                Sources(world=world, held=held), Path(folder) / "pretrained", Pretraining(), bounds=bounds, watcher=_Silent()
            )
        parts = {
            "hosts": lambda: _hosts(weights, world, held, options),
            "novelty": lambda: _novelty(weights, world, held, options),
            "foreign": lambda: _foreign(weights, options),
            "simulated": lambda: _few_windows(weights, world, held, options, Path(folder)),
            "recorded": lambda: _few_runs(weights, options, Path(folder)),
        }
        figures = {"weights": _about(weights)} | {name: parts[name]() for name in options.parts.split(",")}
    print(json.dumps(figures) if options.json else _told(figures))
    rows = figures.get("hosts", {}).get("simulated", {}).get("bits_per_value", {"network": {"bits": 0.0}})
    return 0 if min(rows, key=lambda name: rows[name]["bits"]) == "network" else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--from", dest="weights", type=Path, help="weights of `ordertrainer pretrain`; made here when not given")
    parser.add_argument("--minutes", type=float, default=1.0, help="of a pretraining made here, on simulated hosts alone")
    parser.add_argument("--parts", default="hosts,novelty,foreign,simulated", help="by commas, of those above")
    parser.add_argument("--data", type=Path, help="recorded runs of `ordertrainer collect`")
    parser.add_argument("--external", type=Path, action="append", default=[], help="foreign telemetry")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--windows", default="200", help="labelled simulated windows, by commas; few at best")
    parser.add_argument("--runs", default="10", help="labelled recorded runs, by commas")
    parser.add_argument("--epochs", type=int, default=4, help="of each training with labels")
    parser.add_argument("--steps", type=int, default=20, help="an epoch")
    parser.add_argument("--batch", type=int, default=96, help="windows a step")
    parser.add_argument("--hosts", type=int, default=24, help="simulated hosts that are scored")
    parser.add_argument("--fit-steps", type=int, default=200, help="of the row fitted to foreign telemetry; 0: no such row")
    parser.add_argument("--held-out", action="store_true", help="ask the families held out for surprise, too")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _about(weights: Path) -> dict[str, Any]:
    content = read_pretrained(weights)
    told = {key: content[key] for key in ("seed", "iteration", "commit", "data_digest", "heldout", "tune")}
    return told | {"sha256": sha256_of(weights)}


def _hosts(weights: Path, world: Any, held: Any, options: argparse.Namespace) -> dict[str, Any]:
    net = net_of(read_pretrained(weights))
    found = {"simulated": report.of_simulated(net, world, held, options.hosts, 0)}
    return found | ({"recorded": report.of_recorded(net, options.data, held, "test", 0)} if options.data is not None else {})


def _novelty(weights: Path, world: Any, held: Any, options: argparse.Namespace) -> dict[str, Any]:
    net = net_of(read_pretrained(weights))
    return report.of_novelty(
        net, world, held, count=options.hosts, seed=0, final=options.held_out, tick=lambda _what, _share: None
    )


def _foreign(weights: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    net, fit = net_of(read_pretrained(weights)), Fit(steps=options.fit_steps) if options.fit_steps else None
    return [report.of_foreign(net, file, fit, lambda _what, _share: None) for file in options.external]


def _few_windows(weights: Path, world: Any, held: Any, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    tune = simulated_examples(world, held, windows=TUNE_WINDOWS, seed=TUNE_SEED)
    test = simulated_examples(world, held, windows=TEST_WINDOWS, seed=TEST_SEED)
    sizes = [int(size) for size in options.windows.split(",")]
    drawn = {seed: simulated_examples(world, held, windows=max(sizes), seed=seed) for seed in range(options.seeds)}
    return {
        str(size): _arms(
            weights,
            {seed: Data(train=_some(every, np.arange(size)), tune=tune, digest="") for seed, every in drawn.items()},
            test,
            options,
            folder / f"windows-{size}",
        )
        for size in sizes
    }


def _few_runs(weights: Path, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    every, tune, test = (load_examples(options.data, split) for split in ("train", "tune", "test"))
    found: dict[str, Any] = {"data": digest(options.data), "runs_there": len(set(every.run_id.tolist()))}
    for size in (int(size) for size in options.runs.split(",")):
        data = {
            seed: Data(train=_some(every, _rows_of_runs(every, size, seed)), tune=tune, digest="")
            for seed in range(options.seeds)
        }
        found[str(size)] = _arms(weights, data, test, options, folder / f"runs-{size}")
    return found


def _rows_of_runs(examples: Examples, count: int, seed: int) -> np.ndarray:
    """Return the rows of some runs, one of every fault in turn, in an order drawn from the seed."""
    rng = np.random.default_rng(seed)
    fault_of = {str(run): str(fault) for run, fault in zip(examples.run_id, examples.fault, strict=True) if fault}
    by_fault: dict[str, list[str]] = {}
    for run in rng.permutation(np.unique(examples.run_id)).tolist():
        by_fault.setdefault(fault_of.get(run, ""), []).append(run)
    faults = rng.permutation(sorted(by_fault)).tolist()
    rounds = range(max(map(len, by_fault.values())))
    order = [by_fault[fault][turn] for turn in rounds for fault in faults if turn < len(by_fault[fault])]
    return np.flatnonzero(np.isin(examples.run_id, order[:count]))


def _some(examples: Examples, rows: np.ndarray) -> Examples:
    return Examples(**{f.name: getattr(examples, f.name)[rows] for f in fields(Examples)})


def _arms(weights: Path, data: dict[int, Data], test: Examples, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    scored: dict[str, list[dict[str, float]]] = {arm: [] for arm in ARMS}
    for seed, splits in data.items():
        for arm in ARMS:
            settings = Settings(
                seed=seed, epochs=options.epochs, steps=options.steps, batch=options.batch, patience=options.epochs
            )
            out = folder / f"{arm}-{seed}"
            path = train(splits, out, settings, lambda _line: None, pretrained=weights if arm == "pretrained" else None)
            scored[arm].append(_scored(path, test))
            print(folder.name, arm, seed, scored[arm][-1], file=sys.stderr, flush=True)
    pairs = zip(*(scored[arm] for arm in ARMS), strict=True)
    gained = [{key: two[key] - one[key] for key in one} for one, two in pairs]
    return {arm: _over_seeds(several) for arm, several in scored.items()} | {"gained": _over_seeds(gained)}


def _scored(path: Path, test: Examples) -> dict[str, float]:
    said = by_network(order_of(read(path)), test, torch.device("cpu"))
    judged = test.present & (test.failure > 0)
    right = said.failure.argmax(axis=-1) == test.failure
    return {
        "macro_f1": macro_f1(confusion_per_run(said.failure.argmax(axis=-1), test).sum(axis=0)),
        "failing_named_right": float(right[judged].mean()),
        "wrong_auc": auc(said.wrong, test.wrong),
    }


_T_95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}
"""Student's t for a two-sided 95 % interval, by the number of seeds."""


def _over_seeds(several: list[dict[str, float]]) -> dict[str, Any]:
    """Return mean, 95 % interval over seeds (null for one seed), and every seed's value."""
    found: dict[str, Any] = {}
    for key in several[0]:
        values = [each[key] for each in several]
        half = _T_95[len(values)] * statistics.stdev(values) / len(values) ** 0.5 if len(values) in _T_95 else None
        mean = statistics.mean(values)
        found[key] = {
            "mean": round(mean, 4),
            "low": None if half is None else round(mean - half, 4),
            "high": None if half is None else round(mean + half, 4),
            "seeds": [round(value, 4) for value in values],
        }
    return found


def _told(figures: dict[str, Any]) -> str:
    lines = [f"weights of iteration {figures['weights']['iteration']}, seed {figures['weights']['seed']}"]
    for name, told in figures.get("hosts", {}).items():
        rows = told["bits_per_value"]
        lines += [f"\n{name} hosts, bits a value", *(f"  {who:<24}{row['bits']:8.4f}" for who, row in rows.items())]
    for told in figures.get("foreign", ()):
        lines += [f"\n{told['name']}, bits a value"]
        lines += [f"  {who:<24}{row['bits']:8.3f}  {row['fitted_to']}" for who, row in told["rows"].items()]
    if told := figures.get("novelty"):
        lines += [f"\nsurprise ({told['way']}) against quiet hosts, AUC"]
        lines += [f"  {name:<24}{row['auc']:8.3f}" for name, row in told["against_quiet"].items()]
    for source in ("simulated", "recorded"):
        for size, arms in ((size, arms) for size, arms in figures.get(source, {}).items() if isinstance(arms, dict)):
            lines += [f"\n{size} labelled, {source}"]
            lines += [f"  {arm:<24}" + "  ".join(f"{key} {v['mean']:.3f}" for key, v in row.items()) for arm, row in arms.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())

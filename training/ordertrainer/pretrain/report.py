"""All that is scored of pretrained weights, as plain values. Reads data directories and foreign files; imports torch."""

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import torch

from orderd.domain.signals import ENTITY_SIGNALS, HOST_SIGNALS
from ordertrainer.dataset import read_labels
from ordertrainer.heldout import HeldOut
from ordertrainer.nets.next_sample import NextNet
from ordertrainer.policy.levels import Trained
from ordertrainer.policy.seeds import seed_of
from ordertrainer.policy.suites import TUNING, suites
from ordertrainer.pretrain import foreigners, hosts, novelty, peers, recorded
from ordertrainer.pretrain.cost import coded, table
from ordertrainer.pretrain.fitted import Fit
from ordertrainer.pretrain.foreign import read_foreign
from ordertrainer.pretrain.moments import Course
from ordertrainer.pretrain.simulated import courses
from ordertrainer.sim import Compiled

SECONDS: Final = 100
"""Of each simulated host that is scored; an episode has 120."""
NOVELTY_SECONDS: Final = 60
HELD_FAMILIES: Final = "held families"
_SIGNALS: Final = tuple(signal.name for signal in (*HOST_SIGNALS, *ENTITY_SIGNALS))

Tick = Callable[[str, float], None]


def of_simulated(net: NextNet, world: Compiled, held: HeldOut, count: int, seed: int) -> dict[str, Any]:
    """Score simulated hosts that no training saw; the peers that are fitted are fitted to as many others.

    Args:
        net: whose weights are scored.
        world: the catalogue.
        held: the locked split.
        count: of hosts.
        seed: of the hosts.
    """
    chaos = Trained(world, held)
    fitted, scored = (
        courses(world, chaos, hosts=count, seconds=SECONDS, seed=seed_of(seed, what), repaired=0.5) for what in ("fit", "score")
    )
    return _hosts(net, fitted, scored, seed)


def of_recorded(net: NextNet, data: Path, held: HeldOut, split: str, seed: int) -> dict[str, Any]:
    """Score the recorded runs of a split; the peers that are fitted are fitted to the runs for training.

    Raises:
        DatasetError: the directory cannot be used.
    """
    train = [label for label in read_labels(data, "train") if recorded.may_train(label, held)]
    scored = recorded.courses(data, read_labels(data, split))
    return {"split": split} | _hosts(net, recorded.courses(data, train), scored, seed)


def _hosts(net: NextNet, fitted: Iterable[Course], scored: Iterable[Course], seed: int) -> dict[str, Any]:
    """Score courses; one at a time is in memory."""
    with torch.inference_mode():
        regression = peers.fit((coded(net, course) for course in fitted), len(_SIGNALS))
    asked = [table(net, course) for course in scored]
    return hosts.score(asked, regression, seed) | {"by_signal": dict(hosts.by_signal(asked, _SIGNALS))}


def of_foreign(net: NextNet, file: Path, fit: Fit | None, tick: Tick) -> dict[str, Any]:
    """Score foreign telemetry; nothing of it is kept.

    Raises:
        ForeignError: the file cannot be used.
    """
    return {"name": file.stem} | foreigners.score(read_foreign(file), net, fit, tick)


def of_novelty(net: NextNet, world: Compiled, held: HeldOut, *, count: int, seed: int, final: bool, tick: Tick) -> dict[str, Any]:
    """Tell faulty from quiet simulated hosts by surprise alone.

    Args:
        net: whose surprise it is.
        world: the catalogue.
        held: the locked split.
        count: hosts of each suite.
        seed: of the hosts.
        final: ask the families held out too.
        tick: told what is done.
    """
    wanted = ("quiet", "decoys", "singles", TUNING, *((HELD_FAMILIES,) if final else ()))
    asked = [suite for suite in suites(world, held) if suite.name in wanted]
    found: dict[str, list[novelty.Surprise]] = {}
    for place, suite in enumerate(asked):
        tick(f"surprise, {suite.name}", place / len(asked))
        seen = courses(world, suite.chaos, hosts=count, seconds=NOVELTY_SECONDS, seed=seed_of(seed, suite.name))
        found[suite.name] = [novelty.surprise(net, course) for course in seen]
    quiet = found.pop("quiet")
    way = novelty.choose(found[TUNING], quiet)
    told = {name: novelty.told_apart(each, quiet, way, seed) for name, each in found.items()}
    return {"way": way, "chosen_on": TUNING, "seconds": novelty.LOOKS_S, "against_quiet": told}


def log_final(path: Path, about: dict[str, Any], told: dict[str, Any]) -> int:
    """Note one look at what is held out; return how many looks there have been.

    Args:
        path: a line of JSON each.
        about: which weights looked.
        told: what came of it.
    """
    line = {"utc": datetime.now(UTC).isoformat(timespec="seconds"), "weights": about, HELD_FAMILIES: told}
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    return len(path.read_text(encoding="utf-8").splitlines())

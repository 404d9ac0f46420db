"""An exam from end to end: some policies, some suites, one report of plain values. Imports torch."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import torch

from ordertrainer.chaos.catalogue import load_faults
from ordertrainer.policy.actor import Network
from ordertrainer.policy.exam import Played, by_group, plain, play, scores
from ordertrainer.policy.floored import Floored
from ordertrainer.policy.playbooks import Playbooks
from ordertrainer.policy.seeds import seed_of
from ordertrainer.policy.suites import Suite
from ordertrainer.sim.catalogue import PLAYBOOKS
from ordertrainer.sim.policies import Chance, Oracle, Policy, Rules

NETWORK, BOTH, ORACLE, RULES, CHANCE = "network", "network + rules", "oracle", "rules", "chance"
BASELINES: Final = (ORACLE, RULES, CHANCE)
PART_HOSTS: Final = 256
"""As many hosts are played together at most: who plays the next ones may be another process."""

Makers = Mapping[str, Callable[[], Policy]]
"""A new policy for each turn: rules remember what they tried."""
Tick = Callable[[str, float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One policy before some hosts of one suite.

    Attributes:
        suite: its name.
        policy: its name.
        part: of the suite's hosts, from 0.
        hosts: in this part.
    """

    suite: str
    policy: str
    part: int
    hosts: int

    def __str__(self) -> str:
        """Return who is asked what."""
        return f"{self.suite}: {self.policy}"

    def seed(self, seed: int) -> int:
        """Return the seed of these hosts: the same for every policy."""
        return seed_of(seed, "exam", self.suite, *((self.part,) if self.part else ()))


def makers(playbooks: Playbooks, network: Callable[[], Network] | None, baselines: Iterable[str], seed: int) -> Makers:
    """Return who takes the exam: the network first, then with the rules as its floor where the rules take it too.

    Args:
        playbooks: the catalogue.
        network: makes a new one; None: it takes no exam.
        baselines: who else does.
        seed: of chance.
    """
    known: dict[str, Callable[[], Policy]] = {
        ORACLE: Oracle,
        RULES: lambda: Rules(playbooks.repairs),
        CHANCE: lambda: Chance(seed),
    }
    chosen = {name: known[name] for name in baselines}
    if network is None:
        return chosen
    both = {BOTH: lambda: Floored(network(), Rules(playbooks.repairs))} if RULES in chosen else {}
    return {NETWORK: network, **both, **chosen}


def examine(
    playbooks: Playbooks,
    policies: Makers,
    asked: Sequence[Suite],
    *,
    hosts: int,
    seed: int,
    tick: Tick = lambda _what, _share: None,
) -> dict[str, Any]:
    """Let every policy keep the same hosts in order.

    Args:
        playbooks: the catalogue.
        policies: who takes the exam.
        asked: what is asked.
        hosts: of each suite.
        seed: of hosts; none of a training is ever that of an exam.
        tick: told who is being asked what, and the share of the whole that is done.

    Returns:
        Plain values, for JSON and tables.
    """
    every, played = turns([suite.name for suite in asked], policies, hosts), list[Played]()
    suite_of = {suite.name: suite for suite in asked}
    for done, turn in enumerate(every):

        def tell(share: float, who: str = str(turn), before: int = done) -> None:
            tick(who, (before + share) / len(every))

        maker, suite = policies[turn.policy], suite_of[turn.suite]
        played.append(play(maker(), playbooks.world, suite, hosts=turn.hosts, seed=turn.seed(seed), tick=tell))
    return {"hosts": hosts, "seed": seed, **told(playbooks, asked, every, played)}


def turns(asked: Sequence[str], policies: Iterable[str], hosts: int) -> list[Turn]:
    """Return everything that there is to play, in order.

    Args:
        asked: names of suites.
        policies: names.
        hosts: of each suite.
    """
    parts = [min(PART_HOSTS, hosts - first) for first in range(0, hosts, PART_HOSTS)]
    names = list(policies)
    return [
        Turn(suite=suite, policy=policy, part=part, hosts=count)
        for suite in asked
        for policy in names
        for part, count in enumerate(parts)
    ]


def told(playbooks: Playbooks, asked: Sequence[Suite], every: Sequence[Turn], played: Sequence[Played]) -> dict[str, Any]:
    """Return what came of all turns, by suite and policy.

    Args:
        playbooks: the catalogue.
        asked: what was asked.
        every: turns, in order.
        played: what came of each.
    """
    groups = {name: str(fault.group) for name, fault in load_faults(PLAYBOOKS / "faults").faults.items()}
    parts: dict[str, dict[str, list[Played]]] = {suite.name: {} for suite in asked}
    for turn, part in zip(every, played, strict=True):
        parts[turn.suite].setdefault(turn.policy, []).append(part)
    found: dict[str, Any] = {}
    for suite in asked:
        whole = {policy: _joined(several) for policy, several in parts[suite.name].items()}
        found[suite.name] = {
            "held": suite.held,
            "single": suite.single,
            "scores": {policy: plain(scores(each)) for policy, each in whole.items()},
            "families": {policy: by_group(playbooks.world, groups, each) for policy, each in whole.items()},
        }
    return {"suites": found}


def _joined(parts: Sequence[Played]) -> Played:
    """Return the hosts of all parts as one."""
    return Played(**{f.name: torch.cat([getattr(part, f.name) for part in parts]) for f in fields(Played)})


def log_final(file: Path, about: Mapping[str, Any], report: Mapping[str, Any]) -> int:
    """Note that the held-out sets were looked at; return how many times that has happened to this folder by now.

    Args:
        file: log, one line a look.
        about: which policy.
        report: what was found.
    """
    settled = {
        name: {policy: scored["settled"]["value"] for policy, scored in suite["scores"].items()}
        for name, suite in report["suites"].items()
        if suite["held"]
    }
    line = {"at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), **about, "seed": report["seed"], "settled": settled}
    with file.open("a", encoding="utf-8") as log:
        log.write(json.dumps(line) + "\n")
    return file.read_text(encoding="utf-8").count("\n")

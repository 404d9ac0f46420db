"""An exam from end to end: some policies, some suites, one report of plain values. Imports torch."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from ordertrainer.chaos.catalogue import load_faults
from ordertrainer.policy.actor import Network
from ordertrainer.policy.exam import by_group, plain, play, scores
from ordertrainer.policy.floored import Floored
from ordertrainer.policy.playbooks import Playbooks
from ordertrainer.policy.seeds import seed_of
from ordertrainer.policy.suites import Suite
from ordertrainer.sim.catalogue import PLAYBOOKS
from ordertrainer.sim.policies import Chance, Oracle, Policy, Rules

NETWORK, BOTH, ORACLE, RULES, CHANCE = "network", "network + rules", "oracle", "rules", "chance"
BASELINES: Final = (ORACLE, RULES, CHANCE)

Makers = Mapping[str, Callable[[], Policy]]
"""A new policy for each suite: rules remember what they tried."""
Tick = Callable[[str, float], None]


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
    groups = {name: str(fault.group) for name, fault in load_faults(PLAYBOOKS / "faults").faults.items()}
    turns, done = len(asked) * len(policies), 0
    found: dict[str, Any] = {}
    for suite in asked:
        told: dict[str, Any] = {"held": suite.held, "single": suite.single, "scores": {}, "families": {}}
        for name, make in policies.items():

            def tell(share: float, who: str = f"{suite.name}: {name}", before: int = done) -> None:
                tick(who, (before + share) / turns)

            seed_here = seed_of(seed, "exam", suite.name)
            played = play(make(), playbooks.world, suite, hosts=hosts, seed=seed_here, tick=tell)
            told["scores"][name] = plain(scores(played))
            told["families"][name] = by_group(playbooks.world, groups, played)
            done += 1
        found[suite.name] = told
    return {"hosts": hosts, "seed": seed, "suites": found}


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

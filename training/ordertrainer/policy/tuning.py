"""What chooses between states of one training: hosts that no state of it learned from. Imports torch."""

from collections.abc import Callable
from typing import Any

from ordertrainer.heldout import HeldOut
from ordertrainer.policy.actor import Network
from ordertrainer.policy.exam import play, scores
from ordertrainer.policy.playbooks import Playbooks
from ordertrainer.policy.seeds import seed_of
from ordertrainer.policy.suites import TUNING, Suite, suites, training_mix


def tuning(playbooks: Playbooks, held: HeldOut) -> tuple[Suite, ...]:
    """Return what is asked: hosts as trained on, but others, and the families that are for tuning."""
    return training_mix(playbooks.world, held), *(s for s in suites(playbooks.world, held) if s.name == TUNING)


def tried(
    playbooks: Playbooks,
    network: Callable[[], Network],
    asked: tuple[Suite, ...],
    *,
    hosts: int,
    seed: int,
    tick: Callable[[float], None] = lambda _share: None,
) -> dict[str, Any]:
    """Let a network keep hosts in order.

    Args:
        playbooks: the catalogue.
        network: makes one that acts; a new one for each suite.
        asked: of ``tuning``.
        hosts: of each suite.
        seed: of the training; equal seeds are equal hosts.
        tick: told the share that is done.

    Returns:
        ``worth``, and the figures of each of ``suites``.
    """
    found: dict[str, Any] = {}
    worths: list[float] = []
    for place, suite in enumerate(asked):

        def told(share: float, before: int = place) -> None:
            tick((before + share) / len(asked))

        played = play(network(), playbooks.world, suite, hosts=hosts, seed=seed_of(seed, "tuning", suite.name), tick=told)
        values = {name: score.value for name, score in scores(played, resamples=1).items()}
        found[suite.name] = {name: round(value, 5) for name, value in values.items() if value == value}  # noqa: PLR0124  NaN is not itself
        worths.append(worth(values))
    return {"worth": round(sum(worths) / len(worths), 6), "suites": found}


def worth(values: dict[str, float]) -> float:
    """Return one number for what a policy does: hosts settled, less harm done, less calm hosts that were not left alone."""
    calm = values["calm_hosts_touched"] + values["calm_hosts_called"]
    costs = (values["harmful_per_host"], 0.0 if calm != calm else 0.5 * calm)  # noqa: PLR0124  NaN where no host was calm
    return values["settled"] - sum(costs)

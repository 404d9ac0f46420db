"""Named ways to do all that there is, in a time that somebody has. Values only; imports torch."""

from dataclasses import dataclass
from typing import Final

from ordertrainer.nets.policy import PolicyShape
from ordertrainer.policy.imitate import Settings
from ordertrainer.policy.iterations import Bounds
from ordertrainer.policy.rollout import Rollout


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How to train and to examine.

    Attributes:
        summary: for people.
        settings: of imitation, but for the seed.
        bounds: of imitation.
        exam_hosts: on which arms are compared.
    """

    summary: str
    settings: Settings
    bounds: Bounds
    exam_hosts: int


PROFILES: Final = {
    "cpu-3min": Profile(
        summary="three minutes of two slow cores; orders network, rules and chance, and no more",
        settings=Settings(
            rollout=Rollout(hosts=128),
            steps=90,
            batch=160,
            mean_of=60,
            tune_hosts=32,
            shape=PolicyShape(width=48, hidden=64),
        ),
        bounds=Bounds(iterations=3, minutes=2.0),
        exam_hosts=64,
    ),
}

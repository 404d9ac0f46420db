"""Named ways to do all that there is, in a time that somebody has. Values only; imports torch."""

from dataclasses import dataclass, field
from typing import Final

from ordertrainer.evolve.evolve import Settings as Evolution
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
        pretraining: when to stop it; None: imitation begins with random weights.
        evolution: how to evolve, but for the seed; None: the imitated policy is the last word.
        evolution_bounds: when to stop it.
    """

    summary: str
    settings: Settings
    bounds: Bounds
    exam_hosts: int
    pretraining: Bounds | None = None
    evolution: Evolution | None = None
    evolution_bounds: Bounds = field(default_factory=Bounds)


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
    "cpu-4h": Profile(
        summary="four hours of two slow cores: every stage, as its own verb does it by default",
        pretraining=Bounds(minutes=30.0),
        settings=Settings(),
        bounds=Bounds(minutes=90.0),
        evolution=Evolution(tune_hosts=Settings().tune_hosts),
        evolution_bounds=Bounds(minutes=90.0),
        exam_hosts=512,
    ),
    "gpu-30min": Profile(
        summary="half an hour of one large GPU: every stage, with more hosts at once",
        pretraining=Bounds(minutes=4.0),
        settings=Settings(rollout=Rollout(hosts=2048), batch=1024),
        bounds=Bounds(minutes=10.0),
        evolution=Evolution(hosts=2048, tune_hosts=Settings().tune_hosts),
        evolution_bounds=Bounds(minutes=11.0),
        exam_hosts=1024,
    ),
}

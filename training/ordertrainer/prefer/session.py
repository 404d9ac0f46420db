"""One sitting with a person: which question comes next, and what is known after each answer. Writes the file of answers."""

import getpass
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np

from ordertrainer.prefer.answers import Answer, AnswersFile, Said, question
from ordertrainer.prefer.belief import Belief, learn
from ordertrainer.prefer.choose import information
from ordertrainer.prefer.comparisons import comparisons, saved
from ordertrainer.prefer.scenes import Plan, Scene
from ordertrainer.prefer.words import Words

LEAST_BITS: Final = 0.005
"""A question that is expected to tell less is not worth anybody's time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Two plans for one host.

    Attributes:
        scene: the host.
        a, b: the plans.
        bits: what the answer is expected to tell of the weights.
    """

    scene: Scene
    a: Plan
    b: Plan
    bits: float


class Session:
    """Asks what teaches most, and keeps what is said."""

    def __init__(self, kept: AnswersFile, scenes: Sequence[Scene], prior: Belief, random: np.random.Generator) -> None:
        """Begin.

        Args:
            kept: answers so far; what is said is added.
            scenes: to ask about.
            prior: what is believed without any answer.
            random: draws which plan stands first.
        """
        self._kept, self._random = kept, random
        asked = {answer.question for answer in kept.answers}
        open_questions: dict[str, tuple[Scene, Plan, Plan]] = {}
        for scene in scenes:
            for one, other in scene.pairs():
                open_questions.setdefault(question(one.bill, other.bill), (scene, one, other))
        self._open = {key: pair for key, pair in open_questions.items() if key not in asked}
        self._belief = learn(prior, comparisons(kept.answers))

    @property
    def belief(self) -> Belief:
        """Return what is believed now."""
        return self._belief

    @property
    def answers(self) -> int:
        """Return how many answers there are, those of earlier sittings included; what was skipped is none."""
        return sum(answer.said is not Said.SKIP for answer in self._kept.answers)

    def next(self) -> Question | None:
        """Return the question that is expected to tell most; None when none tells anything to speak of."""
        if not self._open:
            return None
        keys = list(self._open)
        bits = information(self._belief, saved([(one.bill, other.bill) for _, one, other in self._open.values()]))
        best = int(bits.argmax())
        if bits[best] < LEAST_BITS:
            return None
        scene, one, other = self._open[keys[best]]
        first, second = (one, other) if self._random.random() < 0.5 else (other, one)  # noqa: PLR2004  a coin
        return Question(scene=scene, a=first, b=second, bits=float(bits[best]))

    def say(self, asked: Question, said: Said, words: Words) -> None:
        """Keep an answer, and learn from it.

        Args:
            asked: the question.
            said: the answer.
            words: in which it was asked.

        Raises:
            PreferError: it could not be kept.
        """
        answer = Answer(
            a=asked.a.bill,
            b=asked.b.bill,
            said=said,
            at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            by=getpass.getuser(),
            scene=words.scene(asked.scene),
            plan_a=words.plan(asked.scene, asked.a),
            plan_b=words.plan(asked.scene, asked.b),
        )
        self._kept.append(answer)
        del self._open[answer.question]
        self._belief = learn(self._belief, comparisons([answer]))

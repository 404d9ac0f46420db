"""What a fit comes to: weights before and after, agreement with answers it did not use, what is decided otherwise. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from ordertrainer.costs import NAMES, Costs
from ordertrainer.prefer.belief import Belief, learn
from ordertrainer.prefer.bills import total_s
from ordertrainer.prefer.comparisons import Comparisons, Floats, join
from ordertrainer.prefer.scenes import Plan, Scene

FOLDS: Final = 10
EVEN: Final = 0.5


def agreement(prior: Belief, asked: Comparisons, more: Comparisons | None = None) -> dict[str, float] | None:
    """Return how often weights say of two plans what a person said, of answers that were not used to learn them.

    Args:
        prior: what was believed before.
        asked: answers, each of which is left out once.
        more: what is always learned from besides.

    Returns:
        How many answers preferred one plan, and the shares that the weights ``before`` and ``after`` agree with; None when there
        are not two such answers.
    """
    folds = np.arange(len(asked)) % FOLDS
    chance_before, chance_after = prior.prefers_first(asked.saved), np.full(len(asked), EVEN)
    for fold in range(min(FOLDS, len(asked))):
        left, out = asked.take(folds != fold), folds == fold
        chance_after[out] = learn(prior, left if more is None else join(left, more)).prefers_first(asked.saved[out])
    firm = asked.first != EVEN
    if int(firm.sum()) < 2:  # noqa: PLR2004  one that is asked about, one that is learned from
        return None
    wanted = asked.first[firm]
    before, after = _share(chance_before[firm], wanted), _share(chance_after[firm], wanted)
    return {"answers": int(firm.sum()), "before": before, "after": after}


def _share(chance: Floats, wanted: Floats) -> float:
    """Return how often the likelier plan is the one that was wanted; what is even counts half."""
    return float(np.where(np.abs(chance - EVEN) < 1e-9, EVEN, (chance > EVEN) == (wanted > EVEN)).mean())  # noqa: PLR2004  rounding


def figures(prior: Belief, belief: Belief, said: Comparisons) -> dict[str, Any]:
    """Return every weight as plain values, for JSON and the table."""
    before, after, bearing = asdict(prior.costs), asdict(belief.costs), said.bearing()
    weights = {}
    for name in NAMES:
        low, high = belief.interval(name)
        weights[name] = {
            "before": before[name],
            "after": after[name],
            "low": low,
            "high": high,
            "moved": not low <= before[name] <= high,
            "answers": bearing[name],
        }
    return {
        "answers": len(said),
        "weights": weights,
        "known_within_factor": belief.factor,
        "known_within_factor_before": prior.factor,
        "twice": belief.twice,
    }


def ways(scenes: Sequence[Scene], habits: Iterable[str], before: Costs, after: Costs) -> dict[str, dict[str, float]]:
    """Return what habits come to on a host, in seconds on average, by two weights; the cheapest after comes first.

    Who knows which repair helps is right under any weights. What weights decide is how long to wait, how much to try, and when to
    call somebody, while that is not known.

    Args:
        scenes: hosts.
        habits: names of those that do not know (`habits.BLIND`).
        before: weights.
        after: other weights.
    """
    told = {
        name: {
            moment: sum(total_s(costs, scene.bills[name]) for scene in scenes) / len(scenes)
            for moment, costs in (("before", before), ("after", after))
        }
        for name in sorted(habits)
    }
    return dict(sorted(told.items(), key=lambda each: each[1]["after"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A host for which the better of two plans is another one now.

    Attributes:
        scene: the host.
        before: the plan that was better by the weights before.
        after: the plan that is better by the weights after.
        turned_s: by how much in all.
    """

    scene: Scene
    before: Plan
    after: Plan
    turned_s: float


def turned(scenes: Sequence[Scene], before: Costs, after: Costs) -> list[Case]:
    """Return for each host the two plans whose order has turned most, most first; hosts on which none has are left out.

    Args:
        scenes: hosts, each with its plans.
        before: weights.
        after: other weights.
    """
    cases: list[Case] = []
    for scene in scenes:
        found = [_case(scene, pair, before, after) for pair in scene.pairs()]
        if best := max((case for case in found if case.turned_s > 0.0), key=lambda case: case.turned_s, default=None):
            cases.append(best)
    return sorted(cases, key=lambda case: -case.turned_s)


def _case(scene: Scene, pair: tuple[Plan, Plan], before: Costs, after: Costs) -> Case:
    """Return a pair in the order of the weights before; it has turned by the lesser of the two differences, or not at all."""
    first, second = sorted(pair, key=lambda plan: total_s(before, plan.bill))
    was_s = total_s(before, second.bill) - total_s(before, first.bill)
    is_s = total_s(after, first.bill) - total_s(after, second.bill)
    return Case(scene=scene, before=first, after=second, turned_s=min(was_s, is_s))

"""What a fit comes to: weights before and after, agreement with answers it did not use, what is decided otherwise. Pure."""

from collections.abc import Sequence
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
        "scale_s": belief.scale_s,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A host on which another plan comes to least.

    Attributes:
        scene: the host.
        before, after: the best plan by the weights before, and by those after.
        lost_s: how much more the plan before comes to, by the weights after.
    """

    scene: Scene
    before: Plan
    after: Plan
    lost_s: float


def changed(scenes: Sequence[Scene], before: Costs, after: Costs) -> list[Case]:
    """Return the hosts on which another plan comes to least, those first on which most depends on it.

    Args:
        scenes: hosts, each with its plans.
        before: weights.
        after: other weights.
    """
    cases: list[Case] = []
    for scene in scenes:
        one, other = cheapest(before, scene), cheapest(after, scene)
        if one is not other:
            lost_s = total_s(after, one.bill) - total_s(after, other.bill)
            cases.append(Case(scene=scene, before=one, after=other, lost_s=lost_s))
    return sorted(cases, key=lambda case: -case.lost_s)


def cheapest(costs: Costs, scene: Scene) -> Plan:
    """Return the plan that comes to least; of equals the first."""
    return min(scene.plans, key=lambda plan: total_s(costs, plan.bill))

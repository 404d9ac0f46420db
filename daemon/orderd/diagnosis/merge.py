"""Which diagnoser decides: a confident model does, rules otherwise. Pure.

Per entity:

    model sure of a failure                      -> the model's diagnosis
    model unsure (below confidence_min), or none -> the rules' diagnosis, if they have one
    rules see a failure, the model is sure of ok -> the rules' diagnosis: they are the floor, they see only plain facts
    rules see a class the model was never taught -> the rules' diagnosis: whatever a model says, it chose among other classes

so a model can add and sharpen diagnoses but never silences a plain symptom.
"""

from collections.abc import Container, Iterable
from dataclasses import dataclass

from orderd.domain.faults import Failure
from orderd.domain.values import Diagnosis


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """The diagnosis that counts for one entity, and what the other diagnoser said of it (None: nothing wrong)."""

    chosen: Diagnosis
    other: Diagnosis | None


def merge(
    rules: Iterable[Diagnosis], model: Iterable[Diagnosis], confidence_min: float, untaught: Container[Failure] = ()
) -> tuple[Opinion, ...]:
    """Choose one diagnosis per entity.

    Args:
        rules: what the rules say.
        model: what the model says, empty without one.
        confidence_min: least probability at which the model is believed.
        untaught: failures that the model was never taught.

    Returns:
        One opinion per failing entity, sorted by entity so that equal inputs give equal orders.
    """
    by_rules = {d.entity: d for d in rules}
    by_model = {d.entity: d for d in model}
    opinions: list[Opinion] = []
    for entity in sorted({*by_rules, *by_model}):
        said, ruled = by_model.get(entity), by_rules.get(entity)
        if ruled is not None and ruled.failure in untaught:
            opinions.append(Opinion(chosen=ruled, other=said))
        elif said is not None and said.probability >= confidence_min:
            opinions.append(Opinion(chosen=said, other=ruled))
        elif ruled is not None:
            opinions.append(Opinion(chosen=ruled, other=said))
    return tuple(opinions)

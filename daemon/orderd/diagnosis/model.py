"""The model diagnoser: turns the order model's probabilities into diagnoses. Pure."""

from orderd.domain.faults import FAILURES, KIND_OF, Failure
from orderd.domain.values import Diagnosis, Scores, Source
from orderd.domain.window import Window


def by_model(window: Window, scores: Scores) -> tuple[Diagnosis, ...]:
    """Name the likeliest failure of every entity the model calls failing.

    Args:
        window: the window the scores belong to.
        scores: one row of probabilities per entity of the window.

    Returns:
        One diagnosis per entity whose likeliest class is not ``OK`` and fits its kind; the caller weighs the probability.
    """
    found: list[Diagnosis] = []
    for entity, row in zip(window.entities, scores.failures, strict=True):
        best = max(range(len(FAILURES)), key=row.__getitem__)
        failure = FAILURES[best]
        if failure is Failure.OK or KIND_OF[failure] is not entity.kind:
            continue
        found.append(
            Diagnosis(
                failure=failure,
                entity=entity,
                probability=row[best],
                source=Source.MODEL,
                evidence=f"the model gives {failure} {row[best]:.1%}, ok {row[0]:.1%}",
            )
        )
    return tuple(found)

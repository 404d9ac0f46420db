"""The model diagnoser: turns the order model's probabilities into diagnoses. Pure."""

from collections.abc import Iterator

from orderd.diagnosis.possible import possible
from orderd.domain.faults import FAILURES, KIND_OF, Failure
from orderd.domain.values import Diagnosis, Scores, Source
from orderd.domain.window import Window


def by_model(window: Window, scores: Scores) -> tuple[Diagnosis, ...]:
    """Name the likeliest failure of every entity the model calls failing.

    Args:
        window: the window the scores belong to.
        scores: one row of probabilities per entity of the window.

    Returns:
        One diagnosis per entity whose likeliest class is not ``OK``, fits its kind and could be what it shows (`possible`); the
        caller weighs the probability.
    """
    return tuple(
        Diagnosis(
            failure=failure,
            entity=window.entities[index],
            probability=scores.failures[index][best],
            source=Source.MODEL,
            evidence=f"the model gives {failure} {scores.failures[index][best]:.1%}, ok {scores.failures[index][0]:.1%}",
        )
        for index, best, failure in _named(window, scores)
        if possible(failure, window, index)
    )


def imagined(window: Window, scores: Scores) -> bool:
    """Tell whether the model names something that cannot be; then its P(anything wrong) is worth nothing either."""
    return any(not possible(failure, window, index) for index, _best, failure in _named(window, scores))


def untaught(window: Window, scores: Scores | None) -> frozenset[Failure]:
    """Return the failures that a model was never taught; none where it did not answer.

    It gives them no probability at all, on any entity that could have them; of what it was taught it is never that sure.
    """
    if scores is None:
        return frozenset()
    rows = list(zip(window.entities, scores.failures, strict=True))
    return frozenset(
        failure
        for column, failure in enumerate(FAILURES)
        if failure is not Failure.OK and not any(row[column] for entity, row in rows if entity.kind is KIND_OF[failure])
    )


def _named(window: Window, scores: Scores) -> Iterator[tuple[int, int, Failure]]:
    for index, (entity, row) in enumerate(zip(window.entities, scores.failures, strict=True)):
        best = max(range(len(FAILURES)), key=row.__getitem__)
        failure = FAILURES[best]
        if failure is not Failure.OK and KIND_OF[failure] is entity.kind:
            yield index, best, failure

"""Entities with plain symptoms, and a teacher whose rules are known."""

from types import SimpleNamespace

import numpy as np
import pytest

from orderd.domain.faults import EntityKind
from ordertrainer.imitation.toy import toy_examples
from ordertrainer.rules.facts import Facts, names_of
from ordertrainer.rules.teachers import ELSEWHERE, FAILURES_NAMED


@pytest.fixture(scope="module", autouse=True)
def _one_thread(one_thread):
    """Whatever is computed here."""


@pytest.fixture(scope="session")
def examples():
    """Return toy drills."""
    return toy_examples(seed=1, runs=80, name="fit")


@pytest.fixture
def units():
    """Return a maker of units: columns by signal, the others missing; an incident each, unless told otherwise."""

    def make(*, kind=EntityKind.UNIT, incident=None, **signals):
        names = names_of(kind)
        count = len(next(iter(signals.values())))
        values = np.full((count, len(names)), np.nan, np.float32)
        for name, column in signals.items():
            values[:, names.index(name)] = column
        numbers = np.arange(count)
        return Facts(
            kind=kind,
            names=names,
            values=values,
            example=numbers,
            entity=np.zeros(count, np.int64),
            incident=numbers if incident is None else np.asarray(incident),
        )

    return make


@pytest.fixture
def truthful():
    """Return a teacher that says what is true of each entity, and never more."""

    def ask(examples, tick):
        tick(1.0)
        judged = np.where(examples.failure > 0, examples.failure, 0)
        return np.where(examples.present, judged, ELSEWHERE)

    return SimpleNamespace(name="the truth", says=FAILURES_NAMED, ask=ask)

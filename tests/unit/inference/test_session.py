"""A model of an older schema goes on answering: it is shown what it knows, and what it does not know changes nothing."""

import math
from array import array
from pathlib import Path

import numpy as np
import pytest

from orderd.domain.faults import KINDS, EntityKind
from orderd.domain.schema import CURRENT, SCHEMAS, digest_of
from orderd.errors import InferenceError
from orderd.inference.manifest import read_package
from orderd.inference.session import Model

FOLDER = Path(__file__).parents[3] / "models" / "order" / "0.1.0"
SLOTS = 8


@pytest.fixture(scope="module")
def model():
    """Return the first order model that was released, which knows neither links nor hosts."""
    package = read_package(FOLDER)
    assert package.manifest.schema_digest == digest_of(SCHEMAS[0]) != digest_of(CURRENT)
    return Model(package, provider="cpu")


def asked(model, kinds, rows):
    """Return the model's answer on entities of some kinds."""
    host = np.full((SLOTS, CURRENT.host), 0.1, np.float32)
    return model.classify(array("q", map(KINDS.index, kinds)).tobytes(), host.tobytes(), np.ascontiguousarray(rows).tobytes())


def test_entities_that_a_model_does_not_know_change_no_answer(model):
    """The service is judged the same with and without a link beside it; the link counts as in order."""
    rows = np.full((3, SLOTS, CURRENT.entity), math.nan, np.float32)
    rows[0, :, 0], rows[2, :, 14] = 1.0, 0.99
    alone = asked(model, [EntityKind.UNIT, EntityKind.MOUNT], rows[[0, 2]])
    beside = asked(model, [EntityKind.UNIT, EntityKind.NIC, EntityKind.MOUNT], rows)
    assert beside.failure.shape == (3, CURRENT.failures)
    assert np.array_equal(beside.failure[[0, 2]], alone.failure)
    assert beside.wrong == alone.wrong
    assert beside.failure[1].tolist() == [1.0] + [0.0] * (CURRENT.failures - 1)


def test_signals_that_a_model_does_not_know_change_no_answer(model):
    """Whatever the newest columns hold, an older model has never seen them."""
    rows = np.full((1, SLOTS, CURRENT.entity), math.nan, np.float32)
    rows[0, :, 0] = 1.0
    without = asked(model, [EntityKind.UNIT], rows)
    rows[0, :, SCHEMAS[0].entity :] = 1.0
    assert np.array_equal(asked(model, [EntityKind.UNIT], rows).failure, without.failure)


def test_a_host_with_nothing_that_the_model_knows_is_answered_too(model):
    """Only a link: the model answers on the host's own signals."""
    answer = asked(model, [EntityKind.NIC], np.full((1, SLOTS, CURRENT.entity), math.nan, np.float32))
    assert answer.failure.tolist() == [[1.0] + [0.0] * (CURRENT.failures - 1)]
    assert 0 <= answer.wrong <= 1


def test_a_kind_that_nobody_knows_is_refused(model):
    """An index beyond today's kinds is a message of another version."""
    rows = np.zeros((1, SLOTS, CURRENT.entity), np.float32)
    with pytest.raises(InferenceError, match="kind indices"):
        model.classify(array("q", [len(KINDS)]).tobytes(), np.zeros((SLOTS, CURRENT.host), np.float32).tobytes(), rows.tobytes())

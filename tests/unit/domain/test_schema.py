"""What an older schema made is read today: the columns since then are missing, and nothing else changes."""

import json
import math
from array import array
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from orderd.domain import packed, schema
from orderd.domain.clock import Instant
from orderd.domain.faults import Entity
from orderd.domain.schema import CURRENT, SCHEMAS, digest_of, known_schema, schema_digest
from orderd.domain.signals import ENTITY_SIGNALS, HOST_SIGNALS
from orderd.domain.values import EntityRow, Sample
from orderd.domain.window import History
from orderd.v1 import decision_pb2
from orderd.wire import evidence_from_wire
from orderd.wire import samples as wire

MODELS = Path(__file__).parents[3] / "models" / "order"
OLDEST = SCHEMAS[0]


def sample(second):
    """Return a sample in which every signal has a value of its own."""
    at = Instant(mono_ns=second * 10**9, utc_ns=second)
    host = tuple(float(i) for i in range(len(HOST_SIGNALS)))
    rows = tuple(
        EntityRow(entity=Entity.parse(f"unit:{name}.service"), values=tuple(float(i + place) for i in range(len(ENTITY_SIGNALS))))
        for place, name in enumerate(("a", "b"))
    )
    return Sample(at=at, cause="timer", host=host, entities=rows)


@pytest.fixture
def back_then(monkeypatch):
    """Return a function that does something as a program of the oldest schema did it."""

    def run(function, taken):
        with monkeypatch.context() as patch:
            for module in (packed, wire, schema):
                patch.setattr(module, "CURRENT", OLDEST)
            return function(taken)

    return run


def narrow(taken):
    """Return a sample as it was when there were fewer signals."""
    rows = tuple(replace(row, values=row.values[: OLDEST.entity]) for row in taken.entities)
    return replace(taken, host=taken.host[: OLDEST.host], entities=rows)


def test_every_released_model_has_a_schema_that_is_known():
    """The lists are only ever appended to: whoever inserts, renames or removes has made every installed model useless."""
    manifests = list(MODELS.glob("*/manifest.json"))
    assert manifests
    for file in manifests:
        assert known_schema(json.loads(file.read_text())["schema_digest"]) in SCHEMAS, file


def test_schemas_only_grow_and_todays_is_the_last():
    """Each one begins as the one before it, and no two are called the same."""
    for older, newer in pairwise(SCHEMAS):
        assert older.host <= newer.host
        assert older.entity <= newer.entity
        assert older.kinds <= newer.kinds
        assert older.failures <= newer.failures
    assert len({digest_of(each) for each in SCHEMAS}) == len(SCHEMAS)
    assert known_schema(schema_digest()) == CURRENT
    assert known_schema("0" * 64) is None


def test_a_batch_of_an_older_schema_is_read_with_what_it_lacks_missing(back_then):
    """A host that is upgraded after its trainer goes on being heard."""
    taken = [sample(1), sample(2)]
    batch = back_then(wire.samples_to_wire, [narrow(each) for each in taken])
    assert batch.schema_digest == digest_of(OLDEST)
    for before, after in zip(taken, wire.samples_from_wire(batch), strict=True):
        assert after.host == before.host
        for old, new in zip(before.entities, after.entities, strict=True):
            assert new.values[: OLDEST.entity] == old.values[: OLDEST.entity]
            assert len(new.values) == len(ENTITY_SIGNALS)
            assert all(math.isnan(value) for value in new.values[OLDEST.entity :])


def test_what_an_older_model_scored_is_read_with_nothing_for_later_classes():
    """Whoever asks a host of an older release for its evidence can read it; what are no distributions is refused."""
    for known in SCHEMAS:
        rows = (0.25, 0.75, *(0.0,) * (known.failures - 2), *(0.0,) * (known.failures - 1), 1.0)
        message = decision_pb2.Evidence(failures=array("f", rows).tobytes(), wrong=0.5)
        scores = evidence_from_wire(message, "d").scores
        assert [len(row) for row in scores.failures] == [CURRENT.failures] * 2
        assert (scores.failures[0][:2], scores.failures[1][known.failures - 1]) == ((0.25, 0.75), 1.0)
    for damaged in (array("f", rows[1:]).tobytes(), array("f", rows).tobytes() + b"x"):
        with pytest.raises(ValueError, match="no rows of probabilities"):
            evidence_from_wire(decision_pb2.Evidence(failures=damaged), "d")


def test_a_window_of_an_older_schema_is_read_with_what_it_lacks_missing(monkeypatch):
    """Decisions recorded before an upgrade can be replayed after it."""
    monkeypatch.setattr("orderd.domain.window._WIDTH", OLDEST.entity)
    monkeypatch.setattr("orderd.domain.window._NO_ENTITY", array("f", [math.nan] * OLDEST.entity))
    history = History()
    old = [history.add(narrow(sample(second))) for second in range(3)][-1]
    with monkeypatch.context() as patch:
        patch.setattr(packed, "CURRENT", OLDEST)
        patch.setattr(packed, "schema_digest", lambda: digest_of(OLDEST))
        written = packed.pack(old)
    before = [old.series(entity, signal) for entity in range(2) for signal in range(OLDEST.entity)]
    monkeypatch.undo()
    read = packed.unpack(written)
    after = [read.series(entity, signal) for entity in range(2) for signal in range(OLDEST.entity)]
    assert str(after) == str(before)
    assert len(read.rows) == 2 * 8 * len(ENTITY_SIGNALS)
    assert read.host[: OLDEST.host] == old.host[: OLDEST.host]
    assert all(math.isnan(v) for e in range(2) for s in range(OLDEST.entity, len(ENTITY_SIGNALS)) for v in read.series(e, s))
    assert packed.unpack(packed.pack(read)).rows.tobytes() == read.rows.tobytes()

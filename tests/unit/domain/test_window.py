"""The window's slots, ages and bounds."""

import math

from orderd.domain.clock import Instant
from orderd.domain.faults import Entity
from orderd.domain.schema import schema_digest
from orderd.domain.signals import ENTITY_INDEX, ENTITY_SIGNALS, HOST_SIGNALS, SLOT_AGES_S
from orderd.domain.values import EntityRow, Sample, entity_values
from orderd.domain.window import History

DISK = Entity.parse("mount:/")
USED = ENTITY_INDEX["mount_used_ratio"]


def sample(second, used, entities=(DISK,)):
    rows = tuple(EntityRow(entity=e, values=entity_values(mount_used_ratio=used)) for e in entities)
    return Sample(at=Instant(mono_ns=int(second * 1e9), utc_ns=0), cause="timer", host=(used,) * len(HOST_SIGNALS), entities=rows)


def test_slots_hold_the_sample_of_their_age():
    """At 1 Hz the slot of age A shows the value of A seconds ago."""
    history = History()
    for second in range(100):
        window = history.add(sample(second, float(second)))
    assert window.series(0, USED) == tuple(99.0 - age for age in SLOT_AGES_S)


def test_an_event_sample_is_the_newest_slot_and_moves_no_other():
    """Waking up between two ticks shows the event at once."""
    history = History()
    for second in range(10):
        history.add(sample(second, float(second)))
    window = history.add(sample(9.2, 77.0))
    assert window.series(0, USED)[:3] == (77.0, 8.0, 7.0)


def test_a_young_daemon_has_missing_slots():
    """What was not measured is missing, not zero."""
    window = History().add(sample(0, 0.5))
    first, *older = window.series(0, USED)
    assert first == 0.5
    assert all(math.isnan(value) for value in older)


def test_an_entity_that_left_is_forgotten():
    """Memory is bounded by the oldest slot."""
    history = History()
    gone = Entity.parse("process:9:9")
    history.add(sample(0, 0.1, (DISK, gone)))
    for second in range(1, 90):
        window = history.add(sample(second, 0.1))
    assert gone not in history._entities
    assert window.entities == (DISK,)


def test_the_shape_is_fixed():
    """E x S x F and S x H, row-major."""
    window = History().add(sample(0, 0.5))
    assert len(window.rows) == len(SLOT_AGES_S) * len(ENTITY_SIGNALS)
    assert len(window.host) == len(SLOT_AGES_S) * len(HOST_SIGNALS)


def test_the_schema_digest_is_stable_within_a_version():
    """A change of the signal list is a change of the schema: models have to be trained anew, so it must be on purpose."""
    assert schema_digest() == schema_digest()
    assert len(schema_digest()) == 64

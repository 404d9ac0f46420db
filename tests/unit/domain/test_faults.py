"""Entities: only known shapes become one."""

import json
from pathlib import Path

import pytest

from orderd.domain.faults import FAILURES, KIND_OF, Entity, Failure
from orderd.domain.schema import schema_digest
from orderd.domain.signals import ENTITY_SIGNALS, HOST_SIGNALS


@pytest.mark.parametrize(
    "text", ["unit:nginx.service", "unit:postgresql@15-main.service", "mount:/srv/data", "process:12:345", "clock:system"]
)
def test_entity_survives_text(text):
    """Parsing and printing are inverse."""
    assert str(Entity.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "unit:nginx",
        "unit:../../x.service",
        "unit:a b.service",
        "unit:{{ 1 }}.service",
        "mount:/a/../b",
        "mount:srv",
        "process:0:1",
        "process:-1:5",
        "process:1",
        "resolver:other",
        "thing:x",
        "unit:a.service\n",
        "",
    ],
)
def test_hostile_names_are_no_entities(text):
    """A name is data; what has another shape is refused."""
    with pytest.raises(ValueError, match=r"."):
        Entity.parse(text)


def test_every_failure_has_its_kind():
    """OK happens to everything, what nobody can name to anything, every other class to one kind."""
    assert set(KIND_OF) == set(Failure) - {Failure.OK, Failure.UNKNOWN}


def test_a_model_tells_the_classes_apart_that_the_shipped_one_was_trained_on():
    """Whatever the rules learn to name, the model's classes keep their number and order: another order is another model."""
    manifest = json.loads((Path(__file__).parents[3] / "models" / "order" / "0.1.0" / "manifest.json").read_text())
    assert schema_digest() == manifest["schema_digest"]
    assert FAILURES[0] is Failure.OK
    assert len(set(FAILURES)) == len(FAILURES) == 10


def test_signal_names_are_unique_and_end_in_their_unit():
    """Base units only, one declaration each."""
    names = [s.name for s in (*HOST_SIGNALS, *ENTITY_SIGNALS)]
    assert len(names) == len(set(names))
    units = ("_ratio", "_s", "_per_s", "_per_core", "_count", "_cores", "_recent")
    assert [n for n in names if not n.endswith(units)] == []

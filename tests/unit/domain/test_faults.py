"""Entities: only known shapes become one."""

import pytest

from orderd.domain.faults import KIND_OF, Entity, Failure
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


def test_signal_names_are_unique_and_end_in_their_unit():
    """Base units only, one declaration each."""
    names = [s.name for s in (*HOST_SIGNALS, *ENTITY_SIGNALS)]
    assert len(names) == len(set(names))
    units = ("_ratio", "_s", "_per_s", "_per_core", "_count", "_cores", "_recent")
    assert [n for n in names if not n.endswith(units)] == []

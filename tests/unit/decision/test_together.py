"""Services that fall silent together: several, and most of those that are asked."""

import pytest

from orderd.decision import silent_together
from orderd.domain.clock import Instant
from orderd.domain.faults import Entity
from orderd.domain.values import EntityRow, Sample, entity_values

WELL = {"unit_active_ratio": 1, "unit_main_stopped_ratio": 0, "probe_ok_ratio": 1}
SILENT = WELL | {"probe_ok_ratio": 0}
STOPPED = SILENT | {"unit_main_stopped_ratio": 1}
DOWN = SILENT | {"unit_active_ratio": 0}
UNPROBED = {"unit_active_ratio": 1, "unit_main_stopped_ratio": 0}


def units(*looks):
    rows = (EntityRow(entity=Entity.parse(f"unit:s{i}.service"), values=entity_values(**look)) for i, look in enumerate(looks))
    return Sample(at=Instant(mono_ns=1, utc_ns=1), cause="timer", host=(), entities=tuple(rows))


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        ((SILENT, SILENT, SILENT, SILENT, WELL), 4),
        ((SILENT, SILENT, SILENT, UNPROBED, UNPROBED, UNPROBED, UNPROBED), 3),
        ((SILENT, SILENT), 0),
        ((SILENT, SILENT, SILENT, WELL, WELL, WELL), 0),
        ((SILENT, STOPPED, STOPPED, STOPPED), 0),
        ((SILENT, DOWN, DOWN, DOWN), 0),
        ((STOPPED, SILENT, SILENT, SILENT), 0),
        ((WELL, SILENT, SILENT, SILENT), 0),
    ],
)
def test_how_many_are_silent_with_the_first(looks, expected):
    """Those that were stopped, or are down, have a cause of their own."""
    assert silent_together(Entity.parse("unit:s0.service"), units(*looks)) == expected


def test_the_resolver_is_one_of_them():
    """It is asked over the same loopback and needs the same ports; alone, it is itself what is broken."""
    resolver = Entity.parse("resolver:system")
    assert silent_together(resolver, units(SILENT, SILENT, SILENT, WELL)) == 3
    assert silent_together(resolver, units(SILENT, WELL, WELL, WELL)) == 0

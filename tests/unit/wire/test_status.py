"""status_to_wire and hold_to_wire."""

from orderd.domain.clock import Instant
from orderd.domain.faults import Entity
from orderd.domain.signals import HOST_SIGNALS
from orderd.domain.status import HostStatus
from orderd.domain.values import NAN, EntityRow, Hold, Mode, ModelInfo, Sample, entity_values
from orderd.wire import hold_to_wire, status_to_wire

NOW = Instant(mono_ns=10_000_000_000, utc_ns=1)
NGINX = Entity.parse("unit:nginx.service")


def status(**fields: object) -> HostStatus:
    """Return a status with little in it."""
    return HostStatus(
        at=NOW,
        version="0.1",
        host_id="h",
        hostname="web",
        mode=Mode.AUTO,
        uptime_s=3.0,
        model=ModelInfo(loaded=False, why="no model"),
        **fields,
    )


def test_missing_signals_are_left_out_and_zero_is_sent():
    """A signal that is missing has no entry; one that is zero has one."""
    row = EntityRow(entity=NGINX, values=entity_values(unit_active_ratio=0.0))
    sample = Sample(at=NOW, cause="timer", host=(0.25,) + (NAN,) * (len(HOST_SIGNALS) - 1), entities=(row,))
    message = status_to_wire(status(newest=sample))
    assert dict(message.signals) == {HOST_SIGNALS[0].name: 0.25}
    assert dict(message.entities[0].signals) == {"unit_active_ratio": 0.0}


def test_a_status_before_the_first_sample_has_no_entities():
    """Nothing is invented before anything was measured."""
    message = status_to_wire(status())
    assert (len(message.entities), len(message.signals), message.model.why) == (0, 0, "no model")


def test_a_hold_says_how_long_it_lasts_and_never_less_than_zero():
    """Seconds left are counted down on the monotonic clock."""
    hold = Hold(entity=NGINX, why="w", by="root (uid 0)", at=NOW, until=NOW.mono_ns + 1_500_000_000)
    assert hold_to_wire(hold, NOW).remaining_s == 1.5
    assert hold_to_wire(hold, Instant(mono_ns=NOW.mono_ns * 9, utc_ns=0)).remaining_s == 0.0

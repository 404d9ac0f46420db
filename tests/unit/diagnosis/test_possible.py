"""What a model names must be possible: it is not taken on trust, and neither is its feeling that something is wrong."""

import math
from pathlib import Path

import pytest

from orderd.diagnosis import Abstention, by_model
from orderd.diagnosis.model import imagined
from orderd.diagnosis.possible import possible
from orderd.domain.clock import Instant
from orderd.domain.faults import FAILURES, KIND_OF, Entity, EntityKind, Failure
from orderd.domain.signals import HOST_SIGNALS
from orderd.domain.values import EntityRow, Sample, Scores, entity_values
from orderd.domain.window import History
from orderd.inference.manifest import read_package

SHIPPED = Path(__file__).parents[3] / "models" / "order" / "0.1.0"
KEYS = {
    EntityKind.UNIT: "unit:a.service",
    EntityKind.MOUNT: "mount:/",
    EntityKind.PROCESS: "process:7:7",
    EntityKind.RESOLVER: "resolver:system",
    EntityKind.CLOCK: "clock:system",
    EntityKind.NIC: "nic:eth0",
    EntityKind.HOST: "host:system",
}
LEAST = {
    Failure.SERVICE_DOWN: {"unit_active_ratio": 0},
    Failure.SERVICE_MASKED: {"unit_masked_ratio": 1},
    Failure.SERVICE_HUNG: {"unit_active_ratio": 1, "probe_ok_ratio": 0},
    Failure.SERVICE_CRASH_LOOP: {"unit_active_ratio": 1, "unit_restarts_per_s": 0.1},
    Failure.DISK_FULL: {"mount_used_ratio": 0.8},
    Failure.CPU_RUNAWAY: {"process_cpu_user_cores": 0.9, "process_cpu_system_cores": 0.3},
    Failure.MEMORY_LEAK: {"process_memory_ratio": 0.1, "process_memory_growth_ratio_per_s": 0.01},
    Failure.DNS_BROKEN: {"probe_ok_ratio": 0},
    Failure.CLOCK_STEPPED: {"clock_step_s": -3},
    Failure.SERVICE_START_LIMIT: {"unit_active_ratio": 0, "unit_result_start_limit_ratio": 1},
    Failure.SERVICE_LOAD_ERROR: {"unit_active_ratio": 0, "unit_load_error_ratio": 1},
    Failure.DISK_INODES_FULL: {"mount_inodes_used_ratio": 0.8},
}
STANDING = {
    Failure.SERVICE_SLOW: ({"probe_latency_s": 0.3, "unit_main_stopped_ratio": 0}, 8),
    Failure.MOUNT_READ_ONLY: ({"mount_read_only_ratio": 1}, 1),
    Failure.MOUNT_MISSING: (
        dict.fromkeys(("mount_used_ratio", "mount_inodes_used_ratio", "mount_fill_ratio_per_s"), math.nan),
        0,
    ),
    Failure.MOUNT_STUCK: ({"mount_stuck_s": 5}, 0),
    Failure.MOUNT_ACCESS_LOST: ({"mount_access_changed_ratio": 1}, 4),
    Failure.SERVICE_SQUEEZED: ({"unit_limits_changed_ratio": 1}, 4),
    Failure.NIC_DOWN: ({"nic_down_ratio": 1}, 2),
    Failure.NIC_MISCONFIGURED: ({"nic_mtu_changed_ratio": 1}, 4),
    Failure.HOST_MISCONFIGURED: ({"host_name_changed_ratio": 1}, 4),
    Failure.NIC_SATURATED: ({"nic_crowded_ratio": 0.8}, 4),
}
"""What has to be seen, and for how many seconds, as the rules wait for it."""
HEALTHY = {
    EntityKind.UNIT: {"unit_active_ratio": 1, "unit_masked_ratio": 0, "probe_ok_ratio": 1, "probe_latency_s": 0.001},
    EntityKind.MOUNT: {"mount_used_ratio": 0.3, "mount_inodes_used_ratio": 0.06, "mount_fill_ratio_per_s": 0},
    EntityKind.PROCESS: {"process_cpu_user_cores": 0.1, "process_cpu_system_cores": 0.1, "process_memory_ratio": 0.001},
    EntityKind.RESOLVER: {"probe_ok_ratio": 1, "probe_latency_s": 0.001},
    EntityKind.CLOCK: {"clock_step_s": 0.1},
    EntityKind.NIC: {"nic_down_ratio": 0, "nic_mtu_changed_ratio": 0},
    EntityKind.HOST: {"host_name_changed_ratio": 0},
}
HOST = {"cpu_user_ratio": 0.6, "cpu_system_ratio": 0.1, "pressure_cpu_ratio": 0.2}
"""It has little to spare, which alone is no failure."""


def window(entity, seconds=0, host=HOST, **signals):
    """Return the last window of one entity that looks the same for some seconds."""
    history = History()
    for second in range(seconds + 1):
        at = Instant(mono_ns=second * 10**9, utc_ns=0)
        rows = (EntityRow(entity=Entity.parse(entity), values=entity_values(**signals)),)
        last = history.add(
            Sample(at=at, cause="timer", host=tuple(host.get(s.name, math.nan) for s in HOST_SIGNALS), entities=rows)
        )
    return last


def sure(failure, wrong=0.99):
    """Return the scores of a model that is certain."""
    return Scores(failures=(tuple(1.0 if each is failure else 0.0 for each in FAILURES),), wrong=wrong)


def test_every_class_has_a_least():
    """Those that show it at once and those that must stand are all that a model tells apart."""
    assert {*LEAST, *STANDING} == set(FAILURES[1:])


@pytest.mark.parametrize("failure", STANDING)
def test_what_has_to_stand_is_taken_when_it_has_stood(failure):
    """Whoever is still at work on a host is not interrupted by a model either; a missing mount needs no second look."""
    signals, seconds = STANDING[failure]
    kind = KIND_OF[failure]
    for stood_s, taken in ((seconds, True), (seconds - 1, False)):
        if stood_s >= 0:
            seen = window(KEYS[kind], stood_s, **HEALTHY[kind] | signals)
            assert bool(by_model(seen, sure(failure))) is taken
    assert by_model(window(KEYS[kind], 9, **HEALTHY[kind]), sure(failure)) == ()


@pytest.mark.parametrize("failure", LEAST)
def test_what_shows_the_least_is_taken_and_what_is_well_or_unmeasured_is_not(failure):
    """For every class that shows in a single sample."""
    kind = KIND_OF[failure]
    for signals, taken in ((HEALTHY[kind] | LEAST[failure], True), (HEALTHY[kind], False), ({}, False)):
        seen = window(KEYS[kind], **signals)
        assert possible(failure, seen, 0) is taken
        assert bool(by_model(seen, sure(failure))) is taken
        assert imagined(seen, sure(failure)) is not taken


@pytest.mark.parametrize(
    ("failure", "signals"),
    [
        (Failure.CPU_RUNAWAY, {"process_cpu_user_cores": 1.0, "process_cpu_system_cores": 0.02}),
        (Failure.MEMORY_LEAK, {"process_memory_ratio": 0.06, "process_memory_growth_ratio_per_s": 0.02}),
        (Failure.MEMORY_LEAK, {"process_memory_ratio": 0.2, "process_memory_growth_ratio_per_s": 0.0}),
    ],
)
def test_no_process_is_stopped_on_a_models_word_alone(failure, signals):
    """A batch job on one core and a cache that warms up are what the shipped model takes for failures."""
    seen = window(KEYS[EntityKind.PROCESS], **HEALTHY[EntityKind.PROCESS] | signals)
    assert by_model(seen, sure(failure)) == ()


def test_a_model_does_not_call_a_service_slow_on_a_host_that_is_busy():
    """Its neighbours' work is why it is slow; to restart it would only add to that."""
    slow = HEALTHY[EntityKind.UNIT] | {"probe_latency_s": 0.3, "unit_main_stopped_ratio": 0}
    for pressure, taken in ((0.2, True), (0.5, False)):
        seen = window(KEYS[EntityKind.UNIT], 9, host=HOST | {"pressure_cpu_ratio": pressure}, **slow)
        assert bool(by_model(seen, sure(Failure.SERVICE_SLOW))) is taken


def test_a_model_does_not_call_name_resolution_broken_for_a_probe_that_a_busy_host_missed():
    """The rules may, when nobody answers for seconds or somebody refuses."""
    for pressure, taken in ((0.2, True), (0.5, False)):
        busy = HOST | {"pressure_cpu_ratio": pressure}
        seen = window(KEYS[EntityKind.RESOLVER], host=busy, probe_ok_ratio=0, probe_latency_s=0.5)
        assert bool(by_model(seen, sure(Failure.DNS_BROKEN))) is taken


def test_a_model_does_not_call_a_service_hung_for_a_probe_that_a_busy_host_missed():
    """Unless its processes are stopped, which no neighbour does."""
    missed = HEALTHY[EntityKind.UNIT] | {"probe_ok_ratio": 0, "probe_latency_s": 0.5}
    for pressure, stopped, taken in ((0.2, 0, True), (0.5, 0, False), (0.5, 1, True)):
        seen = window(
            KEYS[EntityKind.UNIT], host=HOST | {"pressure_cpu_ratio": pressure}, **missed, unit_main_stopped_ratio=stopped
        )
        assert bool(by_model(seen, sure(Failure.SERVICE_HUNG))) is taken


def test_a_unit_that_cannot_be_seen_may_be_down_when_its_probe_fails():
    """With a message bus that hangs nobody says whether it is active; a model's word is all the earlier there."""
    unseen = {"unit_active_ratio": math.nan, "unit_masked_ratio": math.nan}
    for ok, taken in ((0, True), (1, False)):
        seen = window(KEYS[EntityKind.UNIT], **unseen, probe_ok_ratio=ok, probe_latency_s=0.001)
        assert bool(by_model(seen, sure(Failure.SERVICE_DOWN))) is taken


def test_a_model_that_imagines_things_calls_nobody():
    """Its P(anything wrong) follows from what it imagines; when it names nothing, the same P is believed."""
    abstention = Abstention(unknown_min=0.95, unknown_s=20)
    seen = [window(KEYS[EntityKind.MOUNT], second, **HEALTHY[EntityKind.MOUNT]) for second in (0, 100, 200)]
    assert [abstention.watch(each, sure(Failure.DISK_FULL), (), ()) for each in seen] == [(), (), ()]
    said = [abstention.watch(each, sure(Failure.OK), (), ()) for each in seen]
    assert said[0] == ()
    assert len(said[2]) == 1


def test_a_mount_with_many_inodes_is_not_called_full_by_the_shipped_model():
    """It learned on volumes with few: it still says so, and nobody listens."""
    from orderd.inference.session import Model

    model = Model(read_package(SHIPPED), provider="cpu")
    mount = HEALTHY[EntityKind.MOUNT] | {"mount_read_only_ratio": 0, "mount_stuck_s": 0}
    for used, taken in ((0.3, False), (0.97, True)):
        seen = window("mount:/", 70, **mount | {"mount_used_ratio": used})
        answer = model.classify(seen.kinds.tobytes(), seen.host.tobytes(), seen.rows.tobytes())
        scores = Scores(failures=tuple(tuple(row) for row in answer.failure.tolist()), wrong=answer.wrong)
        assert scores.failures[0][FAILURES.index(Failure.DISK_FULL)] > 0.5
        assert bool(by_model(seen, scores)) is taken

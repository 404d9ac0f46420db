"""Every rule fires on its symptom and on nothing near it."""

import math

import pytest

from orderd.diagnosis import by_rules, emerging, merge, untaught
from orderd.domain.clock import Instant
from orderd.domain.faults import FAILURES, Entity, Failure
from orderd.domain.schema import SCHEMAS
from orderd.domain.signals import HOST_INDEX, HOST_SIGNALS
from orderd.domain.values import Diagnosis, EntityRow, Sample, Scores, Source, entity_values
from orderd.domain.window import History

RUNNING = {
    "unit_active_ratio": 1,
    "unit_failed_ratio": 0,
    "unit_transition_ratio": 0,
    "unit_masked_ratio": 0,
    "unit_restarts_per_s": 0,
    "unit_main_stopped_ratio": 0,
    "unit_dropins_changed_ratio": 0,
    "unit_result_exit_ratio": 0,
    "probe_ok_ratio": 1,
    "probe_latency_s": 0.01,
    "unit_active_s": 60,
}
UNPROBED = {"probe_ok_ratio": math.nan, "probe_latency_s": math.nan}
PROCESS = {"process_of_service_ratio": 0, "process_memory_ratio": 0.01, "process_cpu_user_cores": 0.1}
UNIT, MOUNT, PID = Entity.parse("unit:a.service"), Entity.parse("mount:/data"), Entity.parse("process:77:1234")
RESOLVER, CLOCK = Entity.parse("resolver:system"), Entity.parse("clock:system")
NIC, HOST = Entity.parse("nic:eth0"), Entity.parse("host:system")
STARVING = {"cpu_user_ratio": 0.5, "cpu_system_ratio": 0.05, "pressure_cpu_ratio": 0.9}
BUSY = {"cpu_user_ratio": 0.9, "cpu_system_ratio": 0.05}


def window(entity, seconds, signals, host=None):
    """Return the last window of an entity whose signals stand for some seconds at 1 Hz."""
    history = History()
    row = [math.nan] * len(HOST_SIGNALS)
    for name, value in (host or {}).items():
        row[HOST_INDEX[name]] = value
    for second in range(seconds + 1):
        at = Instant(mono_ns=second * 10**9, utc_ns=0)
        entities = (EntityRow(entity=entity, values=entity_values(**signals)),)
        last = history.add(Sample(at=at, cause="timer", host=tuple(row), entities=entities))
    return last


def failures(*arguments, **keywords):
    return [d.failure for d in by_rules(window(*arguments, **keywords))]


@pytest.mark.parametrize(
    ("entity", "seconds", "signals", "host", "expected"),
    [
        (UNIT, 0, RUNNING | {"unit_active_ratio": 0, "unit_failed_ratio": 1}, {}, Failure.SERVICE_DOWN),
        (UNIT, 0, {"probe_ok_ratio": 0, "probe_latency_s": 0.001}, {}, Failure.SERVICE_DOWN),
        (UNIT, 0, RUNNING | {"unit_active_ratio": 0, "unit_masked_ratio": 1}, {}, Failure.SERVICE_MASKED),
        (RESOLVER, 5, {"resolver_overridden_ratio": 1, "probe_ok_ratio": 1}, {}, Failure.DNS_BROKEN),
        (UNIT, 0, RUNNING | {"unit_main_stopped_ratio": 1, "probe_ok_ratio": 0}, {}, Failure.SERVICE_HUNG),
        (UNIT, 5, RUNNING | {"probe_ok_ratio": 0}, {}, Failure.SERVICE_HUNG),
        (UNIT, 5, RUNNING | UNPROBED | {"unit_main_stopped_ratio": 1}, {}, Failure.SERVICE_HUNG),
        (
            UNIT,
            0,
            RUNNING | {"unit_active_ratio": 0, "unit_restarts_per_s": 1, "unit_active_s": math.nan},
            {},
            Failure.SERVICE_CRASH_LOOP,
        ),
        (
            UNIT,
            0,
            RUNNING | {"unit_active_ratio": 0, "unit_dropins_changed_ratio": 1, "unit_result_exit_ratio": 1},
            {},
            Failure.SERVICE_CRASH_LOOP,
        ),
        (MOUNT, 0, {"mount_used_ratio": 0.97, "mount_fill_ratio_per_s": 0.01}, {}, Failure.DISK_FULL),
        (PID, 5, PROCESS | {"process_cpu_user_cores": 1.5}, BUSY, Failure.CPU_RUNAWAY),
        (PID, 5, PROCESS | {"process_cpu_user_cores": 0.95}, STARVING, Failure.CPU_RUNAWAY),
        (PID, 5, PROCESS | {"process_cpu_user_cores": 0.3, "process_cpu_system_cores": 1.2}, BUSY, Failure.CPU_RUNAWAY),
        (PID, 5, PROCESS | {"process_cpu_user_cores": 0.3, "process_cpu_system_cores": 1.2}, STARVING, Failure.CPU_RUNAWAY),
        (PID, 5, PROCESS | {"process_memory_ratio": 0.2, "process_memory_growth_ratio_per_s": 0.01}, {}, Failure.MEMORY_LEAK),
        (RESOLVER, 0, {"probe_ok_ratio": 0, "probe_latency_s": 0.001}, {}, Failure.DNS_BROKEN),
        (RESOLVER, 5, {"probe_ok_ratio": 0, "probe_latency_s": 0.5}, {}, Failure.DNS_BROKEN),
        (CLOCK, 0, {"clock_step_s": -30}, {}, Failure.CLOCK_STEPPED),
    ],
)
def test_rule_names_the_failure(entity, seconds, signals, host, expected):
    """The symptom gives exactly its failure."""
    assert failures(entity, seconds, signals, host) == [expected]


@pytest.mark.parametrize(
    ("entity", "seconds", "signals", "host"),
    [
        (UNIT, 10, RUNNING, {}),
        (UNIT, 0, {}, {}),
        (UNIT, 0, {"probe_ok_ratio": 0, "probe_latency_s": 0.5}, {}),
        (UNIT, 0, RUNNING | {"unit_active_ratio": 0, "unit_transition_ratio": 1}, {}),
        (UNIT, 2, RUNNING | {"probe_ok_ratio": 0}, {}),
        (UNIT, 0, RUNNING | {"unit_main_stopped_ratio": 1}, {}),
        (UNIT, 5, RUNNING | {"probe_ok_ratio": 0, "unit_active_s": 2}, {}),
        (MOUNT, 9, {"mount_used_ratio": 0.9, "mount_fill_ratio_per_s": 0.01}, {}),
        (MOUNT, 0, {"mount_used_ratio": 0.97, "mount_fill_ratio_per_s": -0.1}, {}),
        (PID, 2, PROCESS | {"process_cpu_user_cores": 2}, BUSY),
        (PID, 9, PROCESS | {"process_cpu_user_cores": 1}, {"cpu_user_ratio": 0.5, "cpu_system_ratio": 0.1}),
        (PID, 9, PROCESS | {"process_cpu_user_cores": 0.95}, BUSY),
        (PID, 9, PROCESS | {"process_cpu_user_cores": 0.1, "process_cpu_system_cores": 0.9}, STARVING),
        (PID, 9, PROCESS | {"process_cpu_user_cores": 0.1, "process_cpu_system_cores": 0.9}, BUSY),
        (PID, 2, PROCESS | {"process_cpu_user_cores": 0.3, "process_cpu_system_cores": 1.2}, BUSY),
        (UNIT, 9, RUNNING | {"unit_restarts_per_s": 1, "unit_active_s": 3}, {}),
        (PID, 9, PROCESS | {"process_cpu_user_cores": 2, "process_of_service_ratio": 1}, BUSY),
        (PID, 9, PROCESS | {"process_memory_ratio": 0.2, "process_memory_growth_ratio_per_s": 0}, {}),
        (RESOLVER, 0, {}, {}),
        (RESOLVER, 2, {"probe_ok_ratio": 0, "probe_latency_s": 0.5}, {}),
        (RESOLVER, 9, {"probe_ok_ratio": 0, "probe_latency_s": 0.5}, STARVING),
        (UNIT, 9, RUNNING | {"probe_ok_ratio": 0, "probe_latency_s": 0.5}, STARVING),
        (CLOCK, 0, {"clock_step_s": 0.2}, {}),
    ],
)
def test_rules_stay_silent(entity, seconds, signals, host):
    """Health, missing signals, transitions and short spikes are no failures."""
    assert failures(entity, seconds, signals, host) == []


LOADED = {"unit_load_error_ratio": 0, "unit_result_start_limit_ratio": 0}
STOPPED = RUNNING | LOADED | {"unit_active_ratio": 0, "unit_active_s": math.nan, "probe_ok_ratio": 0}
GIVEN_UP = STOPPED | {"unit_failed_ratio": 1, "unit_result_start_limit_ratio": 1}
SLOW = RUNNING | {"probe_latency_s": 0.3}
MOUNTED = {
    "mount_used_ratio": 0.4,
    "mount_inodes_used_ratio": 0.1,
    "mount_fill_ratio_per_s": 0,
    "mount_read_only_ratio": 0,
    "mount_stuck_s": 0,
}
CALM = {f"pressure_{what}_ratio": 0.05 for what in ("cpu", "memory", "io")}


@pytest.mark.parametrize(
    ("entity", "seconds", "signals", "host", "expected"),
    [
        (UNIT, 0, GIVEN_UP, {}, Failure.SERVICE_START_LIMIT),
        (UNIT, 0, GIVEN_UP | {"unit_restarts_per_s": 0.5}, {}, Failure.SERVICE_START_LIMIT),
        (UNIT, 0, STOPPED | {"unit_load_error_ratio": 1}, {}, Failure.SERVICE_LOAD_ERROR),
        (UNIT, 0, STOPPED | {"unit_load_error_ratio": 1, "unit_failed_ratio": 1}, {}, Failure.SERVICE_LOAD_ERROR),
        (UNIT, 9, SLOW, CALM, Failure.SERVICE_SLOW),
        (UNIT, 9, SLOW, {}, Failure.SERVICE_SLOW),
        (MOUNT, 0, MOUNTED | {"mount_inodes_used_ratio": 0.99}, {}, Failure.DISK_INODES_FULL),
        (MOUNT, 1, MOUNTED | {"mount_read_only_ratio": 1}, {}, Failure.MOUNT_READ_ONLY),
        (MOUNT, 1, MOUNTED | {"mount_read_only_ratio": 1, "mount_used_ratio": 0.99}, {}, Failure.MOUNT_READ_ONLY),
        (MOUNT, 0, {}, {}, Failure.MOUNT_MISSING),
        (MOUNT, 0, {"mount_stuck_s": 6, "mount_read_only_ratio": 0}, {}, Failure.MOUNT_STUCK),
        (UNIT, 5, RUNNING | {"unit_limits_changed_ratio": 1}, {}, Failure.SERVICE_SQUEEZED),
        (UNIT, 5, RUNNING | {"unit_limits_changed_ratio": 1, "probe_ok_ratio": 0}, {}, Failure.SERVICE_SQUEEZED),
        (UNIT, 5, RUNNING | {"unit_priority_changed_ratio": 0.25}, {}, Failure.SERVICE_SQUEEZED),
        (MOUNT, 5, MOUNTED | {"mount_access_changed_ratio": 1}, {}, Failure.MOUNT_ACCESS_LOST),
        (NIC, 2, {"nic_down_ratio": 1, "nic_routes_missing_ratio": 1}, {}, Failure.NIC_DOWN),
        (NIC, 5, {"nic_down_ratio": 0, "nic_routes_missing_ratio": 0.5}, {}, Failure.NIC_MISCONFIGURED),
        (NIC, 5, {"nic_down_ratio": 0, "nic_queueing_changed_ratio": 1}, {}, Failure.NIC_MISCONFIGURED),
        (NIC, 5, {"nic_down_ratio": 0, "nic_crowded_ratio": 0.8}, {}, Failure.NIC_SATURATED),
        (NIC, 5, {"nic_crowded_ratio": 0.8, "nic_queueing_changed_ratio": 1}, {}, Failure.NIC_MISCONFIGURED),
        (HOST, 5, {"host_settings_changed_ratio": 0.1}, {}, Failure.HOST_MISCONFIGURED),
        (HOST, 5, {"host_login_broken_ratio": 1}, {}, Failure.HOST_MISCONFIGURED),
    ],
)
def test_a_rule_names_what_the_first_model_was_not_taught(entity, seconds, signals, host, expected):
    """Classes that came after it have plain symptoms."""
    assert failures(entity, seconds, signals, host) == [expected]
    assert expected not in FAILURES[: SCHEMAS[0].failures]


SECONDS_OF_SLOTS = (0, 1, 2, 4, 8)
TIMED_OUT = {"probe_ok_ratio": 0, "probe_latency_s": 0.5}
REFUSED = {"probe_ok_ratio": 0, "probe_latency_s": 0.001}


@pytest.mark.parametrize(
    ("otherwise", "ages", "expected"),
    [
        (TIMED_OUT, (1, 8), [Failure.SERVICE_SLOW]),
        (TIMED_OUT, (0, 2), [Failure.SERVICE_SLOW]),
        (TIMED_OUT, (0, 2, 8), []),
        (REFUSED, (8,), []),
        (RUNNING, (2,), []),
    ],
    ids=["times out twice", "times out now", "times out mostly", "refuses once", "is quick once"],
)
def test_a_question_that_times_out_now_and_then_took_long_as_well(otherwise, ages, expected):
    """Slow is who answers mostly, and never soon; an answer or a refusal that comes at once starts the eight seconds afresh."""
    history = History()
    for second in range(10):
        signals = SLOW | (otherwise if 9 - second in ages else {})
        entities = (EntityRow(entity=UNIT, values=entity_values(**signals)),)
        at = Instant(mono_ns=second * 10**9, utc_ns=0)
        last = history.add(Sample(at=at, cause="timer", host=(math.nan,) * len(HOST_SIGNALS), entities=entities))
    assert set(ages) <= set(SECONDS_OF_SLOTS)
    assert [diagnosis.failure for diagnosis in by_rules(last)] == expected


@pytest.mark.parametrize(
    ("entity", "seconds", "signals", "host"),
    [
        (UNIT, 9, RUNNING | LOADED | {"unit_load_error_ratio": 1}, {}),
        (UNIT, 7, SLOW, CALM),
        (UNIT, 9, SLOW, CALM | {"pressure_cpu_ratio": 0.3}),
        (UNIT, 9, SLOW, CALM | {"pressure_io_ratio": 0.3}),
        (UNIT, 9, SLOW, CALM | {"pressure_memory_ratio": 0.3}),
        (UNIT, 9, RUNNING | {"probe_latency_s": 0.15}, CALM),
        (UNIT, 9, RUNNING | {"probe_latency_s": math.nan, "probe_ok_ratio": math.nan}, CALM),
        (MOUNT, 9, MOUNTED, {}),
        (MOUNT, 0, MOUNTED | {"mount_read_only_ratio": 1}, {}),
        (MOUNT, 9, MOUNTED | {"mount_read_only_ratio": math.nan}, {}),
        (MOUNT, 9, MOUNTED | {"mount_inodes_used_ratio": 0.9}, {}),
        (MOUNT, 9, MOUNTED | {"mount_inodes_used_ratio": math.nan}, {}),
        (MOUNT, 0, MOUNTED | {"mount_stuck_s": 3}, {}),
        (MOUNT, 0, {"mount_read_only_ratio": 0, "mount_stuck_s": 2}, {}),
        (UNIT, 3, RUNNING | {"unit_limits_changed_ratio": 1}, {}),
        (UNIT, 3, RUNNING | UNPROBED | {"unit_main_stopped_ratio": 1}, {}),
        (UNIT, 9, RUNNING | UNPROBED | {"unit_main_stopped_ratio": 0.5}, {}),
        (UNIT, 9, RUNNING | {"unit_limits_changed_ratio": math.nan, "unit_priority_changed_ratio": 0}, {}),
        (MOUNT, 3, MOUNTED | {"mount_access_changed_ratio": 1}, {}),
        (RESOLVER, 3, {"resolver_overridden_ratio": 1, "probe_ok_ratio": 1}, {}),
        (NIC, 1, {"nic_down_ratio": 1}, {}),
        (NIC, 3, {"nic_down_ratio": 0, "nic_mtu_changed_ratio": 1}, {}),
        (NIC, 3, {"nic_crowded_ratio": 1}, {}),
        (NIC, 9, {"nic_crowded_ratio": 0.4}, {}),
        (NIC, 9, {}, {}),
        (HOST, 3, {"host_name_changed_ratio": 1}, {}),
        (HOST, 9, {"host_settings_changed_ratio": 0, "host_name_changed_ratio": math.nan}, {}),
    ],
)
def test_rules_of_their_own_classes_stay_silent(entity, seconds, signals, host):
    """A busy host, a slow second, a snapshot, a file system without inodes and a running service without its file are none."""
    assert failures(entity, seconds, signals, host) == []


@pytest.mark.parametrize(
    ("entity", "seconds", "signals", "expected"),
    [
        (UNIT, 0, STOPPED | {"unit_failed_ratio": 1}, Failure.SERVICE_DOWN),
        (UNIT, 0, GIVEN_UP | {"unit_failed_ratio": 0}, Failure.SERVICE_DOWN),
        (UNIT, 0, GIVEN_UP | {"unit_dropins_changed_ratio": 1}, Failure.SERVICE_CRASH_LOOP),
        (UNIT, 0, STOPPED | {"unit_masked_ratio": 1, "unit_load_error_ratio": 1}, Failure.SERVICE_MASKED),
        (UNIT, 9, SLOW | {"unit_main_stopped_ratio": 1, "probe_latency_s": 0.5}, Failure.SERVICE_HUNG),
        (UNIT, 9, SLOW | {"probe_ok_ratio": 0}, Failure.SERVICE_HUNG),
        (MOUNT, 9, MOUNTED | {"mount_used_ratio": 0.99, "mount_inodes_used_ratio": 0.99}, Failure.DISK_FULL),
        (MOUNT, 9, {"mount_used_ratio": 0.99, "mount_fill_ratio_per_s": 0}, Failure.DISK_FULL),
    ],
)
def test_no_diagnosis_is_taken_from_the_classes_a_model_knows(entity, seconds, signals, expected):
    """Where a symptom of the older classes stands as well, they are named as before."""
    assert failures(entity, seconds, signals) == [expected]


def test_a_model_never_silences_or_renames_what_it_was_not_taught():
    """However sure, it chose among other classes; what it said stands beside."""
    ruled = diagnosis(Failure.MOUNT_READ_ONLY, 1.0, Source.RULES, MOUNT)
    said = diagnosis(Failure.DISK_FULL, 0.99, Source.MODEL, MOUNT)
    (opinion,) = merge([ruled], [said], 0.8, {Failure.MOUNT_READ_ONLY})
    assert (opinion.chosen, opinion.other) == (ruled, said)
    (opinion,) = merge([ruled], [said], 0.8, {Failure.MOUNT_MISSING})
    assert (opinion.chosen, opinion.other) == (said, ruled)


def test_what_gets_no_probability_anywhere_was_never_taught():
    """On entities of the kind it happens to; a very small one is an answer."""
    entities = (UNIT, MOUNT)
    rows = tuple(EntityRow(entity=entity, values=entity_values()) for entity in entities)
    at = Instant(mono_ns=0, utc_ns=0)
    seen = History().add(Sample(at=at, cause="timer", host=(math.nan,) * len(HOST_SIGNALS), entities=rows))
    known = {Failure.SERVICE_DOWN: 1e-30, Failure.DISK_FULL: 0.5, Failure.OK: 0.5}
    row = tuple(known.get(failure, 0.0) for failure in FAILURES)
    found = untaught(seen, Scores(failures=(row, row), wrong=0.1))
    assert found == frozenset(FAILURES) - set(known)
    assert untaught(seen, None) == frozenset()


def diagnosis(failure, probability, source, entity=UNIT):
    return Diagnosis(failure=failure, entity=entity, probability=probability, source=source)


def test_a_confident_model_overrides_the_rules_class_and_both_are_kept():
    """The model chooses, the rules stand beside it."""
    ruled = diagnosis(Failure.SERVICE_DOWN, 1.0, Source.RULES)
    said = diagnosis(Failure.SERVICE_HUNG, 0.9, Source.MODEL)
    (opinion,) = merge([ruled], [said], 0.8)
    assert (opinion.chosen, opinion.other) == (said, ruled)


def test_a_model_that_says_ok_does_not_silence_the_rules():
    """Rules are the floor."""
    ruled = diagnosis(Failure.SERVICE_DOWN, 1.0, Source.RULES)
    assert [o.chosen for o in merge([ruled], [], 0.8)] == [ruled]


def test_an_unsure_model_alone_opens_nothing():
    """Below the confidence there is no diagnosis without the rules."""
    assert merge([], [diagnosis(Failure.SERVICE_HUNG, 0.79, Source.MODEL)], 0.8) == ()


@pytest.mark.parametrize(
    ("entity", "signals", "failure"),
    [
        (MOUNT, {"mount_used_ratio": 0.3, "mount_access_changed_ratio": 1}, Failure.MOUNT_ACCESS_LOST),
        (NIC, {"nic_mtu_changed_ratio": 1}, Failure.NIC_MISCONFIGURED),
    ],
)
def test_what_will_be_a_failure_shows_before_it_stands(entity, signals, failure):
    """Nobody acts on it yet, and whatever else fails may be its doing; once it stands, it is a failure like any other."""
    assert [d.failure for d in emerging(window(entity, 1, signals))] == [failure]
    assert failures(entity, 1, signals) == []
    assert emerging(window(entity, 6, signals)) == ()
    assert failures(entity, 6, signals) == [failure]
    assert emerging(window(entity, 1, dict.fromkeys(signals, 0))) == ()


def test_a_mount_that_has_not_answered_for_a_second_is_on_its_way():
    """It is called stuck after STUCK_S; services on it hang before that."""
    mount = {"mount_used_ratio": 0.3, "mount_stuck_s": 1.5}
    assert [d.failure for d in emerging(window(MOUNT, 3, mount))] == [Failure.MOUNT_STUCK]
    assert emerging(window(MOUNT, 3, mount | {"mount_stuck_s": 0.1})) == ()
    assert emerging(window(MOUNT, 3, mount | {"mount_stuck_s": 6.0})) == ()

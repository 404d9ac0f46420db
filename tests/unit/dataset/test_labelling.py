import pytest

from orderd.domain.faults import Failure
from orderd.domain.window import History
from ordertrainer.dataset.labelling import RunLabeller

DOWN = {"unit_active_ratio": 0.0, "probe_ok_ratio": 0.0}


@pytest.fixture
def judge(host):
    """Judge a host second by second: changes(second) says what differs from healthy; returns second -> {entity: truth}."""

    def run(label, changes=lambda second: {}, without=lambda second: (), seconds=range(5, 40)):
        history, labeller, verdicts = History(), RunLabeller(label), {}
        for second in seconds:
            window = history.add(host.sample(second, changes(second), without(second)))
            truth = labeller.truth(window)
            verdicts[second] = None if truth is None else dict(zip(window.entities, truth, strict=True))
        return verdicts

    return run


def test_only_time_that_somebody_vouches_for_is_judged(judge, host):
    """Before the run, on the way to the fault, and from the revert on, no window counts."""
    verdicts = judge(host.run(), lambda s: {host.nginx: DOWN} if 21 <= s < 33 else {})
    assert {s for s, truth in verdicts.items() if truth is not None} == {*range(10, 20), *range(21, 30)}


def test_before_the_fault_everything_is_ok(judge, host):
    """The steady time before an injection holds only ok entities."""
    verdicts = judge(host.run())
    assert all(set(verdicts[s].values()) == {Failure.OK} for s in range(10, 20))


def test_the_failing_entity_is_labelled_and_the_others_are_ok(judge, host):
    """While a service is down, it alone fails."""
    truth = judge(host.run(), lambda s: {host.nginx: DOWN} if s >= 21 else {})[25]
    assert truth[host.nginx] is Failure.SERVICE_DOWN
    assert {truth[host.worker], truth[host.data], truth[host.spinner]} == {Failure.OK}


def test_a_failure_is_labelled_only_where_it_can_be_seen(judge, host):
    """Between landing and revert, windows that do not show the failure, yet or for the moment, are left out."""
    label = host.run(fault="disk_fill", failure=Failure.DISK_FULL, entity=str(host.data))
    used = {21: 0.6, 22: 0.8, 23: 0.94, 24: 0.96, 25: 0.93}
    verdicts = judge(label, lambda s: {host.data: {"mount_used_ratio": used.get(s, 0.97 if s > 25 else 0.3)}})
    assert [verdicts[s] for s in (21, 22, 23)] == [None, None, None]
    assert verdicts[25] is None
    assert [verdicts[s][host.data] for s in (24, 26)] == [Failure.DISK_FULL] * 2


def test_collateral_is_neither_ok_nor_failing(judge, host):
    """A worker that cannot write on the full mount is not judged; the rest of the host is."""
    label = host.run(fault="disk_fill", failure=Failure.DISK_FULL, entity=str(host.data))
    sick = {host.data: {"mount_used_ratio": 1.0}, host.worker: {"probe_ok_ratio": 0.0}}
    truth = judge(label, lambda s: sick if s >= 21 else {})[25]
    assert (truth[host.data], truth[host.worker], truth[host.nginx]) == (Failure.DISK_FULL, None, Failure.OK)


def test_a_runaway_counts_after_two_busy_seconds(judge, host):
    """A process that spins is labelled once it was busy in the slots of ages 0, 1 and 2 s."""
    label = host.run(fault="cpu_runaway", failure=Failure.CPU_RUNAWAY, entity=str(host.spinner))
    verdicts = judge(label, lambda s: {host.spinner: {"process_cpu_user_cores": 1.0}} if s >= 21 else {})
    assert [verdicts[s] for s in (21, 22)] == [None, None]
    assert verdicts[23][host.spinner] is Failure.CPU_RUNAWAY


def test_a_leak_counts_after_four_seconds_of_growth(judge, host):
    """A process that grows is labelled once every gap between the slots up to 4 s shows growth."""
    label = host.run(fault="memory_leak", failure=Failure.MEMORY_LEAK, entity=str(host.spinner))
    verdicts = judge(label, lambda s: {host.spinner: {"process_memory_ratio": 0.01 + 0.01 * max(0, s - 21)}})
    assert verdicts[23] is None
    assert verdicts[25][host.spinner] is Failure.MEMORY_LEAK


def test_a_spinning_process_under_a_decoy_is_ok(judge, host):
    """A decoy makes nothing wrong, however busy its process is."""
    label = host.run(fault="backup_job", failure=Failure.OK, entity="", decoy=True)
    verdicts = judge(label, lambda s: {host.spinner: {"process_cpu_user_cores": 1.0}} if s >= 21 else {})
    assert set(verdicts[28].values()) == {Failure.OK}


def test_a_unit_that_is_down_on_purpose_is_left_out(judge, host):
    """A planned restart looks like a failure while it lasts: those windows teach nothing, the ones around it do."""
    label = host.run(fault="planned_restart", failure=Failure.OK, entity="", decoy=True)
    verdicts = judge(label, lambda s: {host.nginx: DOWN} if 21 <= s < 25 else {})
    assert [verdicts[s] for s in range(21, 25)] == [None] * 4
    assert set(verdicts[26].values()) == {Failure.OK}


def test_a_window_without_the_failing_entity_is_left_out(judge, host):
    """When the runaway process is not among the measured ones, nobody can be blamed and nothing is judged."""
    label = host.run(fault="cpu_runaway", failure=Failure.CPU_RUNAWAY, entity=str(host.spinner))
    verdicts = judge(
        label,
        lambda s: {host.spinner: {"process_cpu_user_cores": 1.0}} if s >= 21 else {},
        lambda s: (host.spinner,) if s == 27 else (),
    )
    assert verdicts[27] is None
    assert verdicts[28][host.spinner] is Failure.CPU_RUNAWAY


def test_of_a_failure_without_a_name_only_that_something_is_wrong_is_said(judge, host):
    """Its entity is not judged: there is no class to call it by, and calling it another one or well would be a lie."""
    verdicts = judge(
        host.run(fault="strange", failure=Failure.UNKNOWN),
        lambda s: {host.nginx: DOWN, host.worker: {"probe_ok_ratio": 0.0}} if s >= 21 else {},
    )
    assert verdicts[15][host.nginx] is Failure.OK
    assert (verdicts[25][host.nginx], verdicts[25][host.worker], verdicts[25][host.data]) == (None, None, Failure.OK)


def test_every_failure_class_can_be_seen_by_some_rule():
    """Each failure class has its definition of visible, each entity kind its definition of troubled."""
    from orderd.domain.faults import FAILURES, KINDS
    from ordertrainer.dataset import symptoms

    assert set(symptoms._VISIBLE) == set(FAILURES)
    assert set(symptoms._TROUBLED) == set(KINDS)

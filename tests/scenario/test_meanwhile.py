"""What happens while a tick waits for the fleet, and what nobody can see: acknowledged orders count, silence is no health."""

import asyncio

import pytest

from fakes import DOWN, NGINX, RUNNING
from orderd.domain.standing import Lease
from orderd.domain.values import Action, IncidentState, Reason
from orderd.errors import StateError
from orderd.executor.messages import Mode, RunningRepair

NAN = float("nan")
BROKEN = DOWN | {"unit_dropins_changed_ratio": 1.0, "unit_result_exit_ratio": 1.0}


class SlowBudget:
    """Grants, and lets the test do something before it answers."""

    def __init__(self):
        self.meanwhile = lambda: None

    async def prepare(self, wanted):
        self.meanwhile()
        return Lease(granted=True, unreachable=False, detail="a lease", until=10**18)

    def spend(self):
        pass

    def release(self):
        pass

    def describe(self):
        return ""


@pytest.fixture
def leased(make_scene):
    budget = SlowBudget()
    scene = make_scene({"budget": budget}, decision={"mode": "auto"}, fleet={"budget": True}, telemetry={"trainer": "t:1"})
    scene.host.state[NGINX] = dict(DOWN)
    return scene, budget


@pytest.mark.parametrize(
    ("order", "reason"),
    [(lambda s: s.view.hold(NGINX, 60.0, "mine", "alice"), "held"), (lambda s: s.view.pause("stop", "alice", 60.0), "paused")],
)
async def test_an_order_given_while_the_fleet_is_asked_counts(leased, order, reason):
    """A hold or pause that was acknowledged before the answer came: nothing runs, and the record says why."""
    scene, budget = leased

    def once():
        budget.meanwhile = lambda: None
        order(scene)

    budget.meanwhile = once
    await scene.ticks(4)
    assert scene.playbooks == []
    assert scene.reasons == [reason]


async def test_a_repair_by_hand_while_the_fleet_is_asked_is_the_only_one(leased):
    """The tick finds the incident in other hands and decides nothing about it."""
    scene, budget = leased
    await_one = []

    def by_hand():
        if not await_one and scene.loop.seen is not None:
            await_one.append(scene.view.run_repair("service_start", NGINX, "", "alice"))

    budget.meanwhile = by_hand
    await scene.ticks(3)
    assert [d.decision_id for d in scene.decisions] == await_one
    assert scene.playbooks == ["service_start"]


async def test_a_target_that_was_locked_meanwhile_costs_one_decision_and_not_the_tick(scene):
    """The guard's memory refuses a second repair of the target: recorded as not begun, and the loop goes on."""
    real = scene.loop.memory.started

    def locked(decision, *, by_hand=False):
        scene.loop.memory.started = real
        raise StateError("target_locked", "nginx is locked by d0000")

    scene.loop.memory.started = locked
    scene.host.state[NGINX] = dict(DOWN)
    await scene.ticks(1)
    assert scene.playbooks == []
    assert scene.words() == ["intent", "unverified"]
    assert scene.states() == [IncidentState.WAITING]
    await scene.ticks(4)
    assert scene.playbooks == ["service_start"]


async def test_an_entity_nobody_can_see_is_not_called_well(observing):
    """Systemd says nothing any more: the incident stays open, and ends when health is seen."""
    observing.host.state[NGINX] = dict(DOWN)
    await observing.ticks(2)
    assert observing.decisions[0].action is Action.WAIT
    observing.host.state[NGINX] = {"probe_ok_ratio": NAN}
    await observing.ticks(20)
    assert "closed" not in observing.words()
    observing.host.state[NGINX] = dict(RUNNING)
    await observing.ticks(10)
    assert observing.states() == [IncidentState.CLOSED]


async def test_the_target_of_an_undo_that_is_waited_for_is_locked(scene):
    """Orderd was restarted while an undo ran: nobody may repair its target by hand before it has ended."""
    scene.host.state[NGINX] = BROKEN
    await scene.ticks(4)
    scene.executor.wait_for = asyncio.Event()
    await scene.ticks(40)
    assert [str(r.mode) for r in scene.executor.requests] == ["apply", "undo"]
    undo = scene.executor.requests[-1]
    scene.executor.under_way = (
        RunningRepair(repair_id=undo.repair_id, playbook=undo.playbook, target=undo.target, mode=Mode.UNDO, remaining_s=10.0),
    )
    await scene.restart()
    await scene.ticks(2)
    with pytest.raises(StateError) as refused:
        scene.view.run_repair("service_start", NGINX, "", "alice")
    assert refused.value.reason == "target_locked"
    assert len(scene.executor.requests) == 2


async def test_what_a_person_was_told_is_taken_back_when_another_incident_takes_its_place(scene):
    """A repair by hand of what was escalated: the alert of the first incident does not stand for ever."""
    scene.host.state[NGINX] = dict(DOWN)
    await scene.ticks(80)
    escalated = next(key for event, key in scene.sink.said if event == "escalated")
    assert escalated not in scene.sink.resolved
    scene.view.run_repair("service_start", NGINX, "", "alice")
    assert escalated in scene.sink.resolved


async def test_reasons_that_flap_for_months_do_not_stop_the_loop(observing):
    """However many decisions to wait an incident has, the pause before the next one is a number."""
    observing.host.state[NGINX] = dict(DOWN)
    await observing.ticks(2)
    incident = observing.loop.incidents.get(NGINX)
    incident.waits = 5000
    assert not incident.may_record_wait(observing.clock.now())
    observing.clock.advance(3601)
    assert incident.may_record_wait(observing.clock.now())


async def test_a_rating_of_what_would_have_run_counts_for_that_repair(observing):
    """Orderd only observes: people say whether it was right, and so a repair earns its authority before it ever runs."""
    observing.host.state[NGINX] = dict(DOWN)
    await observing.ticks(2)
    (decision,) = observing.decisions
    assert (decision.reason, decision.repair) == (Reason.MODE_OBSERVE, "")
    observing.view.rate(decision.decision_id, good=True, note="", by="alice")
    ((score, _),) = observing.view.scorecard()
    assert (score.repair, score.right, score.wrong) == ("service_start", 1, 0)


async def test_a_rejection_that_is_rated_as_well_counts_once(asking):
    """No is an outcome already; saying it twice is one."""
    asking.host.state[NGINX] = dict(DOWN)
    await asking.ticks(2)
    decision = asking.decisions[0]
    asking.view.reject(decision.decision_id, "not now", "bob")
    asking.view.rate(decision.decision_id, good=False, note="", by="bob")
    ((score, _),) = asking.view.scorecard()
    assert (score.right, score.wrong) == (0, 1)


async def test_a_rating_of_a_wait_for_people_says_nothing_about_the_repair(scene):
    """Held: that orderd kept away was right, which is no outcome of what it kept away with."""
    scene.view.hold(NGINX, 60.0, "mine", "alice")
    scene.host.state[NGINX] = dict(DOWN)
    await scene.ticks(2)
    assert scene.reasons == ["held"]
    scene.view.rate(scene.decisions[0].decision_id, good=True, note="", by="alice")
    assert scene.view.scorecard() == ()

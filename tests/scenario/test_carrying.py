"""Repairs under way: several at once, refusals that pass, undo, collateral, and what fills no journal."""

import asyncio

from fakes import DATA, DOWN, FULL, HUNG, NGINX, REDIS, ROOMY, RUNNING
from orderd.domain.faults import Entity
from orderd.domain.inventory import Inventory
from orderd.domain.standing import Lease
from orderd.domain.values import Action, Hold, IncidentState, Reason
from orderd.errors import ExecutorError

BROKEN = DOWN | {"unit_dropins_changed_ratio": 1.0, "unit_result_exit_ratio": 1.0}


def cure(scene, entity, state=RUNNING):
    return lambda: scene.host.state.__setitem__(entity, dict(state))


async def test_two_disjoint_repairs_run_at_once_and_each_ends_once(scene):
    """Units of their own do not wait for each other; the executor has both at the same time."""
    going = asyncio.Event()
    scene.executor.wait_for = going
    scene.host.state[NGINX] = dict(DOWN)
    scene.host.state[REDIS] = dict(DOWN)
    await scene.ticks(2)
    assert len(scene.executor.requests) == 2
    scene.executor.cures["service_start"] = lambda: [cure(scene, NGINX)(), cure(scene, REDIS)()]
    going.set()
    await scene.ticks(12)
    assert scene.states() == [IncidentState.RESOLVED, IncidentState.RESOLVED]


async def test_a_hundred_triggers_start_one_repair(scene):
    """However often an event wakes the loop, a target is repaired once at a time."""
    going = asyncio.Event()
    scene.executor.wait_for = going
    scene.host.state[NGINX] = dict(DOWN)
    await scene.ticks(100, step_s=0.001)
    assert scene.playbooks == ["service_start"]
    going.set()
    scene.executor.cures["service_start"] = cure(scene, NGINX)
    await scene.ticks(12)
    assert scene.playbooks == ["service_start"]
    assert scene.states() == [IncidentState.RESOLVED]


async def test_a_busy_executor_uses_up_no_rung(scene):
    """Refused as busy twice, the same repair runs the third time; nothing was touched before."""
    scene.executor.refusals = ["busy", "rate_limited"]
    scene.executor.cures["service_start"] = cure(scene, NGINX)
    scene.host.state[NGINX] = dict(DOWN)
    await scene.ticks(20)
    assert scene.playbooks == ["service_start"] * 3
    assert scene.states()[-1] is IncidentState.RESOLVED
    assert scene.words(0) == ["intent", "finished"]


async def test_an_executor_that_refuses_for_ever_ends_with_a_person(scene):
    """Asked ever more seldom, a bounded number of times."""
    scene.executor.refusals = ["not_armed"] * 50
    scene.host.state[NGINX] = dict(DOWN)
    await scene.ticks(300)
    assert len(scene.playbooks) == 6
    assert scene.decisions[-1].reason is Reason.EXECUTOR_REFUSES
    assert scene.states()[-1] is IncidentState.ESCALATED


async def test_a_refusal_of_the_repair_itself_uses_up_the_rung(scene):
    """A playbook that is not to be run is not asked for again in this incident."""
    scene.executor.refusals = ["hash_mismatch"] * 5
    scene.host.state[NGINX] = dict(DOWN)
    await scene.ticks(10)
    assert scene.playbooks == ["service_start"]
    assert scene.decisions[-1].reason is Reason.LADDER_EXHAUSTED


async def test_an_executor_that_dies_in_mid_repair_is_judged_by_the_target(scene):
    """Whether it helped is for the signals to say: here it did."""

    def dies(_request):
        cure(scene, NGINX)()
        raise ExecutorError("closed before the end")

    scene.executor.before_run = dies
    scene.host.state[NGINX] = dict(DOWN)
    await scene.ticks(12)
    assert scene.states() == [IncidentState.RESOLVED]
    assert scene.words(0) == ["intent", "finished", "verified"]


async def test_a_repair_that_broke_off_gets_little_patience(scene):
    """Not healthy within its hold and two seconds more: no use in waiting for the whole limit of the contract."""

    def dies(_request):
        raise ExecutorError("killed")

    scene.executor.before_run = dies
    scene.host.state[NGINX] = dict(DOWN)
    await scene.ticks(12)
    assert scene.words(0) == ["intent", "finished", "unverified"]


async def test_a_repair_that_was_cut_off_gets_one_more_chance_when_twice_does_no_harm(scene):
    """Its contract says idempotent: a second decision at once, without a cooldown; a third time nobody tries."""

    def dies(_request):
        raise ExecutorError("killed")

    scene.executor.before_run = dies
    scene.host.state[NGINX] = dict(DOWN)
    await scene.ticks(80)
    assert "cooldown" not in scene.reasons
    assert scene.playbooks == ["service_start"] * 2
    assert len({request.repair_id for request in scene.executor.requests}) == 2
    assert scene.decisions[-1].reason is Reason.LADDER_EXHAUSTED


async def test_a_repair_whose_process_was_killed_is_repeated_before_a_person_is_called(scene):
    """Out of memory at 3 a.m. is no verdict on the playbook: the second decision repairs, and nobody is woken."""
    scene.executor.killed = 1
    scene.executor.cures["service_start"] = cure(scene, NGINX)
    scene.host.state[NGINX] = dict(DOWN)
    await scene.ticks(60)
    assert scene.playbooks == ["service_start"] * 2
    assert scene.states()[-1] is IncidentState.RESOLVED
    assert scene.words(0) == ["intent", "started", "finished", "unverified"]


async def test_a_repair_that_was_cut_off_is_not_repeated_when_twice_is_not_once(scene):
    """Killing a service a second time is another repair: the ladder goes on instead."""

    def dies(_request):
        raise ExecutorError("killed")

    scene.executor.before_run = dies
    scene.host.state[NGINX] = dict(HUNG)
    await scene.ticks(80)
    assert scene.playbooks == ["service_kill_and_restart"]


async def test_an_undo_that_fails_says_so(scene):
    """undo_failed, never undone."""
    scene.host.state[NGINX] = dict(BROKEN)
    await scene.ticks(20)
    scene.executor.refusals = ["no_undo"]
    await scene.ticks(40)
    assert "undo_failed" in scene.words(0)
    assert "undone" not in scene.words(0)


async def test_reasons_that_flap_do_not_fill_the_journal(observing):
    """A hold put and released at every tick: a handful of decisions, not hundreds."""
    observing.host.state[NGINX] = dict(DOWN)
    for count in range(400):
        now = observing.clock.now()
        if count % 2:
            observing.loop.memory.hold(Hold(entity=NGINX, why="x", by="a", at=now, until=now.mono_ns + 10**10))
        else:
            observing.loop.memory.release(NGINX)
        await observing.ticks(1)
    assert 2 <= len(observing.decisions) <= 9


async def test_a_held_cause_does_not_keep_its_consequence_waiting_for_ever(scene):
    """A full disk that a person holds delays the hung service by a minute, not by the hold."""
    now = scene.clock.now()
    scene.loop.memory.hold(Hold(entity=DATA, why="moving data", by="root", at=now, until=now.mono_ns + 10**13))
    scene.host.state[DATA] = dict(FULL)
    scene.host.state[REDIS] = RUNNING | {"probe_ok_ratio": 0.0}
    await scene.ticks(40, step_s=1.0)
    assert scene.playbooks == []
    assert "cause_first" in scene.reasons
    scene.executor.cures["service_kill_and_restart"] = cure(scene, REDIS)
    await scene.ticks(40, step_s=1.0)
    assert scene.playbooks == ["service_kill_and_restart"]


async def test_a_service_waits_for_a_cause_that_only_begins_to_show(scene):
    """Who may read its mount changed a second ago: nobody kills what cannot work. What hangs alone is not kept waiting."""
    scene.executor.cures["service_kill_and_restart"] = cure(scene, REDIS)
    scene.host.state[DATA] = ROOMY | {"mount_access_changed_ratio": 1.0}
    scene.host.state[REDIS] = RUNNING | {"unit_main_stopped_ratio": 1.0, "probe_ok_ratio": 0.0}
    await scene.ticks(3, step_s=1.0)
    assert scene.playbooks == []
    assert scene.reasons == ["cause_first"]
    scene.host.state[DATA] = dict(ROOMY)
    await scene.ticks(3, step_s=1.0)
    assert scene.playbooks == ["service_kill_and_restart"]


async def test_the_last_to_answer_again_is_not_killed_for_it(scene):
    """Three fell silent at once, and two of them answer: the third is asked a little later, and has a few seconds."""
    third = Entity.parse("unit:worker.service")
    silent = RUNNING | {"probe_ok_ratio": 0.0}
    scene.executor.cures["service_kill_and_restart"] = cure(scene, third)
    for entity in (NGINX, REDIS, third):
        scene.host.state[entity] = dict(silent)
    await scene.ticks(8, step_s=1.0)
    assert set(scene.reasons) == {"common_cause"}
    for entity in (NGINX, REDIS):
        scene.host.state[entity] = dict(RUNNING)
    await scene.ticks(4, step_s=1.0)
    assert scene.playbooks == []
    await scene.ticks(4, step_s=1.0)
    assert scene.playbooks == ["service_kill_and_restart"]


class Inventories:
    """What the host consists of, as the test says."""

    def __init__(self):
        self.scene = None
        self.things = {"file /etc/hosts": "one", "unit cron.service": "active=active wanted=yes invocation=a restarts=0"}

    async def take(self):
        return Inventory(at=self.scene.clock.now(), things=dict(self.things))


async def test_what_a_repair_changes_beyond_its_contract_is_recorded_and_counts_as_wrong(make_scene):
    """A step collateral that names it, a notice, a wrong on the scorecard; the incident is resolved all the same."""
    inventories = Inventories()
    scene = make_scene(parts={"inventory": inventories}, decision={"mode": "auto"})
    inventories.scene = scene

    def clumsy():
        cure(scene, NGINX)()
        inventories.things["file /etc/hosts"] = "two"

    scene.executor.cures["service_start"] = clumsy
    scene.host.state[NGINX] = dict(DOWN)
    await scene.ticks(14)
    assert scene.words(0) == ["intent", "started", "finished", "collateral", "verified"]
    assert "/etc/hosts" in scene.journal.records[scene.decisions[0].decision_id].steps[3].detail
    assert "collateral" in [event for event, _ in scene.sink.said]
    ((score, _),) = scene.view.scorecard()
    assert (score.right, score.wrong) == (0, 1)


async def test_a_repair_that_changes_only_what_it_says_has_no_collateral(make_scene):
    """The check finds nothing where there is nothing."""
    inventories = Inventories()
    scene = make_scene(parts={"inventory": inventories}, decision={"mode": "auto"})
    inventories.scene = scene
    scene.executor.cures["service_start"] = cure(scene, NGINX)
    scene.host.state[NGINX] = dict(DOWN)
    await scene.ticks(14)
    assert scene.words(0) == ["intent", "started", "finished", "verified"]
    ((score, _),) = scene.view.scorecard()
    assert (score.right, score.wrong) == (1, 0)


async def test_a_hung_inventory_holds_up_no_repair(make_scene):
    """What cannot be taken in time is not compared."""

    class Hung:
        async def take(self):
            await asyncio.Event().wait()

    scene = make_scene(parts={"inventory": Hung()}, decision={"mode": "auto"})
    scene.executor.cures["service_start"] = cure(scene, NGINX)
    scene.host.state[NGINX] = dict(DOWN)
    await scene.ticks(2)
    await asyncio.sleep(0.15)
    await scene.ticks(12)
    assert scene.states() == [IncidentState.RESOLVED]


async def test_two_failed_verifications_deny_the_repair_and_people_are_told(scene):
    """The notice is said once; the next incident goes to a person at once."""
    for _ in range(2):
        scene.host.state[NGINX] = dict(DOWN)
        await scene.ticks(60)
        scene.host.state[NGINX] = dict(RUNNING)
        await scene.ticks(10)
    scene.host.state[NGINX] = dict(DOWN)
    await scene.ticks(3)
    assert scene.playbooks == ["service_start"] * 2
    assert scene.decisions[-1].reason is Reason.DENIED
    assert [event for event, _ in scene.sink.said].count("denied") == 1
    scene.view.lift_denial("service_start", NGINX, "the disk was replaced", "alice")
    assert scene.view.status().denials == ()


class Budgets:
    """Grants what the test says, and counts."""

    def __init__(self):
        self.granted, self.asked, self.spent, self.released = False, 0, 0, 0

    async def prepare(self, wanted):
        self.asked += 1
        return Lease(granted=self.granted, unreachable=False, detail="two hosts are under repair", until=10**18)

    def spend(self):
        self.spent += 1

    def release(self):
        self.released += 1

    def describe(self):
        return "asked"


async def test_a_repair_waits_for_the_fleets_budget_and_gives_it_back(make_scene):
    """No lease, no repair; nobody is asked while nothing is wrong; the lease is given back at the end."""
    budgets = Budgets()
    scene = make_scene(parts={"budget": budgets}, decision={"mode": "auto"}, fleet={"budget": True})
    await scene.ticks(3)
    assert budgets.asked == 0
    scene.host.state[NGINX] = dict(DOWN)
    await scene.ticks(4)
    assert scene.playbooks == []
    assert scene.reasons == ["fleet_budget"]
    budgets.granted, released = True, budgets.released
    scene.executor.cures["service_start"] = cure(scene, NGINX)
    await scene.ticks(1)
    assert (scene.playbooks, budgets.spent, budgets.released) == (["service_start"], 1, released)
    await scene.ticks(14)
    assert budgets.released > released


async def test_the_disk_is_not_repaired_beside_another_repair(scene):
    """A repair that reaches the whole host waits until nothing else runs."""
    going = asyncio.Event()
    scene.executor.wait_for = going
    scene.host.state[NGINX] = dict(DOWN)
    await scene.ticks(2)
    scene.host.state[DATA] = dict(FULL)
    await scene.ticks(3)
    assert scene.playbooks == ["service_start"]
    assert [d.reason for d in scene.decisions if d.action is Action.WAIT] == [Reason.HOST_BUSY]
    scene.executor.cures |= {"service_start": cure(scene, NGINX), "disk_reclaim_log_space": cure(scene, DATA, ROOMY)}
    going.set()
    await scene.ticks(20)
    assert scene.playbooks == ["service_start", "disk_reclaim_log_space"]

"""A second of a host's life: what ends a fault, what does not, and what it costs."""

from dataclasses import replace

import msgspec
import pytest
import torch

from orderd.catalogue import load_repairs
from ordertrainer.chaos.catalogue import load_faults
from ordertrainer.sim import Simulator, compile_catalogue
from ordertrainer.sim.attempts import ATTEMPTS
from ordertrainer.sim.catalogue import PLAYBOOKS
from ordertrainer.sim.levels import NEVER_S, afflict


def fields_of(bundle, prefix=""):
    """Yield every tensor of a state by name."""
    from dataclasses import fields

    from ordertrainer.sim.tables import Tensors

    for name in (f.name for f in fields(bundle)):
        value = getattr(bundle, name)
        if isinstance(value, Tensors):
            yield from fields_of(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def lives(world, seed, steps=60, hosts=64):
    """Return the final state and all outcomes of hosts on which anything is done."""
    sim, draw = Simulator(world, hosts=hosts, seed=seed), torch.Generator().manual_seed(seed)
    outcomes = []
    for _ in range(steps):
        outcomes.append(sim.step(torch.randint(0, world.actions, (hosts,), generator=draw)))
        sim.reset(outcomes[-1].done)
    return sim.state, outcomes


def test_equal_seeds_give_equal_lives(world):
    """Trajectories repeat to the bit, resets included."""
    first, second = (lives(world, 3)[0] for _ in range(2))
    for (name, one), (_, other) in zip(fields_of(first), fields_of(second), strict=True):
        assert torch.equal(one.nan_to_num(-9), other.nan_to_num(-9)), name
    assert not torch.equal(first.levels.seed, lives(world, 4)[0].levels.seed)


def test_no_latent_is_ever_missing(world):
    """Only what is measured can be missing; what is true cannot."""
    for name, value in fields_of(lives(world, 5)[0]):
        if value.is_floating_point() and not name.startswith("scene."):
            assert not value.isnan().any(), name


def test_a_step_changes_no_state_but_its_own(world):
    """The state that was handed in is the same afterwards."""
    sim = Simulator(world, hosts=32, seed=1)
    before = {name: value.clone() for name, value in fields_of(sim.state)}
    old = sim.state
    draw = torch.Generator().manual_seed(0)
    for _ in range(5):
        sim.step(torch.randint(0, world.actions, (32,), generator=draw))
    for name, value in fields_of(old):
        assert torch.equal(value.nan_to_num(-9), before[name].nan_to_num(-9)), name


@pytest.mark.parametrize(
    ("fault", "repair"),
    [("service_stop", "service_start"), ("disk_fill", "disk_reclaim_log_space"), ("cpu_runaway", "process_stop")],
)
def test_a_cure_ends_its_fault_after_its_time(world, broken, fault, repair):
    """The fault is there while the repair runs, and gone when it ended."""
    hosts = broken(fault)
    slot = int(hosts.state.levels.slot[0, 0])
    assert hosts.do(seconds=20).sick[0] == 1
    took = int(world.repairs.run_s[world.repair_names.index(repair)])
    outcome = hosts.do(world.action(slot, repair))
    for _ in range(took - 1):
        assert not outcome.ended[0]
        assert outcome.sick[0] == 1
        outcome = hosts.do()
    assert outcome.ended[0]
    assert (outcome.cured[0], outcome.sick[0]) == (1, 0)
    assert not outcome.in_vain[0]
    assert not outcome.harmful[0]
    assert hosts.do(seconds=60).sick[0] == 0


def test_while_a_repair_runs_or_is_verified_nothing_else_begins(world, broken):
    """One repair at a time, and calls are waited with too."""
    hosts = broken("service_stop")
    hosts.do(world.action(0, "service_start"))
    hold = int(world.repairs.hold_s[world.repair_names.index("service_start")])
    for _ in range(hold):
        refused = hosts.do(world.action(1, "service_start"))
        assert refused.refused[0]
    assert hosts.do(world.action(1, "service_start")).started[0]


def test_a_wrong_repair_looks_and_costs_time_only(world, broken):
    """A repair that finds that its cause is not there changes nothing and is not tried again."""
    hosts = broken("service_bad_config")
    wrong = world.action(0, "service_evict_port_squatter")
    outcome = hosts.do(wrong)
    assert outcome.ended[0]
    assert outcome.not_the_case[0]
    assert not outcome.in_vain[0]
    assert not outcome.touched_healthy[0]
    assert hosts.do(wrong).refused[0]
    outcome = hosts.do(world.action(0, "service_roll_back_config"))
    assert outcome.cured[0] == 1


def test_an_in_vain_repair_waits_for_its_verification(world, broken):
    """It takes as long as nobody knows that it did not help."""
    hosts = broken("service_bad_config")
    outcome = hosts.do(world.action(0, "service_start"))
    within = int(world.repairs.within_s[world.repair_names.index("service_start")])
    assert outcome.in_vain[0]
    assert outcome.seconds[0] == 1 + within
    assert not outcome.harmful[0]
    assert hosts.do(world.action(0, "service_roll_back_config")).refused[0]
    hosts.do(seconds=within - 1)
    assert hosts.do(world.action(0, "service_roll_back_config")).started[0]


def test_restarting_what_is_fine_is_harm(world, broken):
    """A healthy entity that is touched with a risk is harmed; touched without, it is only touched."""
    hosts = broken("service_stop")
    outcome = hosts.do(world.action(1, "service_kill_and_restart"))
    assert outcome.touched_healthy[0]
    assert outcome.harmful[0]
    calm = broken("service_stop").do(world.action(1, "service_start"))
    assert calm.touched_healthy[0]
    assert not calm.harmful[0]


def test_a_decoy_that_is_killed_was_fine(world, broken):
    """A batch job that is stopped is gone, and that was harm."""
    hosts = broken("batch_job")
    slot = world.layout.first("process")
    assert hosts.do(seconds=5).sick[0] == 0
    outcome = hosts.do(world.action(slot, "process_stop"))
    assert outcome.touched_healthy[0]
    assert outcome.harmful[0]
    hosts.do(seconds=10)
    assert hosts.do(world.action(slot, "process_stop")).refused[0]


def test_what_was_announced_is_not_touched(world, broken):
    """A service that is stopped on purpose, with orderd told, is out of reach."""
    hosts = broken("service_stopped_on_purpose")
    assert hosts.do(world.action(0, "service_start")).refused[0]


def test_wrong_kinds_and_empty_slots_are_refused(world, broken):
    """A mount is not started, and a process that is not there is not stopped."""
    hosts = broken("service_stop")
    assert hosts.do(world.action(world.layout.first("mount"), "service_start")).refused[0]
    assert hosts.do(world.action(world.layout.first("process"), "process_stop")).refused[0]


def resting(world, quiet, unit, mount):
    """Return a place for what a unit rests on."""
    rests_on = quiet().rests_on
    rests_on[:, unit] = mount
    return rests_on


def test_a_full_disk_keeps_its_services_from_starting(world, quiet, broken):
    """Right for the service, in vain on broken ground; after the disk it is too late: it was tried."""
    mount = world.layout.first("mount")
    rests_on = resting(world, quiet, 0, mount)
    hosts = broken("disk_forgotten_scratch", "service_stop", rests_on=rests_on)
    hosts.do(seconds=15)
    assert hosts.do(world.action(0, "service_start")).in_vain[0]
    hosts.do(seconds=20)
    assert hosts.do(world.action(mount, "disk_clean_old_temp_files"), seconds=3).sick[0] == 1
    hosts.do(seconds=10)
    assert hosts.do(world.action(0, "service_start")).refused[0]
    assert hosts.do(world.escalate).escalated_rightly[0]


def test_causes_first_repairs_both(world, quiet, broken):
    """The disk first, then the service that rests on it."""
    mount = world.layout.first("mount")
    hosts = broken("disk_forgotten_scratch", "service_stop", rests_on=resting(world, quiet, 0, mount))
    hosts.do(seconds=15)
    hosts.do(world.action(mount, "disk_clean_old_temp_files"), seconds=10)
    assert hosts.do(world.action(0, "service_start")).sick[0] == 0


def test_what_lies_behind_shows_when_the_first_was_repaired(world, broken):
    """A masked service whose unit file is broken too: the second repair is right only after the first."""
    hosts = broken("service_mask", ("service_unit_file_broken", {"behind": True}))
    assert hosts.do(seconds=5).sick[0] == 2
    assert hosts.do(world.action(0, "service_restore_unit_file")).cured[0] == 0
    hosts = broken("service_mask", ("service_unit_file_broken", {"behind": True}))
    assert hosts.do(world.action(0, "service_unmask_and_start")).sick[0] == 1
    hosts.do(seconds=20)
    assert hosts.do(world.action(0, "service_restore_unit_file")).sick[0] == 0


def test_a_person_is_right_for_what_has_no_cure(world, broken):
    """An uncurable fault alone is escalated rightly; one that could have been repaired is not."""
    assert broken("clock_step").do(world.escalate).escalated_rightly[0]
    assert broken("service_stop").do(world.escalate).escalated_wrongly[0]
    assert broken("batch_job").do(world.escalate).escalated_wrongly[0]
    both = broken("clock_step", ("service_stop", {}))
    assert both.do(world.escalate).escalated_wrongly[0]
    both = broken("clock_step", ("service_stop", {}))
    both.do(world.action(0, "service_start"), seconds=5)
    assert both.do(world.escalate).escalated_rightly[0]


def test_a_person_is_right_for_what_rests_on_what_has_no_cure(world, quiet, breaking):
    """A service on a disk that no repair empties cannot be started either, whatever cures it has itself."""
    faults = load_faults(PLAYBOOKS / "faults").faults
    hopeless = {**faults, "disk_fill": msgspec.structs.replace(faults["disk_fill"], cures=())}
    poorer = compile_catalogue(hopeless, load_repairs(PLAYBOOKS / "repairs").repairs)
    rests_on = resting(world, quiet, 0, world.layout.first("mount"))
    levels = afflict(poorer, afflict(poorer, quiet(rests_on=rests_on), "disk_fill"), "service_stop", lane=1)
    assert breaking(poorer, levels).do(world.wait, world.escalate).escalated_wrongly[0]
    hosts = breaking(poorer, levels)
    assert hosts.do(seconds=15).sick[0] == 2
    assert hosts.do(world.escalate).escalated_rightly[0]


def test_stopping_is_right_only_when_all_is_well(world, broken):
    """Who says that all is in order ends the episode, rightly or not; a cut-off is something else."""
    late = broken(("service_stop", {"onset_s": 30.0})).do(world.stop)
    assert late.stopped_rightly[0]
    assert late.terminated[0]
    assert not late.truncated[0]
    assert broken("service_stop").do(world.stop).stopped_wrongly[0]


def test_the_horizon_cuts_off_and_does_not_end(world, broken):
    """Truncated and terminated are never merged."""
    hosts = broken("service_stop", horizon_s=torch.tensor([5.0]))
    outcomes = [hosts.do() for _ in range(5)]
    assert [bool(o.truncated[0]) for o in outcomes] == [False] * 4 + [True]
    assert not any(o.terminated[0] for o in outcomes)


def test_seconds_of_illness_add_up(world, broken):
    """A fault that lands at 10 and is not repaired is there in every second from then on."""
    hosts = broken(("service_stop", {"onset_s": 10.0}))
    for _ in range(20):
        hosts.do()
    assert sum(int(o.sick[0]) for o in hosts.outcomes) == 11
    assert sum(int(o.landed[0]) for o in hosts.outcomes) == 1


def test_decoys_end_by_themselves(world, broken):
    """A decoy lasts as long as its contract says, and nothing is wrong meanwhile."""
    hosts = broken(("backup_job", {"ends_s": 9.0}))
    hosts.do(seconds=5)
    assert hosts.state.lanes.front[0, 0]
    hosts.do(seconds=5)
    assert not hosts.state.lanes.front[0, 0]
    assert not hosts.ever("sick")


def test_old_attempts_make_room(world, broken):
    """More attempts than are remembered are no error; the oldest may be tried again."""
    hosts = broken("service_bad_config")
    looking = [n for n, name in enumerate(world.repair_names) if world.repairs.looks[n] and world.moves.fits[n]]
    looking = [n for n in looking if not world.faults.cures[world.fault_names.index("service_bad_config"), n]]
    looking = [slot * world.no_repair + repair for slot in (0, 1) for repair in looking]
    assert len(looking) > ATTEMPTS
    for repair in looking[: ATTEMPTS + 1]:
        hosts.do(repair)
        hosts.do(seconds=8)
    assert hosts.do(looking[0]).started[0]


def test_a_reset_begins_a_new_episode_there_and_only_there(world):
    """Other hosts live on."""
    sim = Simulator(world, hosts=16, seed=2)
    for _ in range(9):
        sim.step(torch.full((16,), world.wait))
    done = torch.zeros(16, dtype=torch.bool)
    done[3] = True
    before = sim.state.levels.seed.clone()
    sim.reset(done)
    assert sim.state.at_s.tolist() == [0.0 if n == 3 else 9.0 for n in range(16)]
    assert (sim.state.levels.seed != before).tolist() == done.tolist()


def test_an_old_level_can_be_played_again(world):
    """The same level is the same host with the same troubles, whatever the generator did meanwhile."""
    sim = Simulator(world, hosts=8, seed=2)
    kept = replace(sim.state.levels)
    kept = kept.take(torch.arange(8))
    first = sim.observe()
    for _ in range(9):
        sim.step(torch.full((8,), world.wait))
    sim.begin(torch.arange(8), kept)
    again = sim.observe()
    assert torch.equal(first.rows.nan_to_num(-9), again.rows.nan_to_num(-9))
    assert (kept.onset_s < NEVER_S).any()

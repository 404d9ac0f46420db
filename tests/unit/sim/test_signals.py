"""Windows of simulated hosts: what orderd's own rules make of them, and that they hang together."""

import pytest
import torch

from orderd.diagnosis import by_rules
from orderd.domain.faults import Failure
from orderd.domain.signals import ENTITY_INDEX, ENTITY_SIGNALS, HOST_INDEX, SLOT_AGES_S
from ordertrainer.sim import Simulator, begin, candidates, observe, step
from ordertrainer.sim.catalogue import FAILURE_CLASSES
from ordertrainer.sim.policies import expert
from ordertrainer.sim.truth import truth
from ordertrainer.sim.windows import window_of

NAMED = [failure for failure in Failure if failure not in {Failure.OK, Failure.UNKNOWN}]


def named(world, hosts, host=0):
    """Return what orderd's rules say of a host now: failure by slot."""
    seen = observe(world, hosts.state)
    slots = {world.layout.entity(slot): slot for slot in range(world.layout.slots)}
    window = window_of(seen, host, world.layout, float(hosts.state.at_s[host]))
    return {slots[diagnosis.entity]: diagnosis.failure for diagnosis in by_rules(window)}


def of_class(world, failure):
    """Return the faults of a failure class."""
    row = FAILURE_CLASSES.index(failure)
    return [name for n, name in enumerate(world.fault_names) if world.faults.failure[n] == row]


@pytest.mark.parametrize("failure", NAMED)
def test_orderds_rules_name_every_failure_class(world, broken, failure):
    """What the simulator shows of a class is what the daemon calls by that name, on the entity on which it happens, alone."""
    faults = of_class(world, failure)
    if not faults:
        pytest.skip("no fault of this class in the catalogue")
    found = {}
    for fault in faults:
        hosts = broken((fault, {"intensity": 0.9}))
        hosts.do(seconds=30)
        found[fault] = named(world, hosts)
        assert set(found[fault]) <= {int(hosts.state.levels.slot[0, 0])}, found[fault]
    assert [failure] in [list(names.values()) for names in found.values()], found


def test_most_faults_are_called_by_their_class(world, broken):
    """Beyond one of each class: nine in ten of all faults that have a class and can be seen are called by it."""
    faults = [name for failure in NAMED for name in of_class(world, failure)]
    right = {}
    for fault in faults:
        hosts = broken((fault, {"intensity": 0.9}))
        hosts.do(seconds=30)
        right[fault] = FAILURE_CLASSES[world.faults.failure[world.fault_names.index(fault)]] in named(world, hosts).values()
    assert sum(right.values()) >= 0.9 * len(faults), [fault for fault, is_right in right.items() if not is_right]


def test_decoys_are_not_called_failures(world, broken):
    """What looks broken and is fine is left alone by the rules, unless it was announced: then the guard keeps hands off."""
    for row, fault in enumerate(world.fault_names):
        if not world.faults.decoy[row] or world.faults.held[row]:
            continue
        for seconds in (1, 4, 8, 16):
            hosts = broken(fault, count=8)
            hosts.do(seconds=seconds)
            assert [named(world, hosts, host) for host in range(8)] == [{}] * 8, (fault, seconds)


def test_quiet_hosts_are_called_healthy(world, quiet, broken):
    """No rule fires on hosts on which nothing happens, noisy and flaky ones included."""
    hosts = broken(count=64, noise=torch.full((64,), 2.0), flaky=torch.full((64,), 0.01))
    for _ in range(5):
        hosts.do(seconds=7)
        assert [named(world, hosts, host) for host in range(64)] == [{}] * 64


def test_the_same_second_looks_the_same_in_every_window(world):
    """What was the newest slot is, some seconds later, an older one, to the bit; whatever was done meanwhile."""
    sim, draw = Simulator(world, hosts=96, seed=7), torch.Generator().manual_seed(1)
    history = []
    for _ in range(70):
        seen = sim.observe()
        history.append(seen)
        for slot, age in enumerate(int(age) for age in SLOT_AGES_S):
            if age < len(history):
                before = history[-1 - age]
                assert torch.equal(seen.host[:, slot].nan_to_num(-9), before.host[:, 0].nan_to_num(-9)), age
                assert torch.equal(seen.rows[:, :, slot].nan_to_num(-9), before.rows[:, :, 0].nan_to_num(-9)), age
        # Calls end episodes, and a repair seldom is enough: nobody forgets attempts here.
        waits = torch.rand(96, generator=draw) < 0.95
        sim.step(torch.where(waits, world.wait, torch.randint(0, world.wait, (96,), generator=draw)))


def test_layout_is_that_of_the_data_sets(world):
    """Shapes, types and missing values are what the networks take."""
    sim = Simulator(world, hosts=32, seed=0)
    for _ in range(30):
        sim.step(torch.full((32,), world.wait))
    seen = sim.observe()
    slots = world.layout.slots
    assert seen.host.shape == (32, len(SLOT_AGES_S), len(HOST_INDEX))
    assert seen.rows.shape == (32, slots, len(SLOT_AGES_S), len(ENTITY_SIGNALS))
    assert (seen.kind.dtype, seen.present.dtype) == (torch.int64, torch.bool)
    assert seen.rows[~seen.present][:, 0].isnan().all()
    carried = world.carried.expand(32, -1, -1)
    assert seen.rows[:, :, 0][~carried].isnan().all()
    assert (~seen.rows[:, :, 0].isnan()).sum() > 32 * 40


def test_ratios_are_ratios(world):
    """Nothing that is a share leaves 0 to 1, whatever is added up."""
    sim = Simulator(world, hosts=256, seed=1)
    for _ in range(40):
        sim.step(torch.full((256,), world.wait))
    seen = sim.observe()
    for index, values in ((ENTITY_INDEX, seen.rows), (HOST_INDEX, seen.host)):
        for name, column in index.items():
            if name.endswith("_ratio"):
                measured = values[..., column][~values[..., column].isnan()]
                assert ((measured >= 0) & (measured <= 1)).all(), name


@pytest.mark.parametrize(
    ("fault", "signal"),
    [
        ("disk_fill", "mount_used_ratio"),
        ("memory_leak", "process_memory_ratio"),
        ("cpu_runaway", "process_cpu_user_cores"),
        ("service_slow_answers", "probe_latency_s"),
        ("clock_step", "clock_step_s"),
    ],
)
def test_more_intensity_shows_more(world, broken, fault, signal):
    """A stronger fault is never weaker to see."""
    shown = []
    for intensity in (0.0, 0.25, 0.5, 0.75, 1.0):
        hosts = broken((fault, {"intensity": intensity}), cores=torch.tensor([8.0]), noise=torch.tensor([0.0]))
        hosts.do(seconds=1)
        slot = int(hosts.state.levels.slot[0, 0])
        shown.append(float(observe(world, hosts.state).rows[0, slot, 0, ENTITY_INDEX[signal]]))
    assert shown == sorted(shown)
    assert shown[-1] > shown[0]


def test_what_fills_up_fills_faster_on_a_small_disk(world, broken):
    """Pace is the host's; a step of the clock has none."""
    used = []
    for pace in (0.5, 2.0):
        hosts = broken("disk_fill", pace=torch.tensor([pace]))
        hosts.do(seconds=1)
        used.append(float(observe(world, hosts.state).rows[0, world.layout.first("mount"), 0, ENTITY_INDEX["mount_used_ratio"]]))
    assert used[1] > used[0]


def test_a_read_only_disk_hides_that_it_is_full(world, broken):
    """Masking: of two faults of one mount, the first is seen; the second when the first was repaired."""
    hosts = broken("disk_read_only_remount", ("disk_forgotten_scratch", {"behind": True}))
    mount = world.layout.first("mount")
    hosts.do(seconds=20)
    assert named(world, hosts) == {mount: Failure.MOUNT_READ_ONLY}
    hosts.do(world.action(mount, "mount_remount_read_write"), seconds=30)
    assert named(world, hosts) == {mount: Failure.DISK_FULL}


def test_what_rests_on_a_broken_thing_looks_broken(world, quiet, broken):
    """A healthy service on a full disk fails its probes: the trap for who repairs symptoms."""
    rests_on = quiet().rests_on
    rests_on[:, 0] = world.layout.first("mount")
    # A service with a probe: which one has none is the host's own.
    seed = next(
        s for s in range(50) if not observe(world, broken(seed=s).state).rows[0, 0, 0, ENTITY_INDEX["probe_ok_ratio"]].isnan()
    )
    hosts = broken("disk_forgotten_scratch", seed=seed, rests_on=rests_on)
    hosts.do(seconds=30)
    assert named(world, hosts)[0] is Failure.SERVICE_HUNG
    assert hosts.outcomes[-1].sick[0] == 1


def test_a_dead_name_server_breaks_names(world, quiet, broken):
    """The unit is down, and name resolution fails for it."""
    rests_on = quiet().rests_on
    resolver = world.layout.first("resolver")
    rests_on[:, resolver] = world.layout.resolver_unit
    hosts = broken("dns_server_down", rests_on=rests_on)
    hosts.do(seconds=10)
    assert named(world, hosts) == {
        world.layout.resolver_unit: Failure.SERVICE_DOWN,
        resolver: Failure.DNS_BROKEN,
    }


def test_lookalikes_show_the_same_and_want_another_cure(world, broken):
    """A wrong configuration and a file that is gone: one look, two cures; only trying tells."""
    seen, cures = [], []
    for fault in ("service_bad_config", "service_file_removed"):
        hosts = broken(fault)
        hosts.do(seconds=10)
        seen.append(observe(world, hosts.state).rows.nan_to_num(-9))
        cures.append(world.faults.cures[world.fault_names.index(fault)])
    assert torch.equal(*seen)
    assert not (cures[0] & cures[1]).any()


def test_what_a_process_takes_its_host_lacks(world, broken):
    """Cores of a runaway are the host's, and memory of a leak too."""
    calm, busy, leaking = broken(seed=3), broken("cpu_runaway", seed=3), broken("memory_leak", seed=3)
    for hosts in (calm, busy, leaking):
        hosts.do(seconds=20)
    host = [observe(world, hosts.state).host[0, 0] for hosts in (calm, busy, leaking)]
    user, memory = HOST_INDEX["cpu_user_ratio"], HOST_INDEX["memory_used_ratio"]
    assert host[1][user] > host[0][user] + 0.3
    assert host[2][memory] > host[0][memory] + 0.1


def test_what_is_repaired_looks_healthy_again(world, broken):
    """After the cure the newest slot is fine, while older slots still show what was."""
    hosts = broken("service_stop")
    hosts.do(seconds=20)
    hosts.do(world.action(0, "service_start"), seconds=4)
    row = observe(world, hosts.state).rows[0, 0]
    assert row[0, ENTITY_INDEX["unit_active_ratio"]] == 1
    assert row[0, ENTITY_INDEX["unit_active_s"]] == 3
    assert row[4, ENTITY_INDEX["unit_active_ratio"]] == 0


def test_a_stopped_runaway_is_gone(world, broken):
    """A process that was ended is no entity any more; before it began it was none either."""
    slot = world.layout.first("process")
    hosts = broken(("cpu_runaway", {"onset_s": 3.0}))
    assert not observe(world, hosts.state).present[0, slot]
    hosts.do(seconds=10)
    seen = observe(world, hosts.state)
    assert seen.present[0, slot]
    assert seen.rows[0, slot, 0, ENTITY_INDEX["process_age_s"]] == 7
    assert seen.rows[0, slot, 5].isnan().all()
    hosts.do(world.action(slot, "process_stop"), seconds=3)
    assert not observe(world, hosts.state).present[0, slot]


def test_a_young_orderd_has_no_past(world, quiet, broken):
    """Slots from before it began to measure are missing."""
    hosts = broken(seen_from_s=torch.tensor([-3.0]))
    seen = observe(world, hosts.state)
    assert not seen.host[0, 0].isnan().all()
    assert seen.host[0, 3:].isnan().all()
    assert seen.rows[0, :, 3:].isnan().all()


def test_only_the_newest_slot_is_the_newest_slot(world):
    """Rendering one slot gives what rendering all gives for it."""
    sim = Simulator(world, hosts=64, seed=3)
    for _ in range(25):
        sim.step(torch.full((64,), world.wait))
    whole, newest = sim.observe(), observe(world, sim.state, (0.0,))
    assert torch.equal(whole.rows[:, :, :1].nan_to_num(-9), newest.rows.nan_to_num(-9))
    assert torch.equal(whole.host[:, :1].nan_to_num(-9), newest.host.nan_to_num(-9))
    assert torch.equal(whole.present, newest.present)


def test_hosts_differ(world):
    """Noise and levels are each host's own."""
    sim = Simulator(world, hosts=16, seed=3)
    host = sim.observe().host[:, 0, HOST_INDEX["memory_used_ratio"]]
    assert len(set(host.tolist())) == 16


def test_everything_lives_on_the_device_of_the_state(world):
    """No tensor is made on the CPU on the way: what mixes devices fails on the device without data, as it would on a GPU."""
    sim = Simulator(world, hosts=4, seed=0)
    there, state = world.to("meta"), sim.state.to("meta")
    actions = torch.zeros(4, dtype=torch.int64, device="meta")
    state, outcome = step(there, state, actions)
    seen = observe(there, state)
    may = candidates.usable(there, state, seen)
    made = (
        outcome.sick,
        begin(there, state.levels).scene.base,
        candidates.outcomes(there, state),
        truth(there, state, seen).failure,
        expert(there, state, may),
    )
    assert all(tensor.device.type == "meta" for tensor in made)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_takes_the_same_path(world):
    """The same levels give the same lives and, but for rounding, the same windows."""
    cpu = Simulator(world, hosts=64, seed=0)
    gpu = Simulator(world, hosts=64, seed=0, device="cuda")
    gpu.begin(torch.arange(64, device="cuda"), cpu.state.levels.to("cuda"))
    draw = torch.Generator().manual_seed(0)
    for _ in range(60):
        actions = torch.randint(0, world.wait, (64,), generator=draw)
        one, other = cpu.step(actions), gpu.step(actions.cuda())
        assert torch.equal(one.sick, other.sick.cpu())
        assert torch.equal(one.harmful, other.harmful.cpu())
    assert torch.allclose(cpu.observe().rows.nan_to_num(-9), gpu.observe().rows.cpu().nan_to_num(-9), atol=1e-4)

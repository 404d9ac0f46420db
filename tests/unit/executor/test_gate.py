"""The executor's gate: targets, rate, memory, and what becomes of a request."""

from pathlib import Path

import msgspec
import pytest

from orderd.catalogue import manifest
from orderd.config import Config, MountConfig, ServiceConfig
from orderd.config.schema import DecisionConfig, DnsProbe, ExecutorConfig, HttpProbe, PostgresProbe, TcpProbe
from orderd.domain.faults import EntityKind
from orderd.domain.values import Mode as DecisionMode
from orderd.executor import targets
from orderd.executor.admission import Admission, Playbooks, listener
from orderd.executor.ledger import Ledger
from orderd.executor.messages import REQUESTS, TEXT_MAX, Code, Mode, RepairRequest, cut
from orderd.executor.processes import parse_identity
from orderd.executor.rig import Rig
from orderd.executor.targets import HostView, Refusal

VIEW = HostView(units=frozenset({"nginx.service"}), mounts=frozenset({"/srv"}))
STAT = "42 (a) b ((c)) S 1 42 42 0 -1 {flags} 0 0 0 0 0 0 0 0 20 0 1 0 777 0 0"


class Clock:
    """A monotonic clock moved by hand."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def gate(tmp_path, clock):
    """A gate with one repair of the resolver."""
    rig = Rig(root=tmp_path)
    rig.add_repair("mend", "- hosts: localhost\n", deadline_s=7)
    return _gate(rig, clock, DecisionMode.AUTO)


def _gate(rig: Rig, clock: Clock, mode: DecisionMode) -> Admission:
    config = Config(
        services=(ServiceConfig(unit="nginx.service"),),
        mounts=(MountConfig(path="/srv"),),
        decision=DecisionConfig(mode=mode),
        executor=ExecutorConfig(repairs_per_minute=2, repairs_dir=str(rig.repairs)),
    )
    playbooks = _playbooks(rig, manifest.write(rig.repairs))
    ledger = Ledger(rig.root / "ledger.json", per_minute=2, monotonic=clock)
    return Admission(config, playbooks, ledger)


def _playbooks(rig: Rig, file: Path) -> Playbooks:
    return Playbooks.load(ExecutorConfig(repairs_dir=str(rig.repairs), manifest=str(file), signed=False), 0.0)


def _request(**changes) -> RepairRequest:
    wanted = {"repair_id": "r1", "playbook": "mend", "target": "resolver:system", "deadline_s": 60.0, "mode": Mode.APPLY}
    return RepairRequest(**(wanted | changes))


def _code(gate: Admission, **changes) -> Code:
    with pytest.raises(Refusal) as refused:
        gate.admit(_request(**changes))
    return refused.value.code


def test_an_admitted_request_becomes_a_job_with_the_shorter_deadline(gate):
    """The contract's deadline is the longest there is; the files are those of the manifest."""
    admitted = gate.admit(_request())
    assert admitted.deadline_s == 7
    assert admitted.job.playbook == "mend/repair.yml"
    assert set(admitted.job.files) == {"mend/repair.yml", "mend/contract.yml"}
    assert admitted.job.variables["orderd_target"] == "system"


@pytest.mark.parametrize(
    ("probe", "where"),
    [
        (HttpProbe(url="http://127.0.0.1/healthz"), "tcp 127.0.0.1:80"),
        (HttpProbe(url="http://localhost:8080/"), "tcp localhost:8080"),
        (TcpProbe(address="[::1]:6379"), "tcp [::1]:6379"),
        (PostgresProbe(), "tcp 127.0.0.1:5432"),
        (DnsProbe(address="127.0.0.53:53", name="a.test"), "udp 127.0.0.53:53"),
    ],
)
def test_a_playbook_is_told_where_its_service_has_to_answer(probe, where):
    """By root's own configuration of the probe, whatever orderd says."""
    assert listener(probe) == where


def test_the_rate_is_bounded_and_comes_back_with_time(gate, clock):
    """A bucket of two, refilled at two a minute."""
    gate.admit(_request(repair_id="a"))
    gate.admit(_request(repair_id="b"))
    assert _code(gate, repair_id="c") is Code.RATE_LIMITED
    clock.now_s += 31
    gate.admit(_request(repair_id="c"))


def test_a_refused_request_takes_no_token(gate):
    """Asking for what is not allowed does not use up what is."""
    for number in range(10):
        assert _code(gate, repair_id=f"n{number}", target="unit:ssh.service") is Code.TARGET_NOT_ALLOWED
    gate.admit(_request())


def test_check_and_apply_of_one_id_both_run_once(gate):
    """A dry run does not use up the id of the repair."""
    gate.admit(_request(mode=Mode.CHECK))
    gate.admit(_request())
    assert _code(gate) is Code.ALREADY_RUN


def test_a_host_that_only_observes_admits_checks_only(tmp_path, clock):
    """While every mode is observe nothing may be touched, whatever orderd asks for."""
    rig = Rig(root=tmp_path)
    rig.add_repair("mend", "- hosts: localhost\n")
    gate = _gate(rig, clock, DecisionMode.OBSERVE)
    assert _code(gate) is Code.NOT_ARMED
    gate.admit(_request(mode=Mode.CHECK))


def test_a_contract_changed_after_the_manifest_is_refused_by_name(tmp_path, clock):
    """A longer deadline cannot be written into a contract behind the manifest's back."""
    rig = Rig(root=tmp_path)
    rig.add_repair("mend", "- hosts: localhost\n")
    file = manifest.write(rig.repairs)
    contract = rig.repairs / "mend" / "contract.yml"
    contract.write_text(contract.read_text().replace("deadline_s: 10.0", "deadline_s: 300"))
    playbooks = _playbooks(rig, file)
    assert "differs from the manifest" in playbooks.refused["mend"]
    gate = Admission(Config(), playbooks, Ledger(tmp_path / "ledger.json", per_minute=1, monotonic=clock))
    assert _code(gate) is Code.PLAYBOOK_REFUSED


def test_a_ledger_outlives_its_executor(tmp_path, clock):
    """Leaving and coming back forgets neither the rate nor the ids."""
    file = tmp_path / "ledger.json"
    Ledger(file, per_minute=1, monotonic=clock).record("r1/apply")
    later = Ledger(file, per_minute=1, monotonic=clock)
    assert later.has_run("r1/apply")
    assert not later.allows()


@pytest.mark.parametrize("content", ["", "{", '{"tokens": "many", "at_s": 0, "seen": []}'])
def test_a_broken_ledger_allows_one_repair(tmp_path, clock, content):
    """Damage neither opens the gate wide nor closes it for good."""
    file = tmp_path / "ledger.json"
    file.write_text(content)
    ledger = Ledger(file, per_minute=100, monotonic=clock)
    ledger.record("r1/apply")
    assert not ledger.allows()


def test_a_ledger_that_cannot_be_written_stops_the_repair(tmp_path, clock):
    """What cannot be remembered does not start."""
    rig = Rig(root=tmp_path / "rig")
    rig.add_repair("mend", "- hosts: localhost\n")
    (tmp_path / "file").write_text("")
    playbooks = _playbooks(rig, manifest.write(rig.repairs))
    ledger = Ledger(tmp_path / "file" / "ledger.json", per_minute=1, monotonic=clock)
    gate = Admission(Config(decision=DecisionConfig(mode=DecisionMode.AUTO)), playbooks, ledger)
    assert _code(gate) is Code.NOT_RECORDED


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("unit:nginx.service", EntityKind.UNIT),
        ("mount:/srv", EntityKind.MOUNT),
        ("resolver:system", EntityKind.RESOLVER),
    ],
)
def test_declared_targets_are_allowed(target, kind):
    """What the configuration declares may be repaired."""
    assert str(VIEW.check(target, kind)) == target


@pytest.mark.parametrize(
    "target",
    [
        "unit:ssh.service",
        "unit:nginx.service\n",
        "unit:{{ lookup('pipe', 'id') }}.service",
        "unit:$(id).service",
        "unit:nginx.service; reboot",
        "unit:-H.service",
        "unit:../nginx.service",
        "unit:",
        "nginx.service",
        "mount:/",
        "mount:/srv/../etc",
        "mount:/srv",
        "unit:\u202enginx.service",
        "unit:" + "a" * 300 + ".service",
        "planet:mars",
    ],
)
def test_other_targets_are_refused(target):
    """Undeclared names, other kinds and hostile names never become a target of a unit repair."""
    with pytest.raises(Refusal) as refused:
        VIEW.check(target, EntityKind.UNIT)
    assert refused.value.code is Code.TARGET_NOT_ALLOWED


def test_a_link_is_a_target_while_there_is_one_of_that_name(monkeypatch, tmp_path):
    """Names are read from what the kernel counts; the loopback is nobody's to repair."""
    table = tmp_path / "dev"
    table.write_text("Inter-|   Receive\n face |bytes\n    lo: 1 2\n  eth0: 3 4\nbond0.7:5 6\n")
    monkeypatch.setattr(targets, "_LINKS", table)
    for name in ("eth0", "bond0.7"):
        assert VIEW.check(f"nic:{name}", EntityKind.NIC).key == name
    for name in ("eth1", "lo"):
        with pytest.raises(Refusal) as refused:
            VIEW.check(f"nic:{name}", EntityKind.NIC)
        assert refused.value.code is Code.TARGET_GONE


def test_a_process_is_itself_only_with_its_start_time():
    """A pid with another start time is another process, which has gone."""
    own = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
    pid = Path("/proc/self").resolve().name
    with pytest.raises(Refusal) as refused:
        VIEW.check(f"process:{pid}:{int(own) + 1}", EntityKind.PROCESS)
    assert refused.value.code is Code.TARGET_GONE


def test_a_process_name_cannot_forge_its_identity():
    """Brackets and spaces in a name do not move the fields after it."""
    identity = parse_identity(42, STAT.format(flags=0), "0::/system.slice/nginx.service\n")
    assert (identity.start_ticks, identity.kernel_thread) == (777, False)
    assert identity.units == ("system.slice", "nginx.service")
    assert parse_identity(42, STAT.format(flags=0x00200000), "").kernel_thread


@pytest.mark.parametrize(
    "change",
    [
        {"repair_id": "../x"},
        {"repair_id": "a" * 49},
        {"repair_id": ""},
        {"playbook": "../mend"},
        {"playbook": "Mend"},
        {"deadline_s": 0},
        {"deadline_s": 1e9},
        {"mode": "force"},
        {"target": "x" * 301},
        {"extra": 1},
        {"type": "shell"},
    ],
)
def test_a_request_of_another_shape_is_no_request(change):
    """Types, ranges and patterns are checked before anything looks at the values."""
    raw = msgspec.to_builtins(_request()) | change
    with pytest.raises(msgspec.ValidationError):
        REQUESTS.decode(msgspec.json.encode(raw))


def test_cut_keeps_the_end_and_leaves_nothing_that_controls_a_terminal():
    """Messages are bounded, one line, valid text."""
    text = cut("a" * 1000 + "\x1b[31m\nend\udcff")
    assert len(text) == TEXT_MAX
    assert text.isprintable()
    assert text.endswith(" [31m end?")


def test_without_a_manifest_every_repair_is_refused_by_name(tmp_path):
    """The executor answers and says what is missing; it runs nothing it has no hash of."""
    rig = Rig(root=tmp_path)
    rig.add_repair("mend", "- hosts: localhost\n")
    playbooks = _playbooks(rig, tmp_path / "none.json")
    assert playbooks.repairs == {}
    assert "none.json: cannot be read" in playbooks.refused["mend"]

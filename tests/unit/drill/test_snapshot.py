import os
import time

import msgspec
import pytest

from ordertrainer.drill import snapshot_program
from ordertrainer.drill.snapshot import Snapshot, Unit, residue, touched

REPLACE = msgspec.structs.replace
NGINX = Unit(ActiveState="active", LoadState="loaded", InvocationID="a", MainPID="10", Type="forking")
REDIS = Unit(ActiveState="active", LoadState="loaded", InvocationID="b", MainPID="11", Type="notify")
BEFORE = Snapshot(
    units={"nginx.service": NGINX, "redis-server.service": REDIS},
    etc={"/etc/resolv.conf": "1"},
    mounts=["/ overlay rw"],
    processes=[("10:1", "nginx", "nginx.service")],
    nft="",
    big_files={},
    run_units={},
)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"etc": {"/etc/resolv.conf": "2"}}, "/etc/resolv.conf changed"),
        ({"etc": {"/etc/resolv.conf": "1", "/etc/x": "1"}}, "/etc/x appeared"),
        ({"etc": {}}, "/etc/resolv.conf is gone"),
        ({"mounts": ["/ overlay rw", "/mnt tmpfs rw"]}, "mount /mnt tmpfs rw appeared"),
        ({"nft": "table inet x"}, "the nftables rules changed"),
        ({"big_files": {"/tmp/fill": 9 << 20}}, "file /tmp/fill of 9437184 bytes appeared"),
        ({"run_units": {"/run/systemd/system/x.service": "1"}}, "/run/systemd/system/x.service appeared"),
        (
            {"processes": [*BEFORE.processes, ("99:5", "python3", "metrics-agent.service")]},
            "1 more process 'python3' in metrics-agent.service",
        ),
        ({"units": BEFORE.units | {"bad.service": Unit(ActiveState="failed")}}, "unit bad.service is failed"),
        ({"units": BEFORE.units | {"late.timer": Unit(ActiveState="active", Transient="yes")}}, "unit late.timer runs now"),
        ({"units": BEFORE.units | {"nginx.service": REPLACE(NGINX, LoadState="masked")}}, "unit nginx.service is masked"),
        (
            {"units": BEFORE.units | {"nginx.service": REPLACE(NGINX, ActiveState="inactive")}},
            "unit nginx.service does not run any more",
        ),
    ],
)
def test_every_kind_of_leftover_is_found(change, words):
    """A changed file, a mount, rules, a big file, a process, a unit: each is named as residue."""
    assert residue(BEFORE, REPLACE(BEFORE, **change)) == [words]


def test_same_host_has_no_residue():
    """An unchanged inventory leaves nothing to say."""
    assert residue(BEFORE, BEFORE) == []


def test_what_only_passes_through_is_no_residue():
    """SSH sessions, their mounts and scopes, and orderd's own socket-activated executor come and go."""
    passing = REPLACE(
        BEFORE,
        mounts=[*BEFORE.mounts, "/run/user/0 tmpfs rw"],
        big_files={"/dev/shm/PostgreSQL.42": 9 << 20},
        things={"limits": {"user@0.service": "MemoryMax=1"}},
        processes=[*BEFORE.processes, ("50:1", "sshd", "session-3.scope"), ("51:1", "python", "orderd-exec.service")],
        units=BEFORE.units | {"session-3.scope": Unit(ActiveState="active"), "orderd-exec.service": Unit(ActiveState="active")},
    )
    before = REPLACE(BEFORE, things={"limits": {"user@0.service": "MemoryMax=2"}})
    assert residue(before, passing) == []


def test_restart_of_a_bystander_is_seen():
    """Another invocation of the same service is a restart, and a stopped one is stopped."""
    after = REPLACE(
        BEFORE, units={"nginx.service": NGINX, "redis-server.service": REPLACE(REDIS, InvocationID="c", MainPID="12")}
    )
    assert touched(BEFORE, after, {"nginx.service"}) == ["redis-server.service was restarted"]
    gone = REPLACE(BEFORE, units={"nginx.service": NGINX})
    assert touched(BEFORE, gone, set()) == ["redis-server.service was stopped"]


def test_target_itself_may_be_restarted():
    """What was broken on purpose is not counted as touched."""
    after = REPLACE(BEFORE, units=BEFORE.units | {"nginx.service": REPLACE(NGINX, InvocationID="z")})
    assert touched(BEFORE, after, {"nginx.service"}) == []


def test_whoever_takes_an_inventory_leaves_no_trace_of_having_read(tmp_path):
    """When a file was last read decides whether a repair may remove it."""
    path = tmp_path / "scratch"
    path.write_bytes(b"x")
    os.utime(path, (time.time() - 5 * 86400,) * 2)
    before = path.stat().st_atime_ns
    assert snapshot_program.tree(str(tmp_path), 1)[str(path)] == snapshot_program.digest(str(path), 10)
    assert path.stat().st_atime_ns == before
    path.write_bytes(b"y")
    assert snapshot_program.digest(str(path), 10) != snapshot_program.digest(str(tmp_path / "none"), 10)


def test_what_is_made_while_a_service_starts_is_not_looked_at(tmp_path):
    """Folders for private devices and the like are gone a moment later."""
    for name in ("namespace-dev-x1", "systemd-private-x2", "kept"):
        (tmp_path / name).mkdir()
    assert list(snapshot_program.tree(str(tmp_path), 1)) == [str(tmp_path / "kept")]


def test_a_mount_that_does_not_answer_is_told_and_not_entered(tmp_path, monkeypatch):
    """Whoever took an inventory would hang there; everything else is looked at all the same."""
    hung, fine = tmp_path / "hung", tmp_path / "fine"
    for mount in (hung, fine):
        mount.mkdir()
        (mount / "file").write_bytes(bytes((1 << 20) + 1))
    listdir = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: time.sleep(60) if str(path) == str(hung) else listdir(path))
    monkeypatch.setattr(snapshot_program, "SILENT_S", 0.2)
    silent = snapshot_program.silent([str(hung), str(fine)])
    assert silent == {str(hung)}
    found = snapshot_program.tree(str(tmp_path), 3, silent)
    assert found[str(hung)] == "does not answer"
    assert set(found) == {str(hung), str(fine), str(fine / "file")}
    assert set(snapshot_program.big_files(str(tmp_path), but=silent)) == {str(fine / "file")}

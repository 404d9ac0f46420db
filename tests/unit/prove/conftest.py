"""A small catalogue on disk, and inventories to compare."""

from types import SimpleNamespace

import msgspec
import pytest

from ordertrainer.drill.snapshot import Snapshot, Unit
from ordertrainer.prove.plan import Shelf

FAULT = """\
name: {name}
summary: Only for tests.
group: {group}
failure: service_down
target: unit
targets: [nginx.service, redis-server.service]
intensity: {{unit: none, min: 0, max: 0}}
landed: [{{see: main_process_gone, unit: "{{target}}"}}]
landed_within_s: {landed_within_s}
revert: [{{undo: unit, unit: "{{target}}"}}]
ttl_s_max: 60
needs: {needs}
cures: {cures}
"""
REPAIR = """\
name: {name}
summary: Only for tests.
repairs: [service_down]
target: unit
preconditions: []
touches: ["unit {{target}}"]
risk: none
deadline_s: 10
cooldown_s: 0
verify: {{healthy: [{{signal: unit_active_ratio, op: ge, value: 0.5}}], hold_s: 1, within_s: 5}}
undo: "none: only for tests"
idempotent: {idempotent}
blast_radius: unit
"""


class Folder:
    """The playbooks of a test."""

    def __init__(self, root):
        self.root = root
        (root / "faults" / "common" / "host").mkdir(parents=True)
        (root / "repairs").mkdir()
        (root / "faults" / "common" / "host" / "needs.py").write_text("CHECKS = {'orderctl': None, 'swap': None}\n")

    def fault(self, name, cures=(), needs=(), group="service", landed_within_s=5):
        folder = self.root / "faults" / name
        folder.mkdir()
        values = {"name": name, "group": group, "landed_within_s": landed_within_s}
        text = FAULT.format(cures=list(cures), needs=list(needs), **values)
        (folder / "contract.yml").write_text(text)
        for playbook in ("inject.yml", "landed.yml", "revert.yml"):
            (folder / playbook).write_text("[]\n")
        return folder

    def repair(self, name, *, idempotent=True):
        folder = self.root / "repairs" / name
        folder.mkdir()
        (folder / "contract.yml").write_text(REPAIR.format(name=name, idempotent=str(idempotent).lower()))
        (folder / "repair.yml").write_text("[]\n")
        return folder

    @property
    def shelf(self):
        return Shelf.load(self.root)


@pytest.fixture
def folder(tmp_path):
    """Two faults and two repairs; the first fault has both as cures."""
    made = Folder(tmp_path / "playbooks")
    made.repair("start")
    made.repair("restart", idempotent=False)
    made.fault("stop", cures=["start", "restart"])
    made.fault("kill", cures=["start"])
    return made


NGINX = Unit(ActiveState="active", LoadState="loaded", InvocationID="a", MainPID="10", Type="forking")
CLEAN = Snapshot(
    units={"nginx.service": NGINX, "cron.service": msgspec.structs.replace(NGINX, InvocationID="c", MainPID="12")},
    etc={"/etc/resolv.conf": "good"},
    mounts=["/ overlay rw"],
    processes=[],
    nft="",
    big_files={},
    run_units={},
    things={"sysctl": {"net.ipv4.ip_forward": "0"}, "file": {}},
)


@pytest.fixture
def clean():
    """The inventory of a host that is in order."""
    return CLEAN


@pytest.fixture
def changed():
    """A function that returns an inventory with some units, files of /etc or things replaced."""

    def change(snapshot=CLEAN, *, etc=None, things=None, mounts=None, **units):
        return msgspec.structs.replace(
            snapshot,
            units=snapshot.units | {f"{name}.service": unit for name, unit in units.items()},
            etc=snapshot.etc if etc is None else etc,
            things=snapshot.things if things is None else snapshot.things | things,
            mounts=snapshot.mounts if mounts is None else mounts,
        )

    return change


@pytest.fixture
def nginx():
    """The target: `down` when it is stopped, `started` when somebody has started it again."""
    return SimpleNamespace(
        down=msgspec.structs.replace(NGINX, ActiveState="inactive", MainPID="0"),
        started=msgspec.structs.replace(NGINX, InvocationID="b", MainPID="20"),
    )

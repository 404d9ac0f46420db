"""A disposable host: a copy-on-write clone of this machine, booted with its own systemd, gone without a trace afterwards.

Touches: mounts, cgroups, a veth, systemd-nspawn, lxcfs; everything is entered in the host's ledger before it is acquired.
Needs root.

The clone's root is an overlay: a tmpfs above, the drill image in the middle, the machine's `/` below. Measured on two
cores: about three seconds from `up` to services that answer.
"""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from ordertrainer.ground import access, capabilities, image, network, shared, volume
from ordertrainer.ground.cgroups import CloneGroups, Limits, hierarchies
from ordertrainer.ground.errors import BootError, GroundError
from ordertrainer.ground.hosts import free_index
from ordertrainer.ground.ledger import Ledger, Record, this_process
from ordertrainer.ground.paths import LEDGER, Ground
from ordertrainer.ground.residue import of_host
from ordertrainer.ground.shell import run
from ordertrainer.ground.signals import held_back
from ordertrainer.ground.undo import undo

TOP_BYTES_MAX = 4 << 30
MEMORY_BYTES = 2 << 30
CPU_RATIO = 1.5
BOOT_TIMEOUT_S = 60.0
BOOT_POLL_S = 0.02
NSPAWN_END_S = 10.0
UNDO_TRIES = 20
UNDO_PAUSE_S = 0.1
LXCFS_FILES = ("cpuinfo", "diskstats", "loadavg", "meminfo", "stat", "swaps", "uptime")
PRESSURE_FILES = ("cpu", "io", "memory")
TMP = "size=256M,mode=1777"  # without a bound it would be a share of the machine's memory, more than the clone may use
FUSE = Path("/dev/fuse")
BOOTED = ("running", "degraded")


def _silent(_line: str) -> None:
    """Take a line of progress and say nothing."""


@dataclass(slots=True, kw_only=True)
class DisposableHost:
    """A running clone. `up` makes one; leaving its `with` block, or `down`, removes it."""

    ground: Ground
    ledger: Ledger
    limits: Limits
    nspawn: subprocess.Popen[bytes] | None = None

    @classmethod
    def up(
        cls,
        name: str | None = None,
        *,
        index: int | None = None,
        memory_bytes: int = MEMORY_BYTES,
        cpu_ratio: float = CPU_RATIO,
        keep: bool = False,
        ground: Ground | None = None,
        say: Callable[[str], None] = _silent,
    ) -> Self:
        """Boot a clone of this machine and return it when its services are up.

        Whatever interrupts this, an exception or a signal that raises one, everything acquired so far is given back.

        Args:
            name: of the host; drawn when None.
            index: 1 to 250, gives the address 10.99.INDEX.2; the lowest free one when None.
            memory_bytes: memory of the clone, its writable files included.
            cpu_ratio: CPUs of the clone, in cores.
            keep: True lets the host outlive this process; somebody has to take it down.
            ground: the directories to use.
            say: is called with one line per step.

        Raises:
            GroundError: something is missing, taken or failed; nothing is left behind.
        """
        ground = ground or Ground()
        layer = image.ensure(ground, say)
        name, token = name or f"drill-{secrets.token_hex(4)}", secrets.token_hex(8)
        record = Record(name=name, token=token, owner=None if keep else this_process())
        host: Self | None = None
        try:
            ledger = _open(ground, record, index)
            host = cls(ground=ground, ledger=ledger, limits=Limits(memory_bytes=memory_bytes, cpu_ratio=cpu_ratio))
            if not keep:
                _OURS[record.token] = host
            host._acquire(layer, say)
        except BaseException:
            with held_back():
                if host:
                    host._collect()
                _give_up(ground, record)
                _OURS.pop(record.token, None)
            raise
        return host

    @classmethod
    def find(cls, name: str, ground: Ground | None = None) -> Self:
        """Return a host that is up, made by whatever process.

        Raises:
            GroundError: there is no host of that name.
        """
        ground = ground or Ground()
        try:
            ledger = Ledger.load(ground.host_dir(name) / LEDGER)
        except FileNotFoundError as absent:
            raise GroundError(f"no host {name!r} is up; `ordertrainer host list` shows those that are") from absent
        return cls(ground=ground, ledger=ledger, limits=Limits(memory_bytes=MEMORY_BYTES, cpu_ratio=CPU_RATIO))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.down()

    @property
    def name(self) -> str:
        """Return the host's name: its hostname, its alias for SSH, its name in the inventory."""
        return self.ledger.record.name

    @property
    def index(self) -> int:
        """Return its number, 1 to 250."""
        return self.ledger.record.index

    @property
    def address(self) -> str:
        """Return its address on the cable to this machine."""
        return network.inside_address(self.index)

    @property
    def gateway(self) -> str:
        """Return this machine's address on the cable; the clone reaches the trainer there."""
        return network.outside_address(self.index)

    @property
    def init_pid(self) -> int:
        """Return the pid, on this machine, of the clone's systemd; 0 until it runs."""
        return self.ledger.record.init_pid

    @property
    def machine_id(self) -> str:
        """Return the clone's own machine id, 32 hex digits."""
        return self.ledger.record.machine_id

    @property
    def directory(self) -> Path:
        """Return its runtime directory."""
        return self.ground.host_dir(self.name)

    @property
    def root(self) -> Path:
        """Return the clone's root as mounted outside; `/run`, `/tmp`, `/proc` and `/srv/data` of the clone are not in it."""
        return self.directory / "ground" / "root"

    @property
    def proc_root(self) -> Path:
        """Return the clone's root as its own processes see it."""
        return Path(f"/proc/{self.init_pid}/root")

    @property
    def ssh_config(self) -> Path:
        """Return the configuration for `ssh -F`; the host's alias is its name."""
        return self.directory / "ssh_config"

    @property
    def inventory(self) -> Path:
        """Return the Ansible inventory that holds this host."""
        return self.directory / "inventory.yml"

    @property
    def console(self) -> Path:
        """Return the file that holds what the clone wrote to its console."""
        return self.directory / "console.log"

    @property
    def data_file(self) -> Path:
        """Return the file that holds what is on the clone's data disk."""
        return self.directory / "ground" / "data.ext4"

    @property
    def groups(self) -> CloneGroups:
        """Return its control groups; `groups.directory("memory")` is where the memory is accounted."""
        return CloneGroups(name=self.name)

    def exec(
        self, argv: Sequence[str], *, timeout_s: float = 30.0, stdin: str | None = None, check: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Run a program inside the clone, as root, in its namespaces, accounted to it and with its capabilities.

        The clock is not in a namespace: with this machine's capabilities `date -s` in there would set it out here.

        Raises:
            CommandError: it ran past `timeout_s`, or failed and `check` is set.
        """
        enter = ["nsenter", "-t", str(self.init_pid), "-m", "-u", "-i", "-n", "-p", "-C"]
        command = self.groups.guest_command([*enter, *capabilities.as_of(self.init_pid), *argv])
        return run(command, timeout_s=timeout_s, stdin=stdin, check=check)

    def down(self) -> None:
        """Remove the host and everything that was acquired for it. Doing it twice is harmless."""
        with held_back():
            self._collect()
            take_down(self.ground, self.name)
            _OURS.pop(self.ledger.record.token, None)

    def power_cycle(self) -> None:
        """Pull the plug and boot again: every process dies at once, /run and /tmp are lost, the disks stay as they are.

        Raises:
            GroundError: it did not come up again; `down` still removes everything.
        """
        with held_back():
            self._collect()
            for kind, value in (
                ("processes", self.name),
                ("ssh", str(self.directory)),
                ("link", network.outside_name(self.index)),
                ("cgroups", self.name),
            ):
                undo(kind, value)
        self._boot()

    def _collect(self) -> None:
        """End our own child first: one that has not joined its control groups yet would join them after they were emptied."""
        if self.nspawn:
            self.nspawn.kill()
            self.nspawn.wait(timeout=NSPAWN_END_S)

    def _acquire(self, layer: Path, say: Callable[[str], None]) -> None:
        say(f"host {self.name}: mounting")
        self._mount(layer)
        self._become_someone()
        self._keep_own_view()
        self._prepare_data()
        access.grant(self.directory, self.root, self.name, self.address)
        say(f"host {self.name}: booting")
        self._boot()
        say(f"host {self.name}: up at {self.address}")

    def _boot(self) -> None:
        self._start()
        self._await_init()
        self._show_own_pressure()
        self.ledger.enter("link", network.outside_name(self.index))
        network.connect(self.index, self.init_pid)
        self.ledger.enter("ssh", str(self.directory))
        self._await_boot()
        network.assert_no_way_out(self.init_pid)  # again: by now it has laid its second cable
        self.groups.limit_payload(self.limits)

    def _mount(self, layer: Path) -> None:
        top = self.directory / "ground"
        top.mkdir()
        self.ledger.enter("mount", str(top))
        run(["mount", "-t", "tmpfs", "-o", f"size={TOP_BYTES_MAX},mode=755", "tmpfs", str(top)])
        run(["mount", "--make-private", str(top)])
        for directory in ("layer", "upper", "work", "root"):
            (top / directory).mkdir()
        run(["mount", "-o", "loop,ro", str(layer), str(top / "layer")])
        lower = f"{top / 'layer' / 'upper'}:/"
        options = f"nodev,lowerdir={lower},upperdir={top / 'upper'},workdir={top / 'work'}"
        run(["mount", "-t", "overlay", "overlay", "-o", options, str(top / "root")])

    def _become_someone(self) -> None:
        """Give the clone a name and an id of its own."""
        self.ledger.record.machine_id = uuid.uuid4().hex
        self.ledger.save()
        hosts = f"127.0.0.1 localhost\n127.0.1.1 {self.name}\n{self.address} {self.name}\n::1 localhost\n"
        texts = {"machine-id": f"{self.machine_id}\n", "hostname": f"{self.name}\n", "hosts": hosts}
        for file, text in texts.items():
            (self.root / "etc" / file).unlink(missing_ok=True)
            (self.root / "etc" / file).write_text(text, encoding="ascii")

    def _keep_own_view(self) -> None:
        """Let orderd see the clone's own /proc too: a unit that protects kernel tunables gets a fresh one, the machine's."""
        own = " ".join(f"{shared.LXCFS_DIR}/proc/{file}:/proc/{file}" for file in LXCFS_FILES)
        drop_in = self.root / "etc/systemd/system/orderd.service.d/50-clone.conf"
        drop_in.parent.mkdir(parents=True, exist_ok=True)
        drop_in.write_text(f"[Service]\nBindReadOnlyPaths={own}\n", encoding="ascii")

    def _prepare_data(self) -> None:
        """Give the clone a disk of its own for /srv/data, so that filling it is a full disk and nothing else."""
        volume.make(self.data_file, self.root)
        self.ledger.enter("loop", str(self.data_file))
        volume.tell(self.root, volume.attach(self.data_file))

    def _start(self) -> None:
        self.ledger.enter("cgroups", self.name)
        self.groups.create(self.limits)
        disk = volume.device(self.data_file)
        self.groups.permit_devices([volume.number(disk)])
        self.ledger.enter("processes", self.name)
        # A signal between the fork and the assignment would leave a zombie that keeps its control group from being removed.
        with self.console.open("wb") as console, held_back():
            self.nspawn = subprocess.Popen(
                self.groups.command(self.limits, _nspawn(self.root, self.name, disk)),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                env=os.environ | {"SYSTEMD_NSPAWN_TMPFS_TMP": "0"},  # one /tmp, ours, not another below it
                start_new_session=True,  # Ctrl-C in the terminal is for us, not for the clone
            )

    def _await_init(self) -> None:
        for _ in self._polls():
            for pid in self.groups.processes():
                if _is_init(pid):
                    self.ledger.record.init_pid = pid
                    self.ledger.save()
                    return

    def _await_boot(self) -> None:
        for _ in self._polls():
            if self.exec(["systemctl", "is-system-running"]).stdout.strip() in BOOTED:
                return

    def _polls(self) -> Iterator[None]:
        """Yield until the boot's time is up; raise when it is, or when the clone has ended."""
        deadline, ended = time.monotonic() + BOOT_TIMEOUT_S, None
        while ended is None and time.monotonic() < deadline:
            yield
            time.sleep(BOOT_POLL_S)
            ended = self.nspawn.poll() if self.nspawn else None
        state = f"did not boot within {BOOT_TIMEOUT_S:g} s" if ended is None else f"ended with {ended}"
        console = self.console.read_text(encoding="utf-8", errors="replace")[-2000:]
        raise BootError(f"host {self.name} {state}; the end of its console:\n{console}")

    def _show_own_pressure(self) -> None:
        """Let /proc/pressure show the clone's own pressure, which the kernel keeps per unified group."""
        enter = ["nsenter", "-t", str(self.init_pid), "-m"]
        unified = next(h.mount for h in hierarchies() if h.unified)
        for name in PRESSURE_FILES:
            if Path(f"/proc/pressure/{name}").exists():
                run([*enter, "mount", "--bind", str(unified / f"{name}.pressure"), f"/proc/pressure/{name}"])


_OURS: dict[str, DisposableHost] = {}
"""By token, the hosts that this process has to take down.

A signal between the end of `up` and the beginning of the `with` block that would take the host down makes it nobody's.
"""


@atexit.register
def _take_down_ours() -> None:
    for host in list(_OURS.values()):
        if host.ledger.record.owner == this_process():  # and not a fork of it
            host.down()


def take_down(ground: Ground, name: str) -> None:
    """Undo everything in a host's ledger, newest first, then forget the host; give back what no host needs any more.

    It is played until nothing is left: a `mount` the owner had started when it was killed may end after our `umount`.
    Once the directory is gone nothing can be acquired in it any more.

    Raises:
        GroundError: something is still there after `UNDO_TRIES`; the ledger is kept, so that it can be tried again.
    """
    directory = ground.host_dir(name)
    try:
        record = Ledger.load(directory / LEDGER).record
    except FileNotFoundError:
        return
    left: list[str] = []
    for _ in range(UNDO_TRIES):
        for entry in reversed(record.entries):
            undo(entry.kind, entry.value)
        left = of_host(ground, name, record.index)
        if all(line.startswith("directory ") for line in left) and _forget(directory):
            break
        time.sleep(UNDO_PAUSE_S)
    else:
        raise GroundError(f"host {name}: could not remove {'; '.join(left)}; try `ordertrainer host down {name}` again")
    with shared.locked(ground):
        shared.release(ground)


def _forget(directory: Path) -> bool:
    """Remove a host's directory, its ledger last; return False when something in it is in use after all."""
    try:
        for path in directory.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != LEDGER:
                path.unlink()
        (directory / LEDGER).unlink()
        directory.rmdir()
    except OSError:
        return False
    return True


def _open(ground: Ground, record: Record, index: int | None) -> Ledger:
    """Reserve the name and an index, and acquire what all hosts share.

    The ledger is written before the directory gets its name, so that a host's directory is never without one.
    """
    directory, draft = ground.host_dir(record.name), ground.draft_dir(record.token)
    with shared.locked(ground):
        record.index = free_index(ground, wanted=index)
        draft.mkdir(parents=True, mode=0o700)
        Ledger(draft / LEDGER, record).save()
        try:
            draft.rename(directory)
        except OSError as taken:
            raise GroundError(f"a host {record.name!r} is up already; take it down or choose another name") from taken
        shared.acquire(ground)
    return Ledger(directory / LEDGER, record)


def _give_up(ground: Ground, record: Record) -> None:
    """Take down what there is of a host that did not come up; never another one that holds its name."""
    shutil.rmtree(ground.draft_dir(record.token), ignore_errors=True)
    token = ""
    with suppress(FileNotFoundError):
        token = Ledger.load(ground.host_dir(record.name) / LEDGER).record.token
    if token == record.token:
        take_down(ground, record.name)


def _nspawn(root: Path, name: str, disk: str) -> list[str]:
    binds = [f"--bind-ro={shared.LXCFS_DIR}"]  # sources under /proc are looked up inside, so the whole of it comes first
    binds += [f"--bind-ro={shared.LXCFS_DIR}/proc/{file}:/proc/{file}" for file in LXCFS_FILES]
    binds += [f"--bind={device}" for device in (disk, str(FUSE)) if Path(device).exists()]
    binds += [f"--tmpfs=/tmp:{TMP}"]
    return [
        *("systemd-nspawn", "--quiet", "--boot", f"--directory={root}", f"--machine={name}"),
        *("--register=no", "--keep-unit", "--settings=no", "--private-network", "--console=pipe"),
        *("--resolv-conf=off", "--timezone=off", "--link-journal=no"),
        "--drop-capability=CAP_MKNOD",  # or root in the clone could make a node for the machine's disk
        *binds,
    ]


def _is_init(pid: int) -> bool:
    """Return True when `pid` is 1 in a PID namespace directly below ours and already runs systemd."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
        program = Path(f"/proc/{pid}/exe").readlink()
    except OSError:
        return False
    pids = next((line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:")), [])
    return pids[1:] == ["1"] and program.name == "systemd"

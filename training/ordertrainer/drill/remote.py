"""Hosts of an inventory: somebody's real ones, reached over SSH, broken only where their owner's marker allows it.

Touches: ssh, ansible-inventory; a directory of its own for sockets and inventories of single hosts.

Nobody can enter a namespace there, so the instruments go in over SSH: the prober's program runs on the host, the watcher hears
orderd through a forwarded unix socket, and the witness is on the host as everywhere. What cannot be seen is that a service
answers its own host and nobody else.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from ordertrainer.drill.errors import DrillError
from ordertrainer.ground import GroundError
from ordertrainer.ground.shell import run

MARKER: Final = "/etc/orderd/chaos-allowed"
SOCKET: Final = "/run/orderd/orderd.sock"
READ_TIMEOUT_S: Final = 60.0
TUNNEL_TIMEOUT_S: Final = 15.0
CLOCK_READINGS: Final = 5
POLL_S: Final = 0.05
CONSENT: Final = f"""
if [ -e {MARKER} ]; then echo marked; fi
systemd-detect-virt --container || :
[ ! -S {SOCKET} ] || echo orderd
"""
CLOCK: Final = ["/usr/bin/python3", "-c", "import time; print(time.monotonic_ns())"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteHost:
    """One host of an inventory.

    Attributes:
        name: in the inventory.
        ssh: the command that reaches it, without the program to run there.
        root: what makes a program run as root there; empty for who is root already.
        directory: for its own inventory and sockets.
    """

    name: str
    ssh: tuple[str, ...]
    root: tuple[str, ...]
    directory: Path

    @property
    def inventory(self) -> Path:
        """Return an inventory that holds this host alone."""
        return self.directory / "inventory.yml"

    def command(self, argv: Sequence[str]) -> list[str]:
        """Return the command of this machine that runs a program there."""
        return [*self.ssh, shlex.join([*self.root, *argv])]

    def exec(
        self, argv: Sequence[str], *, timeout_s: float = 30.0, stdin: str | None = None, check: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Run a program there as root and return what it said.

        Raises:
            CommandError: it ran past `timeout_s`, or failed and `check` is set.
        """
        return run(self.command(argv), timeout_s=timeout_s, stdin=stdin, check=check)

    def clock_offset_ns(self) -> int:
        """Return its CLOCK_MONOTONIC minus this machine's, from the reading that took least time."""
        readings = []
        for _ in range(CLOCK_READINGS):
            before = time.monotonic_ns()
            there = int(self.exec(CLOCK, check=True).stdout)
            after = time.monotonic_ns()
            readings.append((after - before, there - (before + after) // 2))
        return min(readings)[1]

    @contextmanager
    def tunnel(self) -> Iterator[str]:
        """Yield the address of orderd's public socket, forwarded over SSH.

        Raises:
            DrillError: it could not be forwarded.
        """
        near = self.directory / "orderd.sock"
        own = ["-o", "ControlPath=none", "-o", "ExitOnForwardFailure=yes", "-o", "StreamLocalBindUnlink=yes"]
        argv = [self.ssh[0], *own, "-N", "-L", f"{near}:{SOCKET}", *self.ssh[1:]]
        with subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
        ) as forwarding:
            try:
                deadline = time.monotonic() + TUNNEL_TIMEOUT_S
                while not near.exists():
                    if forwarding.poll() is not None or time.monotonic() > deadline:
                        forwarding.kill()
                        words = forwarding.stderr.read().decode(errors="replace") if forwarding.stderr else ""
                        raise DrillError(f"{self.name}: orderd's socket could not be forwarded: {words.strip()[-300:]}")
                    time.sleep(POLL_S)
                yield f"unix:{near}"
            finally:
                forwarding.kill()


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """What a host said when it was asked: may it be broken, why not, and does orderd run there."""

    allowed: bool
    why: str = ""
    orderd: bool = False


def leave(host: RemoteHost) -> Leave:
    """Ask a host whether its owner has allowed faults at all; which ones, it says for itself when one is armed."""
    try:
        said = host.exec(["/bin/sh", "-uc", CONSENT], check=True).stdout.split()
    except GroundError as error:
        return Leave(allowed=False, why=f"cannot be reached: {' '.join(str(error).split())[-200:]}")
    if "marked" not in said and "systemd-nspawn" not in said:
        return Leave(allowed=False, why=f"its owner has not left {MARKER}")
    return Leave(allowed=True, orderd="orderd" in said)


def hosts_of(inventory: Path, directory: Path) -> list[RemoteHost]:
    """Read an inventory.

    Args:
        inventory: any that Ansible can read.
        directory: a folder a host is made here.

    Raises:
        DrillError: Ansible cannot read it, or it holds no host.
    """
    program = Path(sys.executable).with_name("ansible-inventory")
    done = subprocess.run(
        [str(program), "-i", str(inventory), "--list"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=READ_TIMEOUT_S, check=False,
    )  # fmt: skip
    try:
        variables = msgspec.json.decode(done.stdout)["_meta"]["hostvars"] if done.returncode == 0 else {}
    except (msgspec.DecodeError, KeyError) as error:
        raise DrillError(f"{inventory}: ansible-inventory answered what is no inventory") from error
    if not variables:
        raise DrillError(f"{inventory}: holds no host that Ansible can read: {done.stderr.strip()[-300:]}")
    return [_host(name, own, directory / f"{number}") for number, (name, own) in enumerate(sorted(variables.items()))]


def _host(name: str, variables: dict[str, Any], directory: Path) -> RemoteHost:
    directory.mkdir(parents=True, mode=0o700)
    (directory / "inventory.yml").write_text(json.dumps({"all": {"hosts": {name: variables}}}), encoding="utf-8")
    user = str(variables.get("ansible_user", variables.get("ansible_ssh_user", "")))
    return RemoteHost(
        name=name,
        ssh=tuple(_ssh(name, variables, user, directory)),
        root=() if user == "root" else ("sudo", "-n"),
        directory=directory,
    )


def _ssh(name: str, variables: dict[str, Any], user: str, directory: Path) -> list[str]:
    """Return the command Ansible would use, with a connection of our own that is kept open."""
    words = [variables.get(f"ansible_ssh_{key}_args", "") for key in ("common", "extra")]
    mine = ["-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=5", "-o", "ControlMaster=auto"]
    mine += ["-o", f"ControlPath={directory}/ssh", "-o", "ControlPersist=60s"]
    port = variables.get("ansible_port", variables.get("ansible_ssh_port"))
    key = variables.get("ansible_ssh_private_key_file", variables.get("ansible_private_key_file"))
    options = [*(["-p", str(port)] if port else []), *(["-i", str(key)] if key else []), *(["-l", user] if user else [])]
    given = [word for text in words for word in shlex.split(str(text))]
    return ["ssh", *mine, *given, *options, str(variables.get("ansible_host", name))]

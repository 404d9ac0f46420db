"""A real executor and a real zygote on sockets of their own, for tests and benches. Starts two processes; touches one folder.

Outside systemd there are no scopes: repairs run in a process group, which a hostile playbook could leave. Never for production.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from orderd.catalogue import manifest
from orderd.executor.client import ExecutorClient

READY_WITHIN_S: Final = 20.0
_EMPTY_WITHIN_S: Final = 3.0
_CONTRACT: Final = """\
name: {name}
summary: Only for tests.
repairs: [dns_broken]
target: resolver
preconditions: []
touches: ["file /srv/rig/**"]
risk: none
deadline_s: {deadline_s}
cooldown_s: 0
verify: {{healthy: [{{signal: probe_ok_ratio, op: ge, value: 1}}], hold_s: 1, within_s: 2}}
undo: "none: only for tests"
idempotent: true
blast_radius: host
"""


@dataclass(slots=True, kw_only=True)
class Rig:
    """An executor, a zygote and a catalogue under one folder; a context manager.

    Attributes:
        root: where everything lies.
        config: text of an orderd.toml, without the paths, which are added.
        executor_config: keys of its [executor] table, without the paths.
        idle_s: when the executor leaves; 0: never.
        processes: the zygote and the executor, in that order, while it runs.
    """

    root: Path
    config: str = '[decision]\nmode = "auto"\n'
    executor_config: str = "repairs_per_minute = 600\n"
    idle_s: float = 0.0
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def repairs(self) -> Path:
        """Folder of the rig's own catalogue."""
        return self.root / "repairs"

    @property
    def work_dir(self) -> Path:
        """Parent of all workspaces."""
        return self.root / "work"

    @property
    def client(self) -> ExecutorClient:
        """A client of the rig's executor."""
        return ExecutorClient(str(self.root / "exec.sock"))

    def add_repair(self, name: str, playbook: str, *, deadline_s: float = 10.0) -> None:
        """Write a repair on the resolver, which needs nothing declared."""
        folder = self.repairs / name
        folder.mkdir(parents=True)
        (folder / "repair.yml").write_text(playbook, encoding="utf-8")
        (folder / "contract.yml").write_text(_CONTRACT.format(name=name, deadline_s=deadline_s), encoding="utf-8")

    def __enter__(self) -> Self:
        """Start both programs and wait until they listen."""
        self.repairs.mkdir(parents=True, exist_ok=True)
        manifest.write(self.repairs)
        (self.root / "orderd.toml").write_text(self._toml(), encoding="utf-8")
        self._start("orderd.executor.zygote", "zygote.sock")
        self._start_executor()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Let the zygote remove the last workspace, then stop both programs."""
        give_up = time.monotonic() + _EMPTY_WITHIN_S
        while self.work_dir.is_dir() and any(self.work_dir.iterdir()) and time.monotonic() < give_up:
            time.sleep(0.02)
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=10)

    def restart_executor(self) -> None:
        """Start the executor again after it has left."""
        self.processes.pop().wait()
        (self.root / "exec.sock").unlink()
        self._start_executor()

    def _start_executor(self) -> None:
        self._start("orderd.executor", "exec.sock", "--no-scope", "--idle", str(self.idle_s))

    def _start(self, module: str, listens: str, *arguments: str) -> None:
        command = [sys.executable, "-m", module, "--config", str(self.root / "orderd.toml"), *arguments]
        log = (self.root / f"{module}.log").open("wb")
        with log:
            process = subprocess.Popen(command, stderr=log, stdout=log, env=_environment())
        self.processes.append(process)
        self._await(self.root / listens, process)

    def _await(self, path: Path, process: "subprocess.Popen[bytes]") -> None:
        give_up = time.monotonic() + READY_WITHIN_S
        while not _listens(path):
            if process.poll() is not None or time.monotonic() > give_up:
                logs = "\n".join(log.read_text() for log in self.root.glob("*.log"))
                raise RuntimeError(f"{path.name} does not appear; the logs say:\n{logs}")
            time.sleep(0.01)

    def _toml(self) -> str:
        paths = {
            "socket": self.root / "exec.sock",
            "zygote_socket": self.root / "zygote.sock",
            "repairs_dir": self.repairs,
            "manifest": self.repairs / manifest.MANIFEST_FILE,
            "work_dir": self.work_dir,
        }
        lines = "".join(f'{key} = "{path}"\n' for key, path in paths.items())
        return f"{self.config}\n[executor]\nsigned = false\n{self.executor_config}{lines}"


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe:
        return probe.connect_ex(str(path)) == 0


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE", "LISTEN", "NOTIFY"))}

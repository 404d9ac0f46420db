"""A running orderd-infer, and a window to ask it about; for tests. Starts processes."""

import asyncio
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from orderd.domain.clock import Instant
from orderd.domain.faults import Entity, EntityKind
from orderd.domain.signals import HOST_SIGNALS
from orderd.domain.values import EntityRow, Sample, entity_values
from orderd.domain.window import History, Window
from orderd.inference.client import InferenceClient


def window_of_three() -> Window:
    """Return a window of three entities with most signals missing."""
    keys = ((EntityKind.UNIT, "nginx.service"), (EntityKind.MOUNT, "/"), (EntityKind.CLOCK, "system"))
    rows = tuple(EntityRow(entity=Entity(kind=kind, key=key), values=entity_values()) for kind, key in keys)
    at = Instant(mono_ns=1_000_000_000, utc_ns=1)
    return History().add(Sample(at=at, cause="timer", host=(0.0,) * len(HOST_SIGNALS), entities=rows))


@dataclass
class Infer:
    """A running orderd-infer."""

    process: "subprocess.Popen[bytes]"
    socket: Path
    model_dir: Path

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it."""
        self.process.send_signal(number)

    def pss_bytes(self) -> int:
        """Return the memory that is its share."""
        rollup = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text(encoding="ascii")
        return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) * 1024


@contextmanager
def infer_starter(tmp_path: Path) -> Iterator[Callable[..., Infer]]:
    """Hand out a starter of orderd-infer; what it started is stopped at the end of the block."""
    started: list[Infer] = []

    def start(model_dir: Path, *, passed: socket.socket | None = None, extra: str = "signed = false\n") -> Infer:
        path = tmp_path / "run" / "infer.sock"
        config = tmp_path / "orderd.toml"
        text = f'[inference]\nsocket = "{path}"\nmodel_dir = "{model_dir}"\ninstalled_dir = "{tmp_path / "installed"}"\n{extra}'
        config.write_text(text, encoding="utf-8")
        command = [sys.executable, "-m", "orderd.inference", "--config", str(config)]
        process = _spawn(command, passed) if passed else subprocess.Popen(command)
        started.append(Infer(process=process, socket=path, model_dir=model_dir))
        return started[-1]

    try:
        yield start
    finally:
        for infer in started:
            infer.process.send_signal(signal.SIGCONT)
            infer.process.terminate()
            infer.process.wait(10)


_AS_SYSTEMD = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
os.execv(sys.argv[2], sys.argv[2:])
"""


def _spawn(command: list[str], passed: socket.socket) -> "subprocess.Popen[bytes]":
    """Start it the way systemd does with a socket: descriptor 3, LISTEN_PID its own."""
    launcher = [sys.executable, "-c", _AS_SYSTEMD, str(passed.fileno()), *command]
    return subprocess.Popen(launcher, pass_fds=(passed.fileno(),))


async def loaded(client: InferenceClient, timeout_s: float = 30.0) -> None:
    """Wait until a model decides."""
    deadline = time.monotonic() + timeout_s
    while not client.info.loaded:
        assert time.monotonic() < deadline, client.info.why
        await asyncio.sleep(0.02)

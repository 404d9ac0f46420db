"""Runs playbooks through ansible-runner, in a process of its own that stays warm between runs.

Touches: one child process; what it runs touches the hosts of the inventory, over SSH.

A process of its own, because ansible-runner forks (which hangs a process with gRPC in it), may leave through `sys.exit`, and
on a main thread takes SIGINT and SIGTERM for itself. The caller's process keeps its signals, whatever thread it calls from.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from ordertrainer.chaos.errors import PlaybookError

WORKER: Final = "ordertrainer.chaos.playbook_worker"
CLOSE_S: Final = 5.0


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One playbook to run.

    Attributes:
        playbook: absolute path.
        inventory: absolute path.
        work_dir: where the run's own temporary directory is made.
        variables: are given to the playbook as data: nothing in them is ever a template.
        timeout_s: it is cancelled then.
    """

    playbook: str
    inventory: str
    work_dir: str
    variables: dict[str, Any]
    timeout_s: float


class TaskResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one task said.

    Attributes:
        task: its name.
        host: inventory name.
        ok: it did not fail.
        reached: the host could be reached.
        stdout: of the command it ran, empty where it ran none.
        message: what went wrong, empty otherwise.
    """

    task: str
    host: str
    ok: bool
    reached: bool = True
    stdout: str = ""
    message: str = ""


class PlaybookResult(msgspec.Struct, frozen=True, kw_only=True):
    """How a playbook ended.

    Attributes:
        status: ansible-runner's word: successful, failed, timeout, canceled.
        tasks: in the order they ended.
        output: what ansible printed, for messages; its end only.
    """

    status: str
    tasks: tuple[TaskResult, ...] = ()
    output: str = ""

    @property
    def ok(self) -> bool:
        """Tell whether every task succeeded."""
        return self.status == "successful"

    def why(self) -> str:
        """Say in one line what went wrong."""
        wrong = [f"{t.task} on {t.host}: {t.message or t.stdout}" for t in self.tasks if not t.ok]
        return "; ".join(wrong) or f"{self.status}: {' '.join(self.output.split())[-500:]}"


@dataclass(slots=True, kw_only=True)
class Playbooks:
    """The warm process. One run at a time; callers on several threads take turns."""

    _process: subprocess.Popen[bytes] | None = None
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def run(self, request: Request) -> PlaybookResult:
        """Run one playbook and wait for its end.

        Raises:
            PlaybookError: the process that runs it died.
        """
        with self._turn:
            process = self._running()
            try:
                return self._ask(process, request)
            except BaseException:  # Ctrl-C too: an answer that nobody waits for must not be read as the next one's
                self._stop()
                raise

    def close(self) -> None:
        """End the process; whatever it runs is cancelled."""
        with self._turn:
            self._stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._stop()
            self._process = subprocess.Popen(
                [sys.executable, "-m", WORKER],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=_environment(),
                start_new_session=True,  # Ctrl-C in the terminal is for the caller, who decides what to cancel
            )
        return self._process

    def _ask(self, process: subprocess.Popen[bytes], request: Request) -> PlaybookResult:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(msgspec.json.encode(request) + b"\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except OSError as error:
            raise PlaybookError(f"{request.playbook}: the process that runs playbooks is gone ({error})") from error
        if not answer:
            raise PlaybookError(f"{request.playbook}: the process that runs playbooks ended with {process.wait()}")
        return msgspec.json.decode(answer, type=PlaybookResult)

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(CLOSE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:  # what was left to write has no reader any more
                    continue


def _environment() -> dict[str, str]:
    """Return the environment with the programs of this very Python first, also when the venv was not activated."""
    own = str(Path(sys.executable).parent)
    return os.environ | {"PATH": f"{own}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}

"""The zygote's loop: accept a job, fork, reap, remove workspaces. Touches sockets, processes, mounts.

Single-threaded and without asyncio: a forked child must find no lock held and no loop running.
"""

import os
import select
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import Final, NoReturn

import msgspec

from orderd.executor.messages import JOBS, MESSAGE_BYTES_MAX, Job
from orderd.executor.sockets import peer_uid
from orderd.executor.zygote import repair_process, workspace

_JOB_WITHIN_S: Final = 2.0
_SWEEP_S: Final = 0.25


def _only_wake(_number: int, _frame: object) -> None:
    """Handle SIGCHLD by doing nothing: only a signal with a handler writes to the wake-up descriptor."""


class Zygote:
    """Forks one repair process per job and cleans up after each."""

    def __init__(self, listener: socket.socket, work_dir: Path) -> None:
        """Take over a listening socket; workspaces an earlier zygote left behind are removed first.

        Args:
            listener: a root-only SEQPACKET socket.
            work_dir: parent of all workspaces.
        """
        self._listener = listener
        self._work_dir = work_dir
        self._workspace_of: dict[int, Path] = {}
        self._leftover = set(work_dir.iterdir()) if work_dir.is_dir() else set()
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._stopping = False

    def serve(self) -> None:
        """Serve until told to stop by SIGTERM; running repairs stay in their scopes."""
        signal.set_wakeup_fd(self._wake_write)
        signal.signal(signal.SIGCHLD, _only_wake)
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        poll.register(self._wake_read, select.POLLIN)
        while not self._stopping:
            ready = {descriptor for descriptor, _event in poll.poll(_SWEEP_S * 1000 if self._leftover else None)}
            if self._wake_read in ready:
                os.read(self._wake_read, 4096)
            self._reap()
            self._sweep()
            if self._listener.fileno() in ready and not self._stopping:
                self._accept()

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _accept(self) -> None:
        connection, _address = self._listener.accept()
        with connection:
            if peer_uid(connection) not in {0, os.geteuid()}:
                return
            connection.settimeout(_JOB_WITHIN_S)
            try:
                datagram = connection.recv(MESSAGE_BYTES_MAX)
                if not datagram:
                    return  # somebody only asked whether we listen
                job = JOBS.decode(datagram)
            except (OSError, msgspec.DecodeError) as error:
                sys.stderr.write(f"job refused: {error}\n")
                return
            self._fork(connection, job)

    def _fork(self, connection: socket.socket, job: Job) -> None:
        pid = os.fork()
        if pid == 0:
            self._become_repair(connection, job)
        self._workspace_of[pid] = Path(job.work_dir) / job.job_id

    def _become_repair(self, connection: socket.socket, job: Job) -> NoReturn:
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            self._listener.close()
            os.close(self._wake_read)
            os.close(self._wake_write)
            repair_process.run(connection, job)
            status = 0
        except BaseException:  # noqa: BLE001  nothing may escape into the zygote's loop, which this process was forked from
            traceback.print_exc()
        finally:
            os._exit(status)

    def _reap(self) -> None:
        while self._workspace_of:
            pid, _status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            finished = self._workspace_of.pop(pid, None)
            if finished is not None:
                self._leftover.add(finished)

    def _sweep(self) -> None:
        """Remove the workspaces of repairs that are over; those with a process still inside are tried again later."""
        self._leftover = {path for path in self._leftover if not workspace.remove(path)}

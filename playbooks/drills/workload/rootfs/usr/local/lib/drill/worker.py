"""Moves lines from a queue file to a done file, and says over TCP whether it still can.

Touches: DIRECTORY/{queue,done,heartbeat,worker.log}, TCP port 7070. Standard library only: it runs on the clone's own Python.

One thread on purpose: a stopped, starved or blocked worker cannot answer, so its probe cannot lie. Every heartbeat appends
a whole block: overwriting or replacing the last one would go on working on a full disk, in the blocks it gave back.
"""

from __future__ import annotations

import os
import selectors
import socket
import sys
import time
from pathlib import Path

PORT = 7070
POLL_S = 0.02
HEARTBEAT_S = 0.2
RETRY_S = 0.5
AGE_MAX_S = 1.0
BATCH_BYTES_MAX = 1 << 20
REQUEST_BYTES_MAX = 64
LOG_BYTES_MAX = 1 << 20
HEARTBEATS_MAX = 4096


class Worker:
    """The queue's state: how far it was read, how many lines were done, when writing last worked."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.offset, self.done = self._checkpoint()
        self.written_at = time.monotonic()
        self.retry_at = 0.0
        self.heartbeat_at = 0.0
        self.log(f"started at byte {self.offset}, {self.done} done")

    def _checkpoint(self) -> tuple[int, int]:
        try:
            offset, done = (self.directory / "heartbeat").read_bytes().splitlines()[-1].split()
            return int(offset), int(done)
        except (OSError, ValueError, IndexError):
            return 0, 0

    def step(self) -> None:
        """Do what is due; after a failed write, nothing for RETRY_S."""
        now = time.monotonic()
        if now < self.retry_at:
            return
        try:
            moved = self._move()
            if moved or now - self.heartbeat_at >= HEARTBEAT_S:
                self._beat()
        except OSError as error:
            self.retry_at = now + RETRY_S
            self.log(f"cannot write: {error}")

    def _move(self) -> bool:
        lines = self._read()
        if not lines:
            return False
        self._append(lines)
        self.offset += len(lines)
        self.done += lines.count(b"\n")
        return True

    def _read(self) -> bytes:
        try:
            with (self.directory / "queue").open("rb") as queue:
                if os.fstat(queue.fileno()).st_size < self.offset:
                    self.log("the queue was truncated: starting over")
                    self.offset = 0
                queue.seek(self.offset)
                chunk = queue.read(BATCH_BYTES_MAX)
        except FileNotFoundError:
            self.offset = 0
            return b""
        return chunk[: chunk.rfind(b"\n") + 1]

    def _append(self, lines: bytes) -> None:
        """Append all of it or none of it, so that a retry after ENOSPC does not leave half a line twice."""
        with (self.directory / "done").open("ab", buffering=0) as done:
            before = done.tell()
            if done.write(lines) == len(lines):
                return
            done.truncate(before)
        raise OSError("short write to done")

    def _beat(self) -> None:
        """Append a block that says how far the queue was done; begin the file anew before it grows large."""
        block = os.statvfs(self.directory).f_bsize
        text = f"{self.offset} {self.done}\n".encode().rjust(block, b" ")
        path = self.directory / "heartbeat"
        mode = "ab" if path.exists() and path.stat().st_size < HEARTBEATS_MAX * block else "wb"
        with path.open(mode, buffering=0) as file:
            if file.write(text) != block:
                raise OSError("short write to heartbeat")
        self.heartbeat_at = self.written_at = time.monotonic()

    def answer(self, request: bytes) -> bytes:
        """Return the reply to one request line."""
        if request.strip() != b"PING":
            return b"FAIL unknown request\n"
        age_s = time.monotonic() - self.written_at
        word = "PONG" if age_s <= AGE_MAX_S else "FAIL"
        return f"{word} {self.done} {age_s:.3f}\n".encode()

    def log(self, text: str) -> None:
        """Append one line to worker.log; a full disk is not a reason to stop."""
        path = self.directory / "worker.log"
        try:
            mode = "a" if not path.exists() or path.stat().st_size < LOG_BYTES_MAX else "w"
            with path.open(mode, encoding="utf-8") as log:
                log.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {text}\n")
        except OSError:
            sys.stderr.write(f"{text}\n")


def listen() -> socket.socket:
    """Return the listening socket, on every address of the host."""
    server = socket.create_server(("0.0.0.0", PORT), backlog=64)  # noqa: S104 - the prober asks over the cable
    server.settimeout(0)
    return server


def serve(worker: Worker) -> None:
    """Alternate between the queue and the callers, for ever."""
    selector = selectors.DefaultSelector()
    server = listen()
    selector.register(server, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select(POLL_S):
            if key.fileobj is server:
                caller, _ = server.accept()
                caller.settimeout(0)
                selector.register(caller, selectors.EVENT_READ)
            else:
                reply(worker, selector, key.fileobj)
        worker.step()


def reply(worker: Worker, selector: selectors.BaseSelector, caller: socket.socket) -> None:
    """Answer what a caller sent; hang up on anything else."""
    try:
        request = caller.recv(REQUEST_BYTES_MAX)
        if request:
            caller.sendall(worker.answer(request))
            return
    except OSError as error:
        worker.log(f"caller lost: {error}")
    selector.unregister(caller)
    caller.close()


if __name__ == "__main__":
    serve(Worker(Path(sys.argv[1])))

"""The data directory: durable batches in, Parquet out. Touches the directory; for one thread, except `compact_closed`.

Order of events that makes a crash harmless: batch fsynced in a segment -> acknowledged -> segment closed -> Parquet durable ->
state.json durable -> segment removed. A crash between any two repeats the later ones.
"""

import fcntl
import os
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import msgspec

from orderd.domain.schema import schema_digest
from orderd.v1.telemetry_pb2 import PushRequest
from ordertrainer.files import sync_directory
from ordertrainer.serve.compact import compact
from ordertrainer.serve.errors import ServeError, StoreLockedError
from ordertrainer.serve.layout import Layout
from ordertrainer.serve.received import State
from ordertrainer.serve.wal import SegmentWriter, read_segment

SEGMENT_BYTES_MAX: Final = 32 << 20


class Store:
    """One data directory, open for writing by this process alone."""

    def __init__(self, root: Path, *, segment_bytes_max: int = SEGMENT_BYTES_MAX) -> None:
        """Open the directory, making it if need be, and compact what an earlier trainer left.

        Args:
            root: the directory.
            segment_bytes_max: a segment that reached this size is closed and compacted.

        Raises:
            StoreLockedError: another trainer has it open.
            ForeignSchemaError: it holds data of another list of signals.
            ServeError: it cannot be made or read.
        """
        self._layout = Layout(root=root)
        self._digest = schema_digest()
        self._segment_bytes_max = segment_bytes_max
        self._compacting = threading.Lock()
        self._writer: SegmentWriter | None = None
        with ExitStack() as undo:
            try:
                self._layout.wal.mkdir(parents=True, exist_ok=True)
                self._lock_fd = _lock(self._layout.lock)
                undo.callback(os.close, self._lock_fd)
                self._state = State.load(self._layout, self._digest)
                self._recover()
            except (OSError, msgspec.DecodeError) as error:
                msg = f"data directory {root}: {error}"
                raise ServeError(msg) from error
            undo.pop_all()

    def _recover(self) -> None:
        left = self._layout.segments()
        for path in left:
            self._replay(path)
        self._state.next_segment = max([self._state.next_segment, *(int(p.stem) + 1 for p in left)])
        self._state.save(self._layout)
        self.compact_closed()

    def _replay(self, path: Path) -> None:
        for payload in read_segment(path, self._digest):
            request = PushRequest.FromString(payload)
            self._state.note(request.host_id, request.boot_id, request.sequence)

    def has(self, request: PushRequest) -> bool:
        """Tell whether a batch is durable already."""
        return self._state.has(request.host_id, request.boot_id, request.sequence)

    def append(self, requests: Sequence[PushRequest]) -> int:
        """Make batches durable; those it already has are skipped.

        Returns:
            how many were new.

        Raises:
            OSError: the disk is full or broken; none of them was taken.
        """
        fresh: dict[tuple[str, str, int], PushRequest] = {
            (r.host_id, r.boot_id, r.sequence): r for r in requests if not self.has(r)
        }
        if not fresh:
            return 0
        self._segment().append([r.SerializeToString() for r in fresh.values()])
        for key in fresh:
            self._state.note(*key)
        return len(fresh)

    def _segment(self) -> SegmentWriter:
        if self._writer is not None and self._writer.size_bytes >= self._segment_bytes_max:
            self.rotate()
        if self._writer is None:
            # The number is spent even when making the file fails: what is left of it is an empty segment.
            number = self._state.next_segment
            self._state.next_segment += 1
            self._writer = SegmentWriter(self._layout.segment(number), self._digest)
        return self._writer

    def rotate(self) -> None:
        """Close the open segment, if there is one, so that it can be compacted."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def compact_closed(self) -> int:
        """Turn every closed segment into Parquet; may run beside `append` in another thread.

        Returns:
            how many segments that were.

        Raises:
            OSError: the disk is full or broken; the segments stay.
        """
        with self._compacting:
            # Read before the directory is listed: a segment that `append` opens meanwhile has a higher number.
            writer = self._writer
            open_number = self._state.next_segment if writer is None else writer.number
            closed = [path for path in self._layout.segments() if int(path.stem) < open_number]
            for path in closed:
                compact(self._layout, path, self._digest)
                self._state.save(self._layout)
                path.unlink()
            sync_directory(self._layout.wal)
            return len(closed)

    def close(self) -> None:
        """Compact everything and let the directory go."""
        self.rotate()
        self.compact_closed()
        os.close(self._lock_fd)


def _lock(path: Path) -> int:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(fd)
        msg = f"data directory {path.parent}: another trainer writes here; stop it or choose another directory"
        raise StoreLockedError(msg) from error
    return fd

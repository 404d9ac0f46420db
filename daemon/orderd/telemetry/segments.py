"""Batches on disk that the trainer does not have yet, oldest first, bounded in bytes. Touches one directory; for a thread.

    DIR/<number>.spool   header (magic), then records of (length, crc32, sequence, samples) and payload, appended only
    DIR/cursor           which segment, and how many of its records, the trainer has; one small write in place

A record counts when it is there whole. What a kill or a power cut leaves of one is cut off at the next start; a damaged record
hides the rest of its segment, which is skipped and said. In memory there is an index alone: eight bytes a batch.

Losing the cursor is harmless: batches are sent again and the trainer drops what it has.
"""

import fcntl
import os
import struct
import zlib
from array import array
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from orderd.errors import TelemetryError

MAGIC: Final = b"ORDSPL1\n"
_HEAD: Final = struct.Struct("<IIQI")
_CURSOR: Final = struct.Struct("<QQI")
RECORD_BYTES_MAX: Final = 16 << 20
SEGMENTS: Final = 32
"""Into how many segments the bound is divided: what is forgotten at once when it is reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One serialised PushRequest.

    Attributes:
        place: where it stands in the queue; rises, with gaps where batches were forgotten.
        sequence: its number within the run of orderd that made it, rising by one from 1.
        samples: how many samples it holds.
        packed: the compressed message.
    """

    place: int
    sequence: int
    samples: int
    packed: bytes

    def message(self) -> bytes:
        """Return the serialised PushRequest."""
        return zlib.decompress(self.packed)


@dataclass(slots=True, kw_only=True)
class _Segment:
    """The index of one file: record i has place first + i, starts at offsets[i] and holds samples[i] samples."""

    path: Path
    first: int
    size_bytes: int = len(MAGIC)
    gone: int = 0
    offsets: "array[int]" = field(default_factory=lambda: array("I"))
    samples: "array[int]" = field(default_factory=lambda: array("I"))

    @property
    def end(self) -> int:
        return self.first + len(self.offsets)

    @property
    def waiting(self) -> int:
        return sum(self.samples[self.gone :])

    def add(self, size_bytes: int, samples: int) -> None:
        self.offsets.append(self.size_bytes)
        self.samples.append(samples)
        self.size_bytes += size_bytes

    def bounds(self, place: int) -> tuple[int, int]:
        at = place - self.first
        end = self.offsets[at + 1] if at + 1 < len(self.offsets) else self.size_bytes
        return self.offsets[at], end


class Segments:
    """The queue on disk, held by this process alone."""

    def __init__(self, directory: Path, bytes_max: int) -> None:
        """Open the directory, making it if need be, and index what an earlier run left; its batches have places from 1.

        Args:
            directory: where the segments lie.
            bytes_max: most bytes of all segments together.

        Raises:
            OSError: it cannot be made or read.
            TelemetryError: another orderd has it open.
        """
        self._directory = directory
        self._bytes_max = bytes_max
        self._segment_bytes = bytes_max // SEGMENTS
        self._segments: list[_Segment] = []
        self._write_fd = -1
        self._read: tuple[Path, int] | None = None
        self.damage: list[str] = []
        self.lost = 0
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory_fd = _lock(directory)
        try:
            self._recover()
        except BaseException:
            os.close(self._directory_fd)
            raise

    @property
    def samples(self) -> int:
        """Return how many samples wait here."""
        return sum(segment.waiting for segment in self._segments)

    @property
    def batches(self) -> int:
        """Return how many batches wait here."""
        return sum(len(segment.offsets) - segment.gone for segment in self._segments)

    @property
    def size_bytes(self) -> int:
        """Return the bytes of all segments."""
        return sum(segment.size_bytes for segment in self._segments)

    @property
    def end(self) -> int:
        """Return the place behind the newest batch."""
        return self._segments[-1].end if self._segments else 1

    def append(self, batch: Batch) -> int:
        """Write a batch behind all others; a kill does not lose it from here on, a power cut not after `sync`.

        Returns:
            how many samples were forgotten to make room.

        Raises:
            OSError: the disk is full or broken; the batch was not taken.
        """
        checksum = _checksum(batch.sequence, batch.samples, batch.packed)
        head = _HEAD.pack(len(batch.packed), checksum, batch.sequence, batch.samples)
        size_bytes = len(head) + len(batch.packed)
        if size_bytes + len(MAGIC) > self._bytes_max:
            return batch.samples
        dropped = self._make_room(size_bytes)
        segment = self._open_segment(batch.place)
        try:
            _write_all(self._write_fd, head + batch.packed, segment.size_bytes)
        except OSError:
            # Half a record would hide every later one.
            os.ftruncate(self._write_fd, segment.size_bytes)
            raise
        segment.add(size_bytes, batch.samples)
        return dropped

    def sync(self) -> None:
        """Make what was appended survive a power cut.

        Raises:
            OSError: the disk is broken.
        """
        if self._write_fd >= 0:
            os.fdatasync(self._write_fd)

    def read(self, after: int, count_max: int) -> list[Batch]:
        """Return the oldest batches placed above ``after``; a damaged one is passed over, noted and counted as lost.

        Raises:
            OSError: a segment cannot be opened at the moment.
        """
        batches: list[Batch] = []
        for segment in self._segments:
            for place in range(max(after + 1, segment.first + segment.gone), segment.end):
                if len(batches) == count_max:
                    return batches
                if batch := self._record(segment, place):
                    batches.append(batch)
        return batches

    def forget(self, place: int) -> int:
        """Forget every batch up to ``place``, because the trainer has it or will never take it.

        Returns:
            how many samples that were.
        """
        samples = 0
        moved = False
        while self._segments and self._segments[0].first + self._segments[0].gone <= place:
            oldest, moved = self._segments[0], True
            gone = min(place + 1, oldest.end) - oldest.first
            samples += sum(oldest.samples[oldest.gone : gone])
            oldest.gone = gone
            if oldest.gone < len(oldest.offsets):
                break
            self._remove_oldest()
        if moved:
            self._save_cursor()
        return samples

    def close(self) -> None:
        """Let the directory go."""
        self._close_writer()
        self._close_reader()
        os.close(self._directory_fd)

    def _make_room(self, size_bytes: int) -> int:
        dropped = 0
        while self._segments and self.size_bytes + size_bytes + len(MAGIC) > self._bytes_max:
            dropped += self._segments[0].waiting
            self._remove_oldest()
        return dropped

    def _remove_oldest(self) -> None:
        segment = self._segments[0]
        if self._read and self._read[0] == segment.path:
            self._close_reader()
        if len(self._segments) == 1:
            self._close_writer()
        with suppress(OSError):  # one that cannot be removed is told by the cursor to be over
            segment.path.unlink()
        del self._segments[0]

    def _open_segment(self, place: int) -> _Segment:
        """Return the segment to write to: a new one when the newest is full, of an earlier run, or does not end at ``place``."""
        if self._write_fd >= 0:
            newest = self._segments[-1]
            if newest.end == place and newest.size_bytes < self._segment_bytes:
                return newest
            self.sync()
            self._close_writer()
        path = self._directory / f"{self._last_number + 1:010d}.spool"
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            _write_all(fd, MAGIC, 0)
            os.fsync(self._directory_fd)
        except OSError:
            os.close(fd)
            with suppress(OSError):
                path.unlink()
            raise
        self._write_fd = fd
        self._last_number += 1
        self._segments.append(_Segment(path=path, first=place))
        return self._segments[-1]

    def _record(self, segment: _Segment, place: int) -> Batch | None:
        start, end = segment.bounds(place)
        fd = self._reader(segment.path)
        try:
            batch = _parse(os.pread(fd, end - start, start), place)
        except OSError as error:
            batch, why = None, f"cannot be read ({error.strerror})"
        else:
            why = "is damaged"
        if batch is None:
            self.lost += segment.samples[place - segment.first]
            segment.samples[place - segment.first] = 0
            self.damage.append(f"{segment.path}: the record at byte {start} {why} and was skipped")
        return batch

    def _reader(self, path: Path) -> int:
        if self._read is None or self._read[0] != path:
            self._close_reader()
            self._read = (path, os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        return self._read[1]

    def _close_reader(self) -> None:
        if self._read is not None:
            os.close(self._read[1])
            self._read = None

    def _close_writer(self) -> None:
        if self._write_fd >= 0:
            os.close(self._write_fd)
            self._write_fd = -1

    def _recover(self) -> None:
        paths = sorted(p for p in self._directory.glob("*.spool") if p.stem.isdecimal())
        number, gone = self._load_cursor()
        # Numbers are never used again: the cursor would call a new segment one that the trainer has.
        self._last_number = max(int(paths[-1].stem) if paths else 0, number - 1)
        place = 1
        for path in paths:
            segment = _index(path, place, self.damage.append, last=path == paths[-1])
            # A cursor in a later segment means that removing this one was interrupted.
            behind = int(path.stem) < number or (int(path.stem) == number and gone >= len(segment.offsets))
            if behind or not segment.offsets:
                with suppress(OSError):
                    path.unlink()
                continue
            segment.gone = gone if int(path.stem) == number else 0
            self._segments.append(segment)
            place = segment.end
        self._make_room(0)

    def _load_cursor(self) -> tuple[int, int]:
        try:
            block = (self._directory / "cursor").read_bytes()
        except OSError:
            return 0, 0
        if len(block) != _CURSOR.size:
            return 0, 0
        number, gone, checksum = _CURSOR.unpack(block)
        return (number, gone) if checksum == zlib.crc32(block[:16]) else (0, 0)

    def _save_cursor(self) -> None:
        if self._segments:
            number, gone = int(self._segments[0].path.stem), self._segments[0].gone
        else:
            number, gone = self._last_number + 1, 0
        block = struct.pack("<QQ", number, gone)
        with suppress(OSError):  # without it batches are sent twice, and dropped there
            fd = os.open(self._directory / "cursor", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.pwrite(fd, block + struct.pack("<I", zlib.crc32(block)), 0)
            finally:
                os.close(fd)


def _lock(directory: Path) -> int:
    # The directory itself is locked: on a full disk no lock file could be made.
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        raise TelemetryError(f"{directory}: another orderd spools here") from error
    return fd


def _checksum(sequence: int, samples: int, packed: bytes) -> int:
    return zlib.crc32(packed, zlib.crc32(struct.pack("<QI", sequence, samples)))


def _parse(block: bytes, place: int) -> Batch | None:
    if len(block) < _HEAD.size:
        return None
    length, checksum, sequence, samples = _HEAD.unpack_from(block)
    packed = block[_HEAD.size :]
    if len(packed) != length or _checksum(sequence, samples, packed) != checksum:
        return None
    return Batch(place=place, sequence=sequence, samples=samples, packed=packed)


def _index(path: Path, first: int, say: Callable[[str], None], *, last: bool) -> _Segment:
    """Check every record of a segment and cut off what does not belong to a whole one.

    Args:
        path: the segment.
        first: place of its first record.
        say: takes one sentence about what was skipped.
        last: whether it is the newest; only there a torn end is what a kill leaves.

    Raises:
        OSError: it cannot be read.
    """
    segment = _Segment(path=path, first=first)
    with path.open("rb") as file:
        whole_bytes = os.fstat(file.fileno()).st_size
        torn = _index_records(file, segment) if file.read(len(MAGIC)) == MAGIC else whole_bytes < len(MAGIC)
    if segment.size_bytes < whole_bytes:
        if not (last and torn):
            say(f"{path}: damaged at byte {segment.size_bytes}; {whole_bytes - segment.size_bytes} bytes were skipped")
        with suppress(OSError):
            os.truncate(path, segment.size_bytes)
    return segment


def _index_records(file: BinaryIO, segment: _Segment) -> bool:
    """Index the whole records up to the first that is not.

    Returns:
        whether the file simply ends there, in the middle of a record or behind the last.
    """
    while len(head := file.read(_HEAD.size)) == _HEAD.size:
        length = _HEAD.unpack(head)[0]
        block = head + file.read(min(length, RECORD_BYTES_MAX))
        batch = _parse(block, 0)
        if batch is None:
            return len(block) < _HEAD.size + length <= _HEAD.size + RECORD_BYTES_MAX
        segment.add(len(block), batch.samples)
    return True


def _write_all(fd: int, block: bytes, offset: int) -> None:
    view = memoryview(block)
    while view:
        written = os.pwrite(fd, view, offset)
        view, offset = view[written:], offset + written

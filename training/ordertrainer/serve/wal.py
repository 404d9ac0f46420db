"""Write-ahead segments: what makes an acknowledgement true. Touches one file per segment.

A segment is a header (magic and schema digest) and records of (length, crc32, serialised PushRequest). A record counts once it
was fsynced whole; a torn or damaged one ends the segment for the reader, because nothing behind it was ever acknowledged
in an order that could be trusted.
"""

import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from orderd.domain.schema import known_schema
from ordertrainer.files import sync_directory
from ordertrainer.serve.errors import ForeignSchemaError

MAGIC: Final = b"ORDWAL1\n"
DIGEST_BYTES: Final = 64
_HEADER_BYTES: Final = len(MAGIC) + DIGEST_BYTES
_RECORD: Final = struct.Struct("<II")
RECORD_BYTES_MAX: Final = 16 << 20


class SegmentWriter:
    """The one open segment."""

    def __init__(self, path: Path, digest: str) -> None:
        """Create the segment; its header and its name are durable afterwards.

        Raises:
            OSError: the file exists or cannot be written.
        """
        self.path = path
        self.records = 0
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        self.size_bytes = 0
        try:
            self._write(MAGIC + digest.encode("ascii"))
            sync_directory(path.parent)
        except OSError:
            self.close()
            raise

    @property
    def number(self) -> int:
        """Return the segment's number."""
        return int(self.path.stem)

    def append(self, payloads: Sequence[bytes]) -> None:
        """Add records; all of them are durable when it returns, none of them exists when it raises.

        Raises:
            OSError: the disk is full or broken.
        """
        self._write(b"".join(_RECORD.pack(len(p), zlib.crc32(p)) + p for p in payloads))
        self.records += len(payloads)

    def close(self) -> None:
        """Close the file; it was durable all along."""
        os.close(self._fd)

    def _write(self, block: bytes) -> None:
        try:
            _write_all(self._fd, block, self.size_bytes)
            os.fdatasync(self._fd)
        except OSError:
            # Half a record in the middle would hide every later one from the reader.
            os.ftruncate(self._fd, self.size_bytes)
            raise
        self.size_bytes += len(block)


def _write_all(fd: int, block: bytes, offset: int) -> None:
    view = memoryview(block)
    while view:
        written = os.pwrite(fd, view, offset)
        view, offset = view[written:], offset + written


def read_segment(path: Path, digest: str) -> Iterator[bytes]:
    """Yield the whole records of a segment, oldest first.

    Args:
        path: the segment; may end in a torn record, or even in its header.
        digest: the trainer's own schema digest, for the message.

    Raises:
        ForeignSchemaError: it was written with a list of signals that is none of ours.
    """
    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES)
        if len(header) < _HEADER_BYTES or not header.startswith(MAGIC):
            return
        found = header[len(MAGIC) :].decode("ascii", "replace")
        if found != digest and known_schema(found) is None:
            raise ForeignSchemaError(str(path), found=found, ours=digest)
        while len(head := file.read(_RECORD.size)) == _RECORD.size:
            length, crc = _RECORD.unpack(head)
            payload = file.read(length) if length <= RECORD_BYTES_MAX else b""
            if len(payload) != length or zlib.crc32(payload) != crc:
                return
            yield payload

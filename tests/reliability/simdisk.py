"""A disk that fails and loses what was not synced, under the real SQLite. Wraps SQLite's own file functions; touches one folder.

SQLite asks its operating system layer (VFS) for every write. The layer that is there stays; its write, sync and truncate are
replaced by ours, which count, fail when told to, and remember what a power cut would leave. Syncs never reach the real disk: the
test's folder may lie in memory.
"""

import _sqlite3
import ctypes
import random
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

OK: Final = sqlite3.SQLITE_OK
FULL: Final = sqlite3.SQLITE_FULL
IO_WRITE: Final = sqlite3.SQLITE_IOERR_WRITE
IO_SYNC: Final = sqlite3.SQLITE_IOERR_FSYNC
SECTOR: Final = 512

_MAIN_DB, _WAL = 0x00000100, 0x00080000  # SQLITE_OPEN_MAIN_DB, SQLITE_OPEN_WAL

_P, _I, _L = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64
_OPEN = ctypes.CFUNCTYPE(_I, _P, _P, _P, _I, _P)
_CLOSE = ctypes.CFUNCTYPE(_I, _P)
_WRITE = ctypes.CFUNCTYPE(_I, _P, _P, _I, _L)
_TRUNCATE = ctypes.CFUNCTYPE(_I, _P, _L)
_SYNC = ctypes.CFUNCTYPE(_I, _P, _I)


class _Vfs(ctypes.Structure):
    """sqlite3_vfs, version 3."""

    _fields_ = (
        ("version", _I),
        ("file_bytes", _I),
        ("path_max", _I),
        ("next", _P),
        ("name", ctypes.c_char_p),
        ("data", _P),
        ("open", _OPEN),
        *((f"other_{i}", _P) for i in range(15)),
    )


class _Methods(ctypes.Structure):
    """sqlite3_io_methods, version 3."""

    _fields_ = (
        ("version", _I),
        ("close", _CLOSE),
        ("read", _P),
        ("write", _WRITE),
        ("truncate", _TRUNCATE),
        ("sync", _SYNC),
        *((f"other_{i}", _P) for i in range(13)),
    )


@dataclass(slots=True)
class SimFile:
    """One file: what a power cut cannot take, and what it can.

    Attributes:
        durable: content as of the last sync.
        pending: writes (offset, bytes) and truncations (length, None) since then, oldest first.
    """

    durable: bytearray
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)

    def settle(self) -> None:
        """Make everything durable."""
        for offset, data in self.pending:
            _apply(self.durable, offset, data)
        self.pending.clear()

    def after_cut(self, survives: Callable[[], bool], *, torn: bool) -> bytes:
        """Return what is left after a power cut.

        Args:
            survives: asked for each write that was not synced, or for each sector of it.
            torn: whether a write may survive in part.
        """
        left = bytearray(self.durable)
        for offset, data in self.pending:
            if data is None or not torn:
                if survives():
                    _apply(left, offset, data)
                continue
            # Sectors are where the disk has them, not where the write begins.
            start = 0
            while start < len(data):
                end = min(len(data), (offset + start) // SECTOR * SECTOR + SECTOR - offset)
                if survives():
                    _apply(left, offset + start, data[start:end])
                start = end
        return bytes(left)


def _apply(content: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del content[offset:]
        return
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


class SimDisk:
    """The disk below one folder; use it as a context. Only one at a time in a process."""

    def __init__(self, folder: Path) -> None:
        """Watch a folder.

        Args:
            folder: where the files lie that are simulated.
        """
        self.folder = folder
        self.operations = 0
        """Writes, syncs and truncations so far."""
        self.failed = 0
        """Of these, how many were made to fail."""
        self.fault: Callable[[str], int] = lambda _kind: OK
        """Asked before each operation (``write``, ``sync``, ``truncate``): the SQLite error it gets, or OK."""
        self.cut_at = 0
        """The operation before which the power goes; 0 for none."""
        self.dead = False
        self._files: dict[str, SimFile] = {}
        self._handles: dict[int, SimFile] = {}
        self._patched: dict[int, _Methods] = {}
        self._keep: list[object] = []
        self._library = ctypes.CDLL(_sqlite3.__file__)
        self._library.sqlite3_vfs_find.restype = _P
        self._library.sqlite3_vfs_find.argtypes = (_P,)
        self._library.sqlite3_vfs_register.argtypes = (_P, _I)
        self._library.sqlite3_vfs_unregister.argtypes = (_P,)

    def __enter__(self) -> Self:
        """Put the simulated disk under every file that SQLite opens from now on."""
        self._theirs_at = self._library.sqlite3_vfs_find(None)
        self._theirs = ctypes.cast(self._theirs_at, ctypes.POINTER(_Vfs)).contents
        self._ours = _Vfs.from_buffer_copy(self._theirs)
        self._ours.name = b"simdisk"
        self._open_theirs = self._theirs.open
        self._ours.open = self._held(_OPEN(self._open))
        assert self._library.sqlite3_vfs_register(ctypes.addressof(self._ours), 1) == OK
        return self

    def __exit__(self, *_: object) -> None:
        """Give SQLite its own layer back."""
        self._library.sqlite3_vfs_unregister(ctypes.addressof(self._ours))
        self._library.sqlite3_vfs_register(self._theirs_at, 1)

    def works(self) -> None:
        """Let every operation succeed again."""
        self.fault = lambda _kind: OK

    def kill(self, folder: Path) -> None:
        """Leave in a new folder what a killed process leaves: everything it wrote. Nothing more is written from here on."""
        self._leave(folder, lambda: True, torn=False)

    def cut_power(self, folder: Path, chance: random.Random) -> None:
        """Leave in a new folder what a power cut leaves: what was synced, and none, all, some or parts of the rest."""
        how = chance.choice(("none", "all", "some", "torn", "torn"))
        share = {"none": 0.0, "all": 1.0}.get(how, chance.random())
        self._leave(folder, lambda: chance.random() < share, torn=how == "torn")

    def revive(self, folder: Path) -> None:
        """Go on in another folder, as the disk of the next start."""
        self.folder, self.dead, self.cut_at = folder, False, 0
        self._files.clear()
        self.works()

    def _leave(self, folder: Path, survives: Callable[[], bool], *, torn: bool) -> None:
        self.dead = True
        folder.mkdir(parents=True, exist_ok=True)
        for path, file in self._files.items():
            # The index of the log (-shm) is made anew from the log.
            (folder / Path(path).name).write_bytes(file.after_cut(survives, torn=torn))
        shutil.rmtree(self.folder)

    def _held(self, callback: object) -> object:
        self._keep.append(callback)
        return callback

    def _open(self, vfs: int, name: int | None, handle: int, flags: int, out: int) -> int:
        code = self._open_theirs(vfs, name, handle, flags, out)
        if code != OK or name is None or not flags & (_MAIN_DB | _WAL):
            return code
        path = ctypes.string_at(name).decode()
        if not Path(path).is_relative_to(self.folder):
            return code
        if path not in self._files:
            self._files[path] = SimFile(bytearray(Path(path).read_bytes()))
        methods_at = ctypes.cast(handle, ctypes.POINTER(_P))
        self._handles[handle] = self._files[path]
        methods_at[0] = ctypes.addressof(self._methods(methods_at[0]))
        return code

    def _methods(self, theirs_at: int) -> _Methods:
        """Return SQLite's file functions with ours in place of those that write."""
        if theirs_at in self._patched:
            return self._patched[theirs_at]
        theirs = ctypes.cast(theirs_at, ctypes.POINTER(_Methods)).contents
        ours = _Methods.from_buffer_copy(theirs)
        write, truncate, close = theirs.write, theirs.truncate, theirs.close

        def on_write(handle: int, data: int, count: int, offset: int) -> int:
            code = self._operation("write")
            if code != OK:
                return code
            self._handles[handle].pending.append((offset, ctypes.string_at(data, count)))
            return write(handle, data, count, offset)

        def on_truncate(handle: int, length: int) -> int:
            code = self._operation("truncate")
            if code != OK:
                return code
            self._handles[handle].pending.append((length, None))
            return truncate(handle, length)

        def on_sync(handle: int, _flags: int) -> int:
            code = self._operation("sync")
            if code == OK:
                self._handles[handle].settle()
            return code

        def on_close(handle: int) -> int:
            self._handles.pop(handle, None)
            return close(handle)

        ours.write, ours.truncate = self._held(_WRITE(on_write)), self._held(_TRUNCATE(on_truncate))
        ours.sync, ours.close = self._held(_SYNC(on_sync)), self._held(_CLOSE(on_close))
        self._patched[theirs_at] = self._patched[ctypes.addressof(ours)] = ours
        return ours

    def _operation(self, kind: str) -> int:
        if self.dead:
            return IO_WRITE
        self.operations += 1
        if self.cut_at and self.operations >= self.cut_at:
            self.dead = True
            return IO_WRITE
        code = self.fault(kind)
        self.failed += code != OK
        return code

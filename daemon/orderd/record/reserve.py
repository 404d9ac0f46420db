"""Room for decisions while the file system is full: free pages inside the journal itself. Writes through its connection.

The failure orderd most needs to record is the full disk. A ballast file that is deleted in need gives its room to whoever
writes fastest, which is the log that filled the disk. Free pages of the database and the kept write-ahead log belong to the
journal alone. On copy-on-write file systems (btrfs, ZFS) this helps less: there even overwriting needs new blocks.
"""

import sqlite3
from typing import Final

RESERVE_BYTES: Final = 4 << 20
"""Some 2 000 decisions; as much again is held by the write-ahead log."""

CHECK_EVERY: Final = 256
"""Writes between two attempts to fill a reserve for which there was no room."""


class Reserve:
    """Keeps free pages in the journal."""

    def __init__(self, connection: sqlite3.Connection, reserve_bytes: int = RESERVE_BYTES) -> None:
        """Fill the reserve as far as the file system allows."""
        self._connection = connection
        self._page_bytes = int(connection.execute("PRAGMA page_size").fetchone()[0])
        self._pages = reserve_bytes // self._page_bytes
        self._writes = 0
        self.short = False
        """Whether less than half of the reserve is left and there is no room for more."""
        self.refill()

    def wrote(self) -> None:
        """Look after a write whether the reserve has shrunk. Never raises: what was written before is durable."""
        self._writes += 1
        if not self._low():
            self.short = False
        elif not self.short or self._writes % CHECK_EVERY == 0:
            # On a full disk this is tried in vain, so it is not tried after every write.
            self.refill()

    def _low(self) -> bool:
        return self.free_pages() * 2 < self._pages

    def free_pages(self) -> int:
        """Return how many pages are free."""
        return int(self._connection.execute("PRAGMA freelist_count").fetchone()[0])

    def refill(self) -> None:
        """Fill the reserve when less than half of it is left. Never raises: a full disk leaves what there is."""
        try:
            # Left behind where orderd was killed below: it is the reserve, once it is free.
            self._connection.execute("DROP TABLE IF EXISTS reserve")
            self.short = self._low()
            if not self.short:
                return
            # Two transactions: pages that are used and freed within one are never written, and the file would have holes
            # instead of room.
            self._connection.execute("CREATE TABLE reserve (filling BLOB)")
            self._connection.execute("INSERT INTO reserve VALUES (zeroblob(?))", (self._pages * self._page_bytes,))
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            self._connection.execute("DROP TABLE reserve")
            self.short = self._low()
        except sqlite3.DatabaseError:
            # Full or failing: what is there is the reserve. The next real write reports the trouble, with its remedy.
            return

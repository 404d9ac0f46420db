"""Gives memory back once a program has started. Touches this process's own mappings.

Starting runs far more code than staying: importing packages, registering operators, optimising a graph. Pages of code that were
needed only for that stay mapped and count as ours. Dropping clean, file-backed, read-only pages is safe at any time: those still
needed are mapped again from the page cache. Measured (PSS): orderd-infer 57 MiB before, 42 MiB after, with questions answered
again; orderd 41 MiB before, 32 MiB after; orderd-zygote and orderd-exec 1 MiB each.
"""

import ctypes
import gc
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_MADV_DONTNEED: Final = 4
_M_ARENA_MAX: Final = -8
_MAPPING: Final = re.compile(r"^(?P<start>[0-9a-f]+)-(?P<end>[0-9a-f]+) r-[x-]p \S+ \S+ [1-9]\d* ")
_ANY_MAPPING: Final = re.compile(r"^[0-9a-f]+-[0-9a-f]+ ")


def one_arena() -> None:
    """Have malloc use one arena for all threads; a second thread's arena would hold freed memory for itself."""
    ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def trim() -> None:
    """Return freed heap and unneeded code pages to the system, and take what is alive out of the collector's rounds."""
    gc.collect()
    gc.freeze()
    libc = ctypes.CDLL(None, use_errno=True)
    libc.malloc_trim(0)
    libc.madvise.argtypes = (ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int)
    smaps = Path("/proc/self/smaps").read_text(encoding="ascii", errors="replace")
    for start, end in clean_mappings(smaps):
        libc.madvise(start, end - start, _MADV_DONTNEED)


def clean_mappings(smaps: str) -> Iterator[tuple[int, int]]:
    """Yield the address ranges that can be dropped: private, backed by a file, not writable, and never written to.

    Args:
        smaps: text of /proc/self/smaps. A mapping with anonymous pages was written before it was made read-only (relocations):
            its contents exist nowhere else, so it is left alone.
    """
    found: re.Match[str] | None = None
    for line in smaps.splitlines():
        if _ANY_MAPPING.match(line):
            found = _MAPPING.match(line)
        elif found and line.split() == ["Anonymous:", "0", "kB"]:
            yield int(found["start"], 16), int(found["end"], 16)

"""Archives TREE to PREFIX.tar.gz and copies the archive, over and over for SECONDS, then removes both.

Touches: TREE (reads), PREFIX.tar.gz, PREFIX.copy.
"""

import os
import shutil
import sys
import tarfile
import time
from pathlib import Path

ARCHIVE_BYTES_MAX = 48 << 20  # far from filling anything: a backup is not a full disk
FILE_BYTES_MAX = 8 << 20

tree, prefix, seconds = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
archive, copy = Path(f"{prefix}.tar.gz"), Path(f"{prefix}.copy")
ends = time.monotonic() + seconds


def files():
    """Yield the files of the tree, for ever."""
    while True:
        plain = (path for path in tree.rglob("*") if path.is_file() and not path.is_symlink())
        yield from (path for path in plain if path.stat().st_size <= FILE_BYTES_MAX)


def flush(path: Path) -> None:
    """Make the writing real."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


source = files()
while time.monotonic() < ends:
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        while time.monotonic() < ends and archive.stat().st_size < ARCHIVE_BYTES_MAX:
            tar.add(next(source), recursive=False)
    flush(archive)
    shutil.copyfile(archive, copy)
    flush(copy)
archive.unlink()
copy.unlink()

"""Reads files below TREE into memory, MEGABYTES of them within WARM_S, keeps them for KEPT_S, then ends. Touches: TREE."""

import sys
import time
from pathlib import Path

WARM_S = 3.0
KEPT_S = 12.0
STEP_BYTES = 1 << 20

tree, wanted = Path(sys.argv[1]), int(sys.argv[2]) * 1_000_000
began, kept, held = time.monotonic(), [], 0


def blocks():
    """Yield what the files of the tree hold, for ever."""
    while True:
        for path in tree.rglob("*"):
            if path.is_file() and not path.is_symlink():
                with path.open("rb") as file:
                    while block := file.read(STEP_BYTES):
                        yield block


for block in blocks():
    kept.append(block)
    held += len(block)
    if held >= wanted:
        break
    time.sleep(max(0.0, began + WARM_S * held / wanted - time.monotonic()))
time.sleep(KEPT_S)

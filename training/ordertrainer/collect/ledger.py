"""What has been collected so far: writes labels, counts runs, knows when it is enough. Touches DIR/labels.jsonl."""

import threading
import time
from collections import Counter
from pathlib import Path

from ordertrainer.dataset import Label, append_label, read_labels
from ordertrainer.serve.layout import Layout


class Ledger:
    """The runs of one split of one data directory; workers on several threads add to it."""

    def __init__(self, root: Path, split: str, runs: int) -> None:
        """Count what is there.

        Args:
            root: the data directory.
            split: whose runs to count.
            runs: how many there shall be in the end.
        """
        there = read_labels(root, split) if Layout(root=root).labels.exists() else ()
        self._root = root
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self.before = len(there)
        self.wanted = runs
        self.written: Counter[str] = Counter()
        self.discarded: Counter[str] = Counter()

    @property
    def total(self) -> int:
        """Return how many runs there are, those of earlier sessions included."""
        return self.before + self.written.total()

    @property
    def enough(self) -> bool:
        """Tell whether all wanted runs are there."""
        return self.total >= self.wanted

    @property
    def runs_per_minute(self) -> float:
        """Return the pace of this session."""
        return self.written.total() * 60 / max(1.0, time.monotonic() - self._began)

    def write(self, label: Label) -> None:
        """Add a complete run."""
        with self._lock:
            append_label(self._root, label)
            self.written[label.fault or "quiet"] += 1

    def discard(self, fault: str) -> None:
        """Count a run that does not count."""
        with self._lock:
            self.discarded[fault] += 1

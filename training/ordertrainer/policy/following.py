"""Lines of trainings that other processes write, as they come. Reads OUT/seed-N/history.jsonl."""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from ordertrainer.policy.iterations import HISTORY

LOOK_S: Final = 1.0


class Following:
    """Tells new lines of some histories."""

    def __init__(self, folders: Mapping[str, Path], told: Callable[[str, dict[str, Any]], None]) -> None:
        """Follow; lines that are there already are not told.

        Args:
            folders: of trainings, by name.
            told: hears the name and the line.
        """
        self._files, self._told = {name: folder / HISTORY for name, folder in folders.items()}, told
        self._seen = {name: len(_lines(file)) for name, file in self._files.items()}
        self._next_s = 0.0

    def look(self, *, now: bool = False) -> None:
        """Tell what is new, at most once a second but where it is asked for."""
        if time.monotonic() < self._next_s and not now:
            return
        self._next_s = time.monotonic() + LOOK_S
        for name, file in self._files.items():
            lines = _lines(file)
            for line in lines[self._seen[name] :]:
                self._told(name, json.loads(line))
            self._seen[name] = len(lines)


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []

"""Measurements that take hours, kept piece by piece: what is finished is not done again."""

import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Finished:
    """A folder of what was measured with the same options.

    Attributes:
        folder: holds a JSON file a piece.
        only: take what is there, and do nothing anew.
    """

    folder: Path
    only: bool = False

    def bind(self, options: Mapping[str, Any]) -> None:
        """Hold the folder to these options; exits when what is there was measured with others."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._made("options", lambda: dict(options)) != options:
            sys.exit(f"error: {self.folder}: holds figures that were measured with other options; choose another --work")

    def get(self, name: str, make: Callable[[], Any]) -> Any:
        """Return what is finished, or finish it; None where that is not to be done."""
        if self.only and not (self.folder / f"{name}.json").exists():
            return None
        return self._made(name, make)

    def _made(self, name: str, make: Callable[[], Any]) -> Any:
        file = self.folder / f"{name}.json"
        if not file.exists():
            began = time.monotonic()
            made = make()
            part = file.with_name(f"{file.name}.part")
            part.write_text(json.dumps(made), encoding="utf-8")
            part.replace(file)
            print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        return json.loads(file.read_text(encoding="utf-8"))

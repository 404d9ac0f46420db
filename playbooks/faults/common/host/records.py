"""Where an experiment keeps what it must not forget, and the names of its units.

Touches: /var/lib/orderd-chaos/EXPERIMENT.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

HOME = Path(__file__).resolve().parent
EXPERIMENT = HOME.name
BASELINE = HOME / "baseline.json"
LANDED = HOME / "landed.json"
LOCK = HOME / "lock"

UNIT = f"orderd-chaos-{EXPERIMENT}"
WITNESS = f"{UNIT}-witness"
GUARD = f"{UNIT}-guard"
UNIT_FILE = Path("/etc/systemd/system", f"{UNIT}.service")
BOOT_LINK = Path("/etc/systemd/system/multi-user.target.wants", f"{UNIT}.service")


def save(file: Path, value: object) -> None:
    """Write a record so that it is there in full or not at all, also after a power cut."""
    staged = file.with_suffix(".new")
    with staged.open("w", encoding="utf-8") as stream:
        json.dump(value, stream)
        stream.flush()
        os.fsync(stream.fileno())
    staged.replace(file)


def load(file: Path) -> dict:
    """Read a record."""
    return json.loads(file.read_text(encoding="utf-8"))

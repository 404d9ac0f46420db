"""Units: the record of whether systemd starts them by itself, and of what they require. Touches the disk; asks systemd."""

import json
from pathlib import Path
from typing import Final

from orderd.config.schema import Config
from orderd.sampling.known_good.writing import show, write_json

UNITS: Final = "units.json"
_REQUIRING: Final = ("Requires", "BindsTo", "Requisite")
_STARTABLE: Final = (".service", ".socket")
"""Of what a unit requires; mounts are declared and repaired on their own, the rest is systemd's."""


def capture(config: Config, root: Path, *, keep: bool) -> list[Path]:
    """Write down whether the declared units are enabled, and what they require."""
    target = root / UNITS
    known = json.loads(target.read_text(encoding="utf-8")) if target.exists() else {}
    wanted = [service.unit for service in config.services if not (keep and service.unit in known)]
    return [write_json(known | {unit: _ask(unit) for unit in wanted}, target)] if wanted else []


def _ask(unit: str) -> dict[str, object]:
    required = {name for relation in _REQUIRING for name in show(unit, relation).split() if name.endswith(_STARTABLE)}
    return {"unit_file_state": show(unit, "UnitFileState").strip(), "requires": sorted(required)}

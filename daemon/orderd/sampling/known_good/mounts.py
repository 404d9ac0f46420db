"""Mounts: the record of how the declared ones are mounted. Touches the disk."""

import json
from pathlib import Path

from orderd.config.schema import Config
from orderd.sampling.known_good.writing import write_json

MOUNTS = "mounts.json"
_MOUNTINFO = Path("/proc/self/mountinfo")


def capture(config: Config, root: Path, *, keep: bool) -> list[Path]:
    """Write down how the declared mounts are mounted; one that is not mounted now keeps what was known of it."""
    target = root / MOUNTS
    if not config.mounts or (keep and target.exists()):
        return []
    known = json.loads(target.read_text(encoding="utf-8")) if target.exists() else {}
    there = mounted_as(_MOUNTINFO.read_text(encoding="utf-8", errors="surrogateescape"))
    found = {m.path: there.get(m.path, known.get(m.path)) for m in config.mounts}
    return [write_json({path: how for path, how in found.items() if how}, target)]


def mounted_as(mountinfo: str) -> dict[str, dict[str, str]]:
    """Return source, type and options of every mount point; of mounts on one point, the topmost counts.

    Options of the mount and of the file system are put together, as mount(8) takes them.
    """
    found: dict[str, dict[str, str]] = {}
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        point, options = before.split(" ")[4:6]
        kind, source, more = after.split(" ")[:3]
        together = ",".join(dict.fromkeys([*options.split(","), *more.split(",")]))
        found[point.replace("\\040", " ")] = {"source": source.replace("\\040", " "), "type": kind, "options": together}
    return found

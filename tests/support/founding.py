"""The repairs that tests of the mechanism know: how a ladder is climbed does not depend on what else the catalogue has learnt."""

from pathlib import Path

from orderd.catalogue import load_repairs
from orderd.domain.repairs import Repair

FOUNDING = (
    "disk_reclaim_log_space",
    "process_stop",
    "resolver_restore",
    "service_kill_and_restart",
    "service_restore_dropins_and_start",
    "service_start",
    "service_unmask_and_start",
)


def whole_catalogue() -> dict[str, Repair]:
    """Return every repair that ships."""
    return dict(load_repairs(Path(__file__).parents[2] / "playbooks" / "repairs").repairs)


def founding_repairs() -> dict[str, Repair]:
    """Return the first seven."""
    repairs = whole_catalogue()
    return {name: repairs[name] for name in FOUNDING}

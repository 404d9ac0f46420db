"""When many services fall silent at once, it is not each of them. Pure.

Probes and services share the host's ports, its loopback, its processor. Whatever takes one of those away makes every probe fail,
and killing services that run would turn one failure into many.
"""

from typing import Final

from orderd.domain.faults import Entity, EntityKind
from orderd.domain.values import EntityRow, Sample

SERVICES_MIN: Final = 3
"""Two may fail by accident."""


def silent_together(target: Entity, sample: Sample) -> int:
    """Return how many services run and do not answer, when they are several and most of those asked, and the target is like them.

    Args:
        target: what is to be decided about: one of these services, or the resolver, which is asked over the same loopback.
        sample: the newest one.
    """
    asked = [row for row in sample.entities if row.entity.kind is EntityKind.UNIT and row.signal("probe_ok_ratio") >= 0]
    silent = [row for row in asked if _is_silent(row)]
    many = len(silent) >= SERVICES_MIN and 2 * len(silent) > len(asked)
    like_them = target.kind is EntityKind.RESOLVER or any(row.entity == target for row in silent)
    return len(silent) if many and like_them else 0


def _is_silent(row: EntityRow) -> bool:
    """Tell whether it runs, was not stopped by a signal, and does not answer."""
    runs = row.signal("unit_active_ratio") >= 1 and not row.signal("unit_main_stopped_ratio") > 0
    return runs and row.signal("probe_ok_ratio") == 0

"""Causes before consequences: which open incident another one has to wait for. Pure.

A full disk makes the services on it fail their probes; a dead resolver service makes name resolution fail; a runaway slows
everything. Repairing the consequence would touch a healthy entity, so it waits until the likely cause is settled.
"""

from collections.abc import Iterable
from typing import Final

from orderd.domain.faults import Failure
from orderd.domain.values import Diagnosis

_ORDER: Final = {
    Failure.SERVICE_MASKED: 0,
    Failure.SERVICE_CRASH_LOOP: 0,
    Failure.SERVICE_DOWN: 0,
    Failure.CLOCK_STEPPED: 0,
    Failure.SERVICE_START_LIMIT: 0,
    Failure.SERVICE_LOAD_ERROR: 0,
    Failure.MOUNT_MISSING: 1,
    Failure.MOUNT_STUCK: 1,
    Failure.MOUNT_READ_ONLY: 1,
    Failure.MOUNT_ACCESS_LOST: 1,
    Failure.DISK_FULL: 1,
    Failure.DISK_INODES_FULL: 1,
    Failure.MEMORY_LEAK: 1,
    Failure.CPU_RUNAWAY: 1,
    Failure.SERVICE_HUNG: 2,
    Failure.SERVICE_SLOW: 2,
    Failure.NIC_DOWN: 2,
    Failure.NIC_MISCONFIGURED: 2,
    Failure.NIC_SATURATED: 2,
    Failure.DNS_BROKEN: 3,
    Failure.SERVICE_SQUEEZED: 4,
    Failure.HOST_MISCONFIGURED: 4,
    Failure.UNKNOWN: 4,
    Failure.OK: 4,
}
"""A lower number may be the cause of a higher one. Services are asked on their own host: links explain only names."""
_WAIT: Final = frozenset({Failure.SERVICE_HUNG, Failure.SERVICE_SLOW, Failure.DNS_BROKEN, Failure.UNKNOWN})
"""Slow and derived symptoms; every other failure stands for itself."""


def cause_of(diagnosis: Diagnosis, others: Iterable[Diagnosis]) -> Diagnosis | None:
    """Return the open diagnosis that may have caused this one.

    Args:
        diagnosis: the one to act on.
        others: diagnoses of the other incidents that are not in a terminal state.

    Returns:
        The likeliest cause, or None when nothing open comes before it.
    """
    if diagnosis.failure not in _WAIT:
        return None
    rank = _ORDER[diagnosis.failure]
    earlier = [d for d in others if d.entity != diagnosis.entity and _ORDER[d.failure] < rank]
    return min(earlier, key=lambda d: (_ORDER[d.failure], d.entity), default=None)

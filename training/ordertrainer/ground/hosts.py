"""All hosts of this machine: which are up, whose owner is dead, which index is free.

Touches: the runtime directories of the hosts.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from ordertrainer.ground.errors import GroundError
from ordertrainer.ground.ledger import Ledger, Record, is_alive
from ordertrainer.ground.network import INDEX_MAX
from ordertrainer.ground.paths import LEDGER, Ground


def names(ground: Ground) -> list[str]:
    """Return the names of all hosts, those that are still coming up included."""
    return sorted(path.parent.name for path in ground.hosts_dir.glob(f"[!.]*/{LEDGER}"))


def records(ground: Ground) -> Iterator[Record]:
    """Yield the record of every host that has one."""
    for name in names(ground):
        try:
            yield Ledger.load(ground.host_dir(name) / LEDGER).record
        except (FileNotFoundError, msgspec.DecodeError):
            continue


def abandoned(ground: Ground) -> list[str]:
    """Return the hosts whose owner is dead; those that were asked to stay have none and are not among them."""
    return [record.name for record in records(ground) if record.owner and not is_alive(record.owner)]


def free_index(ground: Ground, wanted: int | None = None) -> int:
    """Return the lowest index no host uses, or `wanted`. Call it with the ground's lock held.

    Raises:
        GroundError: `wanted` is taken or out of range, or all are taken.
    """
    taken = {record.index for record in records(ground)}
    if wanted is None:
        free = next((n for n in range(1, INDEX_MAX + 1) if n not in taken), None)
        if free is None:
            raise GroundError(f"all {INDEX_MAX} host indexes are taken; `ordertrainer host list` shows by whom")
        return free
    if not 1 <= wanted <= INDEX_MAX:
        raise GroundError(f"host index {wanted}: want 1 to {INDEX_MAX}")
    if wanted in taken:
        raise GroundError(f"host index {wanted} is taken; leave it out to get a free one")
    return wanted

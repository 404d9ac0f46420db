"""Takes down hosts nobody will take down: their owner was killed, or died while making them.

Touches: whatever the ledgers of those hosts name.
"""

from __future__ import annotations

import shutil

from ordertrainer.ground import hosts, shared
from ordertrainer.ground.host import take_down
from ordertrainer.ground.paths import Ground


def reap(ground: Ground | None = None) -> list[str]:
    """Take down every host whose owner is dead and return their names."""
    ground = ground or Ground()
    with shared.locked(ground):  # with the lock held nobody is half-way through making one
        dead = hosts.abandoned(ground)
        for draft in ground.hosts_dir.glob(".new-*"):
            shutil.rmtree(draft)
    for name in dead:
        take_down(ground, name)
    with shared.locked(ground):
        shared.release(ground)
    return dead

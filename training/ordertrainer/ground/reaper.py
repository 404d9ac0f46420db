"""Takes down hosts nobody will take down: their owner was killed, or died while making them.

Touches: whatever the ledgers of those hosts name.
"""

from __future__ import annotations

import shutil

from ordertrainer.ground import hosts, shared
from ordertrainer.ground.errors import GroundError
from ordertrainer.ground.host import take_down
from ordertrainer.ground.paths import Ground


def reap(ground: Ground | None = None) -> list[str]:
    """Take down every host whose owner is dead and return their names.

    Raises:
        GroundError: some could not be removed; the others were.
    """
    ground = ground or Ground()
    with shared.locked(ground):  # with the lock held nobody is half-way through making one
        dead = hosts.abandoned(ground)
        for draft in ground.hosts_dir.glob(".new-*"):
            shutil.rmtree(draft)
    problems = [problem for name in dead if (problem := _try_take_down(ground, name))]
    with shared.locked(ground):
        shared.release(ground)
    if problems:
        raise GroundError("\n".join(problems))
    return dead


def _try_take_down(ground: Ground, name: str) -> str | None:
    """Take one host down; return what went wrong, so that one stuck host does not keep the others."""
    try:
        take_down(ground, name)
    except GroundError as error:
        return str(error)
    return None

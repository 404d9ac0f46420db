"""The drill ground: disposable hosts, cloned from the machine they run on.

Touches: nothing itself; see `host` for what a host touches.

    from ordertrainer.ground import DisposableHost
    with DisposableHost.up(say=print) as host:
        host.exec(["systemctl", "is-active", "nginx"])
"""

from ordertrainer.ground.errors import GroundError
from ordertrainer.ground.host import DisposableHost
from ordertrainer.ground.hosts import abandoned, names
from ordertrainer.ground.paths import Ground
from ordertrainer.ground.preflight import check, missing_packages
from ordertrainer.ground.reaper import reap
from ordertrainer.ground.residue import residue
from ordertrainer.ground.signals import unwinding

__all__ = [
    "DisposableHost",
    "Ground",
    "GroundError",
    "abandoned",
    "check",
    "missing_packages",
    "names",
    "reap",
    "residue",
    "unwinding",
]

"""What a host consists of at one moment, as far as a repair could change it by mistake. Pure.

Keys are ``KIND NAME``; kinds are ``unit``, ``file``, ``mount``, ``listener``. A contract's ``touches`` uses the same words with
patterns, so that what changed can be held against what a repair said it would change:

    touches: ["unit {target}", "file /etc/resolv.conf", "file {target}/**/*.log", "process"]

``process`` says that processes outside the target may be stopped; it has no name.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from orderd.domain.clock import Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What was there.

    Attributes:
        at: when it was taken.
        things: ``KIND NAME`` -> its state, in words that differ when the thing was changed; bounded by the collector.
    """

    at: Instant
    things: Mapping[str, str]

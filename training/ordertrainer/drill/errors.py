"""What can go wrong with a drill, as opposed to what can go wrong in one.

    OrderdError
    └── DrillError           the drill cannot go on; the message says what to do about it
        ├── InstallFailed    orderd could not be installed into the host; carries the failed task's words
        ├── NotHealthy       the host or orderd was not healthy before anything was broken
        └── InstrumentLost   the prober or the watcher ended; nothing can be measured any more
"""

from orderd.errors import OrderdError


class DrillError(OrderdError):
    """The drill cannot go on."""


class InstallFailed(DrillError):
    """Orderd could not be installed into the host."""


class NotHealthy(DrillError):
    """The host or orderd was not healthy before anything was broken."""


class InstrumentLost(DrillError):
    """The prober or the watcher ended in mid-drill."""

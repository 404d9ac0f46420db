"""What can go wrong with a drill, as opposed to what can go wrong in one. Pure.

    OrderdError
    └── DrillError                the drill cannot go on; the message says what to do about it
        ├── InstallError          orderd could not be installed into the host; carries the failed task's words
        ├── NotHealthyError       the host or orderd was not healthy before anything was broken
        └── InstrumentLostError   the prober or the watcher ended; nothing can be measured any more

What goes wrong with the host itself is a :class:`ordertrainer.ground.GroundError`.
"""

from orderd.errors import OrderdError


class DrillError(OrderdError):
    """The drill cannot go on."""


class InstallError(DrillError):
    """Orderd could not be installed into the host."""


class NotHealthyError(DrillError):
    """The host or orderd was not healthy before anything was broken."""


class InstrumentLostError(DrillError):
    """The prober or the watcher ended in mid-drill."""

"""What can go wrong with a drill, as opposed to what can go wrong in one. Pure.

    OrderdError
    └── DrillError                the drill cannot go on; the message says what to do about it
        ├── InstallError          orderd could not be installed into the host; carries the failed task's words
        ├── NotHealthyError       the host or orderd was not healthy before anything was broken
        └── InstrumentLostError   the prober or the watcher ended; nothing can be measured any more
    Stopped                       somebody asked the drill to end: a signal between threads, never shown as an error

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


class Stopped(Exception):  # noqa: N818  not an error: somebody asked to stop
    """The drill was asked to end; the host is left as it is, and goes away with it or reverts by itself."""

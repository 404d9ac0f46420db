"""What can go wrong with proving, as opposed to what can turn out unproven. Pure.

    OrderdError
    └── ProveError    the proving cannot begin or go on; the message says what to do about it
        └── Stopped   somebody asked it to end; what is proven is kept

What goes wrong with a host is a :class:`ordertrainer.ground.GroundError`.
"""

from orderd.errors import OrderdError


class ProveError(OrderdError):
    """The proving cannot begin or go on."""


class Stopped(ProveError):  # noqa: N818  nobody's error
    """Somebody asked the proving to end."""

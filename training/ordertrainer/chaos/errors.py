"""What can go wrong with an experiment. Pure.

    OrderdError
    └── ChaosError
        ├── RequestError    the experiment is not one the catalogue allows; nothing was touched
        ├── Void            the host cannot have this fault; nothing was touched, and the run counts for nothing
        ├── PlaybookError   a playbook failed or did not end in time; carries what its tasks said
        └── InjectionError  the fault could not be injected, or not be reverted

A broken fault folder is an :class:`orderd.errors.CatalogueError`, as a broken repair folder is.
"""

from orderd.errors import OrderdError


class ChaosError(OrderdError):
    """An experiment did not go as it should."""


class RequestError(ChaosError):
    """The experiment names something its fault's contract does not allow."""


class Void(ChaosError):  # noqa: N818  the word of the drill report: not an error of anybody's
    """The host lacks what the fault needs."""


class PlaybookError(ChaosError):
    """A playbook failed."""


class InjectionError(ChaosError):
    """The fault was not injected, and what was begun has been reverted; or a revert failed and the host stays armed."""

"""What can go wrong with a disposable host.

    OrderdError
    └── GroundError        the drill ground cannot do what was asked; the message says what to do about it
        ├── CommandFailed  a program of the machine failed; carries its words
        ├── NotRoot        the caller is not root
        ├── MissingTools   Debian packages are needed first
        └── BootFailed     the clone did not come up in time; carries the end of its console
"""

from __future__ import annotations

from collections.abc import Sequence

from orderd.errors import OrderdError


class GroundError(OrderdError):
    """The drill ground cannot do what was asked."""


class CommandFailed(GroundError):
    """A program of the machine failed."""

    def __init__(self, argv: Sequence[str], returncode: int, output: str) -> None:
        self.returncode = returncode
        self.output = output
        super().__init__(f"`{' '.join(argv)}` returned {returncode}: {output.strip()[-2000:]}")


class NotRoot(GroundError):
    """The caller is not root."""


class MissingTools(GroundError):
    """Debian packages are needed first."""


class BootFailed(GroundError):
    """The clone did not come up in time."""

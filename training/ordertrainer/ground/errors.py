"""What can go wrong with a disposable host.

OrderdError
└── GroundError            the drill ground cannot do what was asked; the message says what to do about it
    ├── CommandError       a program of the machine failed; carries its words
    ├── NotRootError       the caller is not root
    ├── MissingToolsError  Debian packages are needed first
    └── BootError          the clone did not come up in time; carries the end of its console
"""

from __future__ import annotations

from collections.abc import Sequence

from orderd.errors import OrderdError


class GroundError(OrderdError):
    """The drill ground cannot do what was asked."""


class CommandError(GroundError):
    """A program of the machine failed."""

    def __init__(self, argv: Sequence[str], returncode: int, output: str) -> None:
        self.returncode = returncode
        self.output = output
        super().__init__(f"`{' '.join(argv)}` returned {returncode}: {output.strip()[-2000:]}")


class NotRootError(GroundError):
    """The caller is not root."""


class MissingToolsError(GroundError):
    """Debian packages are needed first."""


class BootError(GroundError):
    """The clone did not come up in time."""

"""A folder that all workers have to see: what they write there themselves is kept when they are lost. Touches that folder.

A file of a name that nobody else has, for as long as work is under way, tells it from one of the same path on another machine.
"""

import secrets
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ordertrainer.fanout.errors import NotSharedError

SEAL: Final = ".seal-"


@contextmanager
def sealed(out: Path) -> Generator[Path]:
    """Leave the file, and remove it afterwards; made with the folder where that is missing."""
    out.mkdir(parents=True, exist_ok=True)
    seal = out / f"{SEAL}{secrets.token_hex(8)}"
    seal.touch()
    try:
        yield seal.resolve()
    finally:
        seal.unlink(missing_ok=True)


def refuse_elsewhere(seal: Path) -> None:
    """Refuse to work where the file is not.

    Raises:
        NotSharedError: says which folder, and what it has to be.
    """
    if not seal.exists():
        raise NotSharedError(f"{seal.parent}: a worker sees another folder there; --out must be one that all workers share")

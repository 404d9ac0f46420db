"""What a tracking server is told of an imitation: its settings, and where it came from. Imports torch."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from ordertrainer import heldout
from ordertrainer.imitation.checkpoint import commit
from ordertrainer.policy.checkpoint import catalogue_digest
from ordertrainer.policy.imitate import Settings
from ordertrainer.policy.playbooks import Playbooks
from ordertrainer.tracking import Server, tracked

ERRORS: Final = Console(stderr=True)


def told_to(
    server: Server | None, out: Path, settings: Settings, playbooks: Playbooks
) -> AbstractContextManager[Callable[[Mapping[str, Any]], None]]:
    """Tell a server of an imitation for as long as it runs.

    Args:
        server: None: nobody is told.
        out: folder of the training.
        settings: of it.
        playbooks: what is simulated; their digest is what a data set's is elsewhere.
    """
    about = {
        "verb": "imitate",
        "seed": settings.seed,
        "commit": commit(),
        "data_digest": catalogue_digest(playbooks),
        "heldout": heldout.load().sha256,
    }
    plain = {**asdict(settings), "shape": settings.shape._asdict()}
    return tracked(server, out, settings=plain, about=about, say=lambda line: ERRORS.print(line, highlight=False))

"""Two queues of tests at once: those that boot disposable hosts, which mostly wait for them, and all others, which compute.

A queue is worked off by one process, so no host meets a host of another test, and what shares ports or folders of the system
stays in one row. A file is in the queue of hosts when it marks any test as a drill. (xdist_group would say it test by test, but
pytest-xdist 3.8 writes it into node ids, and pytest 9.2 derives those anew.)
"""

from functools import cache
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).parents[2]


class TwoQueues(LoadScopeScheduling):
    """Gives each process one queue, and whoever ends first nothing more."""

    def _split_scope(self, nodeid: str) -> str:
        return queue_of(nodeid.partition("::")[0])


@cache
def queue_of(file: str) -> str:
    """Return the queue of a test file.

    Args:
        file: its path, as pytest tells it.
    """
    return "hosts" if "mark.drill" in (ROOT / file).read_text(encoding="utf-8") else "others"

"""Where the drill ground keeps things on the machine, and the names it gives them.

Touches: nothing; every path is a value of one frozen record, so tests can point it elsewhere.

State that survives a reboot (built images) lies under `/var/lib`; everything of a running host lies under `/run`, which a
reboot empties together with the processes, mounts and cgroups it describes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ordertrainer.ground.errors import GroundError

WORKLOAD_DIR = Path(__file__).parents[3] / "playbooks" / "drills" / "workload"
LEDGER = "ledger.json"
NAME_PATTERN = re.compile(r"[a-z][a-z0-9-]{0,31}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The directories of one drill ground."""

    state_dir: Path = Path("/var/lib/orderd-drill")
    run_dir: Path = Path("/run/orderd-drill")

    @property
    def images_dir(self) -> Path:
        """Return where built images are kept."""
        return self.state_dir / "images"

    @property
    def hosts_dir(self) -> Path:
        """Return where every running host has its directory."""
        return self.run_dir / "hosts"

    @property
    def lock_path(self) -> Path:
        """Return the lock that guards indexes and everything hosts share."""
        return self.run_dir / "lock"

    def draft_dir(self, token: str) -> Path:
        """Return where a host's ledger is written before the host has its name."""
        return self.hosts_dir / f".new-{token}"

    def host_dir(self, name: str) -> Path:
        """Return the runtime directory of the host called `name`.

        Raises:
            GroundError: the name could leave the directory or does not fit a host name.
        """
        if not NAME_PATTERN.fullmatch(name):
            raise GroundError(f"host name {name!r}: want a lower-case letter, then up to 31 of a-z, 0-9 and -")
        return self.hosts_dir / name

"""The last known good state of what may be broken on a host, and what differs from it now.

``capture`` writes the record (root, at install); collectors compare the running host with it (user orderd), repairs put it back
(root). One file here for each part of the directory ``sampling.known_good``:

    resolv.conf               a copy of resolver.resolv_conf
    dropins/UNIT.d/*.conf     the drop-ins in effect; an empty directory says that there were none
    mounts.json               of every declared mount the source, the type and the options; mode and owner of its top directory
    links.json                of every link with an address: state, MTU, addresses, routes, queueing, fixed neighbours
    settings.json             kernel settings, the host's name, what /etc/hosts answers for resolver.name
    host/index.json           as below, of the files behind them: /etc/hosts, /etc/hostname, those of sshd, sudo and sysctl
    files/UNIT/index.json     the unit's file and its configuration: path -> mode, owner, the copy's name; and of the folders
                              around them mode and owner. Root's alone: configuration may hold secrets, and nobody compares
    limits.json               of every unit that runs what its control group may take, and how nice its processes are
    units.json                of every unit whether systemd starts it by itself, and what it requires
    data.json                 of what services keep: path -> mode and owner. Root's alone
    nft.json                  the rules of nftables as nft lists them. Root's alone
"""

from pathlib import Path
from typing import Final, Protocol

from orderd.config.schema import Config
from orderd.sampling.known_good import data, dropins, filters, limits, links, mounts, resolver, services, settings, units
from orderd.sampling.known_good.copies import INDEX
from orderd.sampling.known_good.dropins import DropIns
from orderd.sampling.known_good.limits import Limits
from orderd.sampling.known_good.mounts import MOUNTS, MountAccess, mounted_as
from orderd.sampling.known_good.writing import make_directory


class Part(Protocol):
    """One part of the record."""

    def __call__(self, config: Config, root: Path, *, keep: bool) -> list[Path]:
        """Record this part under ``root``, or leave what is there when ``keep``; returns the files written."""
        ...


_PARTS: Final[tuple[Part, ...]] = (
    resolver.capture,
    dropins.capture,
    mounts.capture,
    links.capture,
    services.capture,
    settings.capture,
    limits.capture,
    units.capture,
    data.capture,
    filters.capture,
)


def capture(config: Config, *, keep: bool = False) -> tuple[Path, ...]:
    """Record what is there now as the known good state; call it only on a healthy host.

    Each part's record is replaced as a whole, by rename, so that a reader sees the old one or the new one.

    Args:
        config: names the units, the resolver's file and where the copy goes.
        keep: leave every record alone that there is already; an upgrade must not take what is broken just now for good.

    Returns:
        The files written.

    Raises:
        OSError: a file cannot be read or written.
        subprocess.SubprocessError: systemctl did not answer.
    """
    root = Path(config.sampling.known_good)
    make_directory(root)
    return tuple(path for part in _PARTS for path in part(config, root, keep=keep))


__all__ = ["INDEX", "MOUNTS", "DropIns", "Limits", "MountAccess", "capture", "mounted_as"]

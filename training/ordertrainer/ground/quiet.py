"""What of the machine must not run in its clone.

Touches: files under the given root.

A clone carries the machine's own services. Those that are not part of the drill are switched off: they would spend CPU,
wait for disks and networks that are not there, and make two drills of the same seed differ.
"""

from __future__ import annotations

import shutil
from pathlib import Path

SERVICES = (
    "ssh",
    "nginx",
    "redis-server",
    "postgresql",
    "dnsmasq",
    "drill-worker",
    "drill-network",
    "drill-peer",
    "chrony",
    "drill-report.timer",
)

MASKED = (
    "anacron.service",
    "anacron.timer",
    "apt-daily.service",
    "apt-daily.timer",
    "apt-daily-upgrade.service",
    "apt-daily-upgrade.timer",
    "cloud-init.target",
    "console-getty.service",
    "containerd.service",
    "cron.service",
    "docker.service",
    "docker.socket",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "exim4.service",
    "fstrim.timer",
    "getty.target",
    "getty@.service",
    "ifupdown-pre.service",
    "ifupdown-wait-online.service",
    "logrotate.timer",
    "lxcfs.service",
    "man-db.timer",
    "ModemManager.service",
    "networking.service",
    "NetworkManager.service",
    "NetworkManager-wait-online.service",
    "rc-local.service",
    "snapd.service",
    "snapd.socket",
    "systemd-networkd.service",
    "systemd-networkd.socket",
    "systemd-networkd-wait-online.service",
    "systemd-resolved.service",
    "systemd-timesyncd.service",
    "unattended-upgrades.service",
)
LOCAL_UNITS = "etc/systemd/system"
STATIC_UNITS = "lib/systemd/system"


def quieten(root: Path) -> None:
    """Leave nothing enabled under `root` but what the drill enables afterwards."""
    _disable_everything(root / LOCAL_UNITS)
    for unit in (*MASKED, *_init_scripts(root)):
        _mask(root / LOCAL_UNITS / unit)
    default = root / LOCAL_UNITS / "default.target"
    default.unlink(missing_ok=True)
    default.symlink_to("/lib/systemd/system/multi-user.target")


def _disable_everything(units: Path) -> None:
    for directory in (*units.glob("*.wants"), *units.glob("*.requires")):
        shutil.rmtree(directory)


def _init_scripts(root: Path) -> set[str]:
    """Return the units systemd would make of scripts in /etc/init.d that have no unit of their own."""
    scripts = {link.name[3:] for link in (root / "etc").glob("rc[S2345].d/S*")}
    native = {path.stem for path in (root / STATIC_UNITS).glob("*.service")}
    return {f"{name}.service" for name in scripts - native - set(SERVICES)}


def _mask(unit: Path) -> None:
    if unit.is_dir() and not unit.is_symlink():
        return
    unit.unlink(missing_ok=True)
    unit.symlink_to("/dev/null")

"""Removes every trace of an experiment: timer, boot unit, witness, guard, directory.

Touches: /var/lib/orderd-chaos, /etc/systemd/system, transient units. Doing it twice is harmless.
"""

from __future__ import annotations

import shutil
import subprocess
from contextlib import suppress

import records


def disarm() -> None:
    """Leave the host as if the experiment had never been, as far as its file systems let us."""
    units = [f"{records.UNIT}.timer", f"{records.WITNESS}.service", f"{records.GUARD}.service"]
    for verb in ("stop", "reset-failed"):
        subprocess.run(["systemctl", verb, *units], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    for file in (records.BOOT_LINK, records.UNIT_FILE):
        with suppress(OSError):  # without its directory the boot unit does nothing, so the rest is worth more than a complaint
            file.unlink()
    shutil.rmtree(records.HOME, ignore_errors=True)
    with suppress(OSError):
        records.HOME.parent.rmdir()
    _forget()


def _forget() -> None:
    """Make systemd forget the boot unit, which it loaded for good if it was told to reload while the unit was there."""
    listing = ["systemctl", "list-units", "--all", "--plain", "--no-legend", f"{records.UNIT}.service"]
    if subprocess.run(listing, stdin=subprocess.DEVNULL, capture_output=True, check=False).stdout.strip():
        subprocess.run(["systemctl", "daemon-reload"], stdin=subprocess.DEVNULL, capture_output=True, check=False)

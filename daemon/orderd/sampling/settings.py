"""What of the host itself differs from the known-good record: kernel settings, its name, what people log in with.

Reads a dozen small files of /proc/sys, /etc/hostname, and what orderd-login-check left under /run; costs 0.2 ms each time.
"""

import json
import os
from pathlib import Path

from orderd.domain.clock import Instant
from orderd.domain.faults import Entity, EntityKind
from orderd.login_check import STATE
from orderd.sampling.collector import NAN, Reading
from orderd.sampling.known_good import settings
from orderd.sampling.known_good.settings import HostRecord, RecordFile, stamp

HOST = Entity(kind=EntityKind.HOST, key="system")


class SettingsCollector:
    """One row of the host; a signal is missing where there is no record, or nobody has looked."""

    name = "settings"
    signals = frozenset({"host_settings_changed_ratio", "host_name_changed_ratio", "host_login_broken_ratio"})
    kinds = frozenset({EntityKind.HOST})
    every_s = 5.0

    def __init__(self, record: RecordFile, login: Path = STATE) -> None:
        """Compare with a record; nothing is read yet.

        Args:
            record: of the host.
            login: where orderd-login-check leaves its answer.
        """
        self._record = record
        self._login = login
        self._login_read: tuple[object, float] = None, NAN

    async def collect(self, at: Instant) -> Reading:
        """Read and compare."""
        del at  # nothing here is a rate
        signals = {"host_login_broken_ratio": self._login_broken()}
        if record := self._record.read():
            signals["host_settings_changed_ratio"] = settings_changed(record)
            signals["host_name_changed_ratio"] = name_changed(record)
        return Reading(entities={HOST: signals})

    def _login_broken(self) -> float:
        now = stamp(self._login)
        if now != self._login_read[0]:
            self._login_read = now, login_broken(settings.text_of(self._login))
        return self._login_read[1]


def settings_changed(record: HostRecord) -> float:
    """Return the share of the recorded settings that have another value; one that is gone cannot be compared."""
    found = {key: now for key in record.settings if (now := settings.setting(key)) is not None}
    return sum(now != record.settings[key] for key, now in found.items()) / len(found) if found else NAN


def name_changed(record: HostRecord) -> float:
    """Return 1 when the kernel, or the file that a boot takes the name from, has another name."""
    here = os.uname().nodename, settings.name_in(settings.text_of(settings.HOSTNAME))
    return float(here != (record.hostname, record.hostname_file))


def login_broken(text: str) -> float:
    """Return 1 when one of the programs had a complaint; missing when none was asked."""
    try:
        said = dict(json.loads(text))
    except (ValueError, TypeError):  # no answer yet, or no such check on this host
        return NAN
    return float(any(said.values())) if said else NAN

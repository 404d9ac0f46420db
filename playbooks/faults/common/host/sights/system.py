"""Sights of the host as a whole: its clock, its name, its kernel settings. Touches: /proc/sys. Reads only."""

from __future__ import annotations

import socket
import time

import settings

from sights.look import nothing


def _offset_s(_sight: dict) -> object:
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def _clock_off(sight: dict, before: float) -> bool:
    return abs(_offset_s(sight) - before) >= sight["at_least_s"]


def _sysctl(sight: dict, _before: object) -> bool:
    return settings.read(sight["key"]) == settings.words(sight["value"])


def _hostname(sight: dict, _before: object) -> bool:
    return socket.gethostname() == sight["name"]


KINDS = {
    "clock_off": (_offset_s, _clock_off),
    "sysctl": (nothing, _sysctl),
    "hostname": (nothing, _hostname),
}

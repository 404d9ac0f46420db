"""Sights of the host as a whole: its clock, its settings. Reads only."""

from __future__ import annotations

import time


def _offset_s(_sight: dict) -> object:
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def _clock_off(sight: dict, before: float) -> bool:
    return abs(_offset_s(sight) - before) >= sight["at_least_s"]


KINDS = {
    "clock_off": (_offset_s, _clock_off),
}

"""Undo what a fault did to the host as a whole: its clock, its settings. Touches: what the step names."""

from __future__ import annotations

import time

from machine import boot_id

# clock: the wall clock


def _capture_clock(_step: dict) -> object:
    return _offset_s()


def _offset_s() -> float:
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def _revert_clock(step: dict, before: float, boot: str) -> str:
    moved_s = _offset_s() - before
    if boot_id() != boot or abs(moved_s - step["step_s"]) > step["tolerance_s"]:
        return f"clock: left alone, it is {moved_s:.1f} s from where it was"
    time.clock_settime(time.CLOCK_REALTIME, time.time() - step["step_s"])
    return f"clock: stepped back by {step['step_s']} s"


KINDS = {
    "clock": (_capture_clock, _revert_clock),
}

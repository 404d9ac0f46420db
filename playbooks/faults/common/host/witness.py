"""Watches for the fault from before it is injected, because a good repair is faster than anybody who asks afterwards.

Touches: what the sights read; writes landed.json beside itself. Runs as a transient unit of its own until it has seen the
fault, and never knows what the injector believes.
"""

from __future__ import annotations

import subprocess
import time

import records
import sights

POLL_S = 0.02
ASK_S = 0.05


def watch() -> dict:
    """Wait until all conditions hold at once and note when that was."""
    entries = records.load(records.BASELINE)["landed"]
    while not _in_full(entries):
        time.sleep(POLL_S)
    seen = {"landed": True, "monotonic_ns": time.monotonic_ns(), "boottime_ns": time.clock_gettime_ns(time.CLOCK_BOOTTIME)}
    records.save(records.LANDED, seen)
    return seen


def _in_full(entries: list[dict]) -> bool:
    try:
        return all(sights.seen(entry["sight"], entry["before"]) for entry in entries)
    except (OSError, ValueError, subprocess.SubprocessError):  # systemd that reloads, a file that is being replaced: look again
        return False


def landed(timeout_s: str) -> dict:
    """Return what the witness has seen, waiting for it at most `timeout_s`."""
    deadline = time.monotonic() + float(timeout_s)
    while True:
        if records.LANDED.exists():
            return records.load(records.LANDED)
        if time.monotonic() >= deadline:
            return {"landed": False}
        time.sleep(ASK_S)

"""Tells whether the fault stands now, for whoever cannot see it from outside: the witness notes only when it landed.

Touches: what the sights read. A sight of something that has happened never ends; of such alone nothing can be told.
"""

from __future__ import annotations

import subprocess

import records
import sights

EVENTS = {"main_process_gone", "restarts", "reloaded", "oom_killed", "stalled"}


def stands() -> dict:
    """Return whether all conditions hold that can end; None where there is none, or where one cannot be looked at."""
    entries = [entry for entry in records.load(records.BASELINE)["landed"] if entry["sight"]["see"] not in EVENTS]
    try:
        return {"stands": all(sights.seen(entry["sight"], entry["before"]) for entry in entries) if entries else None}
    except (OSError, ValueError, subprocess.SubprocessError):
        return {"stands": True}  # a host that cannot be looked at is no healthy one

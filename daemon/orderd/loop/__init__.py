"""One tick of orderd: sample, diagnose, decide, repair, verify. All branching lives here; the rooms compute."""

from orderd.loop.loop import Loop

__all__ = ["Loop"]

"""Planned change that nobody announced: package transactions, deploy markers, people at work in a login. Reads
/proc and /run, hears systemd.

Everything here works with the rights of user orderd: lock files are never opened, other people's processes are only looked at.
"""

from orderd.sampling.changes.watch import ChangeWatch

__all__ = ["ChangeWatch"]

"""Planned change that nobody announced: package locks, deploy markers, people in a login. Reads /proc and /run, hears systemd.

Everything here works with the rights of user orderd: lock files are never opened, other people's processes are only looked at.
"""

from orderd.sampling.changes.watch import ChangeWatch

__all__ = ["ChangeWatch"]

"""Carries out one decision: intent first, then the executor, every step into the journal."""

from orderd.repair.desk import Attempt, RepairDesk

__all__ = ["Attempt", "RepairDesk"]

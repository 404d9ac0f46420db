"""One thing people are to be told, and what became of telling it. Pure, frozen; kept as JSON beside the journal."""

from dataclasses import dataclass
from typing import Final

EVENTS: Final = ("escalated", "approval", "ticket", "denied", "withdrawn", "collateral", "degraded", "repaired")
"""Kinds of notices, the most important first: of a full queue the last ones go first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something to tell.

    Attributes:
        notice_id: unique on this host; receivers may know a repetition by it.
        event: one of EVENTS.
        key: what it is about: an incident, a ticket; with ``event`` it is told once within ``again_s``.
        title: one line.
        body: names and values.
        at_utc_ns: when it was said.
        resolved: it is over: tells receivers to close what they opened for ``key``.
        pending: sinks that have not been told yet.
        told: sinks that have.
    """

    notice_id: str
    event: str
    key: str
    title: str
    body: dict[str, str]
    at_utc_ns: int
    resolved: bool
    pending: tuple[str, ...]
    told: tuple[str, ...] = ()

    @property
    def row(self) -> str:
        """Return the key it is kept under: one row for what was said, one for its end."""
        return f"{'resolved' if self.resolved else self.event} {self.key}"

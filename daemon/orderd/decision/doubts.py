"""Repairs that did not help: counted per repair and target, and denied after too many. In memory, kept durably, bounded."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from orderd.decision.kept import Boot, Saver
from orderd.domain.clock import Instant
from orderd.domain.faults import Entity, EntityKind
from orderd.domain.standing import Denial, Standing

DOUBTS_MAX: Final = 2000
"""More than a day of the highest rate leaves behind; the oldest doubt that is no denial makes room, else the oldest denial."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """One repair on one target: how often in a row it was not verified.

    Attributes:
        repair: its name.
        target: where it did not help.
        failed: the decisions that were not verified since it last helped, oldest first.
        boot_id: the boot it belongs to; the numbers of processes mean something else in another one.
        denial: set once it is not used there any more.
    """

    repair: str
    target: Entity
    failed: tuple[str, ...]
    boot_id: str
    denial: Denial | None = None


class Doubts:
    """What did not help. A denial stands until a person lifts it; a doubt, until the repair helps."""

    def __init__(self, *, failed_max: int, saver: Saver, boot: Boot, kept: Mapping[str, Doubt]) -> None:
        """Take what was kept, but for processes of an earlier boot."""
        self._failed_max = failed_max
        self._saver = saver
        self._boot_id = boot.boot_id
        self._doubts: dict[str, Doubt] = {}
        for key, doubt in kept.items():
            if doubt.target.kind is EntityKind.PROCESS and doubt.boot_id != boot.boot_id:
                saver.put_late(Standing.DENIAL, key, None)
            else:
                self._doubts[key] = doubt

    def failed(self, repair: str, target: Entity, decision_id: str, now: Instant) -> Denial | None:
        """Count a verification that failed; return the denial when this one was one too many."""
        key = _key(repair, target)
        doubt = self._doubts.get(key) or Doubt(repair=repair, target=target, failed=(), boot_id=self._boot_id)
        doubt = replace(doubt, failed=(*doubt.failed, decision_id)[-self._failed_max :])
        denial = None
        if doubt.denial is None and len(doubt.failed) >= self._failed_max:
            why = f"it was not verified {len(doubt.failed)} times: {', '.join(doubt.failed)}"
            denial = Denial(repair=repair, target=target, at=now, why=why)
            doubt = replace(doubt, denial=denial)
        self._make_room(key)
        self._doubts[key] = doubt
        self._saver.put_late(Standing.DENIAL, key, doubt)
        return denial

    def helped(self, repair: str, target: Entity) -> None:
        """Forget a doubt: the repair helped there. A denial stands."""
        key = _key(repair, target)
        doubt = self._doubts.get(key)
        if doubt is not None and doubt.denial is None:
            self._forget(key)

    def lift(self, repair: str, target: Entity, *, validate_only: bool = False) -> Denial:
        """Let a repair be used on a target again, as if it had never failed there.

        Raises:
            LookupError: it is not denied there.
            JournalError: it could not be made durable, so the denial stands.
        """
        doubt = self._doubts.get(_key(repair, target))
        if doubt is None or doubt.denial is None:
            raise LookupError(f"{repair} is not denied on {target}")
        if not validate_only:
            self._saver.drop(Standing.DENIAL, _key(repair, target))
            del self._doubts[_key(repair, target)]
        return doubt.denial

    def all(self) -> tuple[Denial, ...]:
        """Return all denials, by target, then repair."""
        found = [d.denial for d in self._doubts.values() if d.denial is not None]
        return tuple(sorted(found, key=lambda d: (d.target, d.repair)))

    def of(self, target: Entity) -> tuple[Denial, ...]:
        """Return the denials on one target."""
        return tuple(d for d in self.all() if d.target == target)

    def _make_room(self, key: str) -> None:
        if key in self._doubts or len(self._doubts) < DOUBTS_MAX:
            return
        undecided = (k for k, d in self._doubts.items() if d.denial is None)
        self._forget(next(undecided, next(iter(self._doubts))))

    def _forget(self, key: str) -> None:
        del self._doubts[key]
        self._saver.put_late(Standing.DENIAL, key, None)


def _key(repair: str, target: Entity) -> str:
    return f"{repair} {target}"

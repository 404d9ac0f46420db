"""One simulated host, in plain Python and by the same rules: what the vectorised step is tested against and timed beside.

Written from the docstring of `ordertrainer.sim.world`, one host at a time, with loops and dictionaries; no tensor, no trick.
"""

import math
from dataclasses import dataclass, field

from ordertrainer.sim.attempts import ATTEMPTS

NEVER = 1e9
LOSES_CACHE = 2


@dataclass
class Fault:
    """One lane."""

    row: int
    slot: int
    onset: float
    ends: float
    behind: bool
    cures_left: int
    shows: float


@dataclass
class Attempt:
    """One repair that ended."""

    slot: int
    repair: int
    failed: bool
    killed: bool


class Catalogue:
    """Plain lists from the compiled catalogue."""

    def __init__(self, world):
        faults, repairs = world.faults, world.repairs
        self.repairs, self.slots, self.none = world.no_repair, world.layout.slots, world.no_fault
        self.wait, self.stop, self.escalate = world.wait, world.stop, world.escalate
        self.slot_kind, self.repair_kind = world.slot_kind.tolist(), repairs.kind.tolist()
        self.sick, self.decoy, self.held, self.starts = (
            getattr(faults, name).tolist() for name in ("sick", "decoy", "held", "starts")
        )
        self.breaks_after = faults.breaks_after_s.tolist()
        self.cures = [{r for r, is_cure in enumerate(row) if is_cure} for row in faults.cures.tolist()]
        self.run, self.hold, self.within = repairs.run_s.tolist(), repairs.hold_s.tolist(), repairs.within_s.tolist()
        self.looks, self.kills, self.risk = repairs.looks.tolist(), repairs.kills.tolist(), repairs.risk.tolist()
        self.host_wide = repairs.host_wide.tolist()


@dataclass
class Host:
    """One host."""

    catalogue: Catalogue
    faults: list
    there: list
    rests_on: list
    slow: float
    horizon: float
    at: float = 0.0
    repair: int = -1
    target: int = -1
    began: float = NEVER
    runs_until: float = NEVER
    busy_until: float = 0.0
    attempts: list = field(default_factory=list)

    @classmethod
    def of(cls, catalogue, levels, number):
        """Return one host of some levels."""
        faults = []
        for row, slot, onset, ends, behind in zip(
            *(getattr(levels, name)[number].tolist() for name in ("fault", "slot", "onset_s", "ends_s", "behind")), strict=True
        ):
            shows = NEVER if behind else onset
            faults.append(Fault(row, slot, onset, ends, behind, len(catalogue.cures[row]), shows))
        return cls(
            catalogue,
            faults,
            levels.there[number].tolist(),
            levels.rests_on[number].tolist(),
            float(levels.slow[number]),
            float(levels.horizon_s[number]),
        )

    def step(self, action):
        """Let a second pass and return the outcome by name."""
        known = self.catalogue
        sick_before = [self._sick(fault) for fault in self.faults]
        idle, ill, beyond = self.at >= self.busy_until, any(sick_before), self._hopeless()
        stopped, escalated = idle and action == known.stop, idle and action == known.escalate
        started = action < known.wait and self._start(action // known.repairs, action % known.repairs, idle)
        seen = {id(f): (self._front(f), self._sick(f), self._breaks(f)) for f in self.faults}
        self.at += 1.0
        said = self._end(seen)
        sick = [self._sick(fault) for fault in self.faults]
        return {
            **said,
            "sick": sum(sick),
            "landed": sum(now and not before for now, before in zip(sick, sick_before, strict=True)),
            "started": started,
            "refused": action < known.wait and not started,
            "stopped_rightly": stopped and not ill,
            "stopped_wrongly": stopped and ill,
            "escalated_rightly": escalated and beyond,
            "escalated_wrongly": escalated and not beyond,
            "terminated": stopped or escalated,
            "truncated": self.at >= self.horizon and not (stopped or escalated),
        }

    def _front(self, fault):
        return fault.shows <= self.at < fault.ends

    def _sick(self, fault):
        return fault.onset <= self.at < fault.ends and self.catalogue.sick[fault.row]

    def _breaks(self, fault):
        return self._front(fault) and fault.shows + self.catalogue.breaks_after[fault.row] <= self.at

    def _hopeless(self):
        sick = [fault for fault in self.faults if self._sick(fault)]
        lost = [fault for fault in sick if fault.cures_left <= 0]
        sunk = [f for f in sick if any(self._breaks(g) and self.rests_on[f.slot] == g.slot for g in lost)]
        under = [f for f in sick if f.behind and any(g is self.faults[0] for g in lost)]
        return bool(sick) and all(any(f is g for g in (*lost, *sunk, *under)) for f in sick)

    def _start(self, slot, repair, idle):
        known = self.catalogue
        here = [fault for fault in self.faults if self._front(fault) and fault.slot == slot]
        mine = [attempt for attempt in self.attempts if attempt.slot == slot]
        there = self.there[slot] and not any(attempt.killed for attempt in mine)
        there = there or any(known.starts[fault.row] for fault in here)
        if not idle or known.slot_kind[slot] != known.repair_kind[repair] or not there:
            return False
        if any(known.held[fault.row] for fault in here) or any(a.failed and a.repair == repair for a in mine):
            return False
        self.repair, self.target, self.began = repair, slot, self.at
        self.runs_until, self.busy_until = self.at + max(1.0, math.ceil(_single(known.run[repair], self.slow))), NEVER
        return True

    def _end(self, seen):
        nothing = ("in_vain", "not_the_case", "touched_healthy", "harmful", "host_wide")
        if self.runs_until != self.at:
            return {"ended": False, "cured": 0, "risk": 0.0, "seconds": 0.0, **dict.fromkeys(nothing, False)}
        known, repair, target = self.catalogue, self.repair, self.target
        here = [fault for fault in self.faults if fault.slot == target]
        right = [f for f in here if seen[id(f)][0] and repair in known.cures[f.row]]
        cured = [f for f in right if not any(seen[id(g)][2] and self.rests_on[f.slot] == g.slot for g in self.faults)]
        sick = [f for f in here if seen[id(f)][1]]
        touched = bool(right) or not known.looks[repair]
        in_vain, helped = touched and not cured, bool(cured) and not [f for f in sick if not any(f is g for g in cured)]
        healthy = touched and not sick
        self._settle(here, cured, [f for f in here if seen[id(f)][0]], touched=touched)
        self.busy_until = self.at + (known.hold[repair] if helped else known.within[repair] if touched else 0.0)
        risk = known.risk[repair]
        return {
            "ended": True,
            "cured": len(cured),
            "in_vain": in_vain,
            "not_the_case": not touched,
            "touched_healthy": healthy,
            "harmful": in_vain and ((healthy and risk > 0) or risk >= LOSES_CACHE),
            "risk": risk,
            "host_wide": known.host_wide[repair],
            "seconds": self.busy_until - self.began,
        }

    def _settle(self, here, cured, front, *, touched):
        known, repair = self.catalogue, self.repair
        kills = touched and not cured and known.kills[repair]
        for fault in here:
            if cured:
                fault.cures_left = len(known.cures[fault.row])
            elif repair in known.cures[fault.row]:
                fault.cures_left -= 1
        for fault in front:
            if any(fault is one for one in cured) or (kills and known.decoy[fault.row]):
                self._close(fault)
        for attempt in self.attempts:
            attempt.failed = attempt.failed and not (cured and attempt.slot == self.target)
        self.attempts.append(Attempt(self.target, repair, failed=not cured, killed=kills))
        del self.attempts[:-ATTEMPTS]

    def _close(self, fault):
        fault.ends = self.at
        if fault is self.faults[0]:
            for other in (other for other in self.faults if other.behind):
                other.shows = max(other.onset, self.at)


def _single(one, other):
    """Multiply in single precision."""
    import numpy as np

    return float(np.float32(one) * np.float32(other))

"""What real drills say about orderd, with intervals. Pure.

    repaired    curable single faults that were repaired, verified, with at most three repairs, by part of heldout.toml and by
                whether the intensity is one that is trained
    right end   faults that only a person can end, and for which one was called
    held out    what became of families that no training and no choice saw: escalated, rightly repaired, repaired wrongly, not
                noticed
    false       repairs on hosts where nothing was wrong: quiet stretches and decoys, a run and an hour
    touched     runs in which something healthy was touched
    pairs       of faults at once: both repaired, both named rightly
    MTTR        seconds from landing to healthy of what was repaired, by fault
    faults      single faults that ended as they should, by fault

A run that nobody saw land is in none of them.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any, Final

from ordertrainer.drill.result import ended_well
from ordertrainer.evaluation.intervals import Score, median, rate, share
from ordertrainer.evaluation.real.runs import QUIET, RealRun
from ordertrainer.heldout import HeldOut, Part

REPAIRS_MAX: Final = 3
_HOUR_S: Final = 3600.0

Test = Callable[[RealRun], bool]

GROUPS: Final[dict[str, Test]] = {
    "trained, intensities inside": lambda run: run.part is Part.TRAIN and run.inside is not False,
    "trained, intensities outside": lambda run: run.part is Part.TRAIN and run.inside is False,
    "tuning families": lambda run: run.part is Part.TUNE,
    "held-out families": lambda run: run.part is Part.HELD,
}
"""A fault that has no intensity counts as inside: its family is all that training saw of it."""


def measure_real(runs: Sequence[RealRun], held: HeldOut) -> dict[str, dict[str, Any]]:
    """Return every figure, by who decided.

    Args:
        runs: that landed.
        held: what no training may see.
    """
    return {who: _measure([run for run in runs if run.who == who], held) for who in sorted({run.who for run in runs})}


def _measure(runs: Sequence[RealRun], held: HeldOut) -> dict[str, Any]:
    singles = [run for run in runs if not run.run.decoy and not run.beside]
    curable = [run for run in singles if run.curable]
    return {
        "runs": len(runs),
        "drills": len({run.drill for run in runs}),
        "repairs_counted": all(run.repairs is not None for run in curable),
        "repaired": {name: _share(filter(test, curable), repaired) for name, test in GROUPS.items()},
        "repaired_all": _share(curable, repaired),
        "right_end": _share((run for run in singles if not run.curable), lambda run: ended_well(run.run)),
        "held_out": _held_out([run for run in singles if run.part is Part.HELD]),
        "false_repairs": {
            "quiet": _false([run for run in runs if run.run.fault == QUIET]),
            "decoys": _false([run for run in runs if run.run.decoy and run.run.fault != QUIET]),
        },
        "touched_healthy": _share(runs, lambda run: run.run.touched_healthy),
        "pairs": _pairs(runs, held),
        "mttr_s": _mttr(runs),
        "faults": {
            fault: _share((run for run in singles if run.run.fault == fault), lambda run: ended_well(run.run))
            for fault in sorted({run.run.fault for run in singles})
        },
    }


def repaired(run: RealRun) -> bool:
    """Tell whether a run was repaired with few enough repairs; where nobody counted them, whether it was repaired."""
    return run.run.outcome == "repaired" and (run.repairs is None or run.repairs <= REPAIRS_MAX)


def _share(runs: Iterable[RealRun], test: Test) -> Score:
    kept = list(runs)
    return share(sum(map(test, kept)), len(kept))


def _held_out(runs: Sequence[RealRun]) -> dict[str, Score]:
    """Return what became of held-out families; the four add up to one, since each run is counted where it hurts most."""
    tests: dict[str, Test] = {
        "repaired_wrongly": mis_repaired,
        "rightly_repaired": lambda run: run.run.outcome == "repaired" and not mis_repaired(run),
        "escalated": lambda run: run.run.outcome == "escalated" and not mis_repaired(run),
        "not_noticed": lambda run: run.run.outcome in {"failed", "not_seen"} and not mis_repaired(run),
    }
    return {name: _share(runs, test) for name, test in tests.items()}


def mis_repaired(run: RealRun) -> bool:
    """Tell whether a repair was of something healthy, or of this fault and in vain."""
    return run.run.touched_healthy or (run.run.outcome == "failed" and run.run.repair is not None)


def _false(runs: Sequence[RealRun]) -> dict[str, Any]:
    """Return false repairs: a run in which anything was repaired although nothing was wrong."""
    false = sum(run.run.repair is not None and run.run.outcome == "failed" for run in runs)
    hours = None if any(run.seconds is None for run in runs) else sum(run.seconds or 0.0 for run in runs) / _HOUR_S
    return {"runs": share(false, len(runs)), "hours": hours, "per_hour": rate(false, hours or 0.0)}


def _pairs(runs: Sequence[RealRun], held: HeldOut) -> dict[str, dict[str, Any]]:
    """Return what became of two faults at once, apart for pairs that are trained and for those that are held out."""
    pairs = list(_partners(runs))
    found: dict[str, dict[str, Any]] = {}
    for name, wanted in (("trained", False), ("held out", True)):
        mine = [pair for pair in pairs if held.pair_is_held(*(run.run.fault for run in pair)) is wanted]
        found[name] = {
            "fully_repaired": share(sum(all(run.run.outcome == "repaired" for run in pair) for pair in mine), len(mine)),
            "exact_set": share(sum(all(map(named_rightly, pair)) for pair in mine), len(mine)),
        }
    return found


def _partners(runs: Sequence[RealRun]) -> Iterable[tuple[RealRun, RealRun]]:
    """Yield the two runs of each pair; a drill writes them one after the other."""
    for one, other in pairwise(runs):
        together = one.beside == (other.run.fault,) and other.beside == (one.run.fault,)
        if together and (one.drill, one.host) == (other.drill, other.host):
            yield one, other


def named_rightly(run: RealRun) -> bool:
    """Tell whether the failure was called by its name, on what it happened to."""
    said = run.run.diagnosis
    return said is not None and said.failure == run.failure and said.entity == run.run.target


def _mttr(runs: Sequence[RealRun]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for fault in sorted({run.run.fault for run in runs if run.curable}):
        mine = [run for run in runs if run.run.fault == fault]
        took = [run.run.seconds.healthy for run in mine if run.run.outcome == "repaired" and run.run.seconds.healthy is not None]
        found[fault] = {"seconds": median(took), "repaired": len(took), "runs": len(mine), "part": str(mine[0].part)}
    return found

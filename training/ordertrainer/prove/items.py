"""Proves one item on one host: a fault alone, or a repair against a fault.

Touches: the host of the bench. Each returns its proof, whatever came of it, and whether the host is as clean as before.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from orderd.domain.faults import Entity
from orderd.domain.repairs import Repair
from orderd.domain.values import DecisionRecord
from ordertrainer.chaos import ChaosError, Injected, Void
from ordertrainer.drill import snapshot
from ordertrainer.drill.snapshot import Snapshot
from ordertrainer.prove import changes, orders
from ordertrainer.prove.bench import LOOK_AGAIN_S, POLL_S, Bench
from ordertrainer.prove.errors import Stopped
from ordertrainer.prove.plan import Item
from ordertrainer.prove.result import CureProof, FaultProof

ORDER_WITHIN_S: Final = 25.0
"""How long a symptom may take to be seen, so that a repair's preconditions hold."""
VERDICT_MARGIN_S: Final = 10.0
NS_PER_S: Final = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """A proof, and whether the host may be used again."""

    proof: FaultProof | CureProof
    clean: bool


class Failed(Exception):  # noqa: N818  an answer, not an error
    """The item is not proven; says why."""


def prove(bench: Bench, item: Item, say: Callable[[str], None]) -> Proved:
    """Prove one item.

    Args:
        bench: a clean host.
        item: what to prove there.
        say: is called with a few words as each phase begins.

    Raises:
        Stopped: the proving shall end; the host is left as it is.
        GroundError, InstrumentLostError: the host or an instrument is gone.
    """
    return _prove_fault(bench, item, say) if item.repair is None else _prove_cure(bench, item, item.repair, say)


# A fault alone.


def _prove_fault(bench: Bench, item: Item, say: Callable[[str], None]) -> Proved:
    began = time.monotonic()
    proof = FaultProof(
        name=item.fault.name, target=item.experiment.target, intensity=item.experiment.intensity, digest=item.digest
    )
    try:
        injected = _inject(bench, item, say)
        proof = msgspec.structs.replace(proof, landed=True, landed_s=_landed_s(bench, item, injected, say))
        say("reverting")
        bench.injector.revert(item.experiment)
        proof = msgspec.structs.replace(proof, reverted=True)
    except Void as reason:
        proof = msgspec.structs.replace(proof, skipped=str(reason))
    except Failed as why:
        proof = msgspec.structs.replace(proof, why=str(why), reverted=_reverted(bench, item))
    except ChaosError as error:
        proof = msgspec.structs.replace(proof, why=str(error))
    left = snapshot.residue(bench.clean, bench.cleaned())
    if left and proof.skipped:
        proof = msgspec.structs.replace(proof, skipped="", why=f"void ({proof.skipped}), and yet something was touched")
    proof = msgspec.structs.replace(proof, residue=left, seconds=_since(began))
    return Proved(proof=proof, clean=not left and (proof.proven or bool(proof.skipped)))


def _inject(bench: Bench, item: Item, say: Callable[[str], None]) -> Injected:
    if bench.stop.is_set():
        raise Stopped("stopped")
    say("injecting")
    return bench.injector.inject(item.experiment)


def _landed_s(bench: Bench, item: Item, injected: Injected, say: Callable[[str], None]) -> float:
    """Return how long the fault took to land, by the word of the witness.

    Raises:
        Failed: it was not seen to land, or was there before anything had been done.
    """
    say("waiting for it to land")
    within_s = item.fault.landed_within_s
    landed_ns = bench.landed_ns(item.experiment, within_s)
    if not landed_ns:
        raise Failed(f"the witness did not see it within {within_s:g} s")
    if landed_ns <= injected.armed_ns:
        raise Failed("the witness saw it before anything was injected: what it looks for is no sign of this fault")
    if (kind := Entity.parse(injected.entity).kind) is not item.fault.target:
        raise Failed(f"it happened to {injected.entity}, a {kind}; its contract says {item.fault.target}")
    return round((landed_ns - injected.armed_ns) / NS_PER_S, 3)


def _reverted(bench: Bench, item: Item) -> bool:
    """Revert what did not go as it should; tell whether that worked."""
    try:
        bench.injector.revert(item.experiment)
    except ChaosError:
        return False
    return True


# A repair against a fault.


@dataclass(slots=True, kw_only=True)
class _Course:
    """How far a cure has come."""

    target: str
    broken: Snapshot
    repaired: Snapshot | None = None
    repaired_s: float = 0.0
    idempotent: bool | None = None
    collateral: list[str]
    why: str = ""


def _prove_cure(bench: Bench, item: Item, repair: Repair, say: Callable[[str], None]) -> Proved:
    began = time.monotonic()
    proof = CureProof(fault=item.fault.name, intensity=item.experiment.intensity, digest=item.digest)
    try:
        injected = _inject(bench, item, say)
    except Void as reason:
        proof = msgspec.structs.replace(proof, skipped=str(reason), seconds=_since(began))
        return Proved(proof=proof, clean=not snapshot.residue(bench.clean, bench.cleaned()))
    except ChaosError as error:
        return Proved(proof=msgspec.structs.replace(proof, why=str(error), seconds=_since(began)), clean=False)
    course = _Course(target=injected.entity, broken=bench.clean, collateral=[])
    try:
        _landed_s(bench, item, injected, say)
        course.broken = bench.take()
        _repair(bench, repair, course, say)
        if repair.idempotent:
            say("repairing what is repaired")
            course.idempotent, course.why = _again(bench, repair, course)
    except Failed as why:
        course.why = str(why)
    except ChaosError as error:
        course.why = str(error)
    after = _after(bench, item, repair, course, say)
    return Proved(
        proof=msgspec.structs.replace(
            proof,
            cured=not course.why and not course.collateral,
            idempotent=course.idempotent,
            collateral=course.collateral,
            why=course.why,
            target=course.target,
            seconds=_since(began),
            repaired_s=course.repaired_s,
        ),
        clean=not course.why and not snapshot.residue(bench.clean, after),
    )


def _repair(bench: Bench, repair: Repair, course: _Course, say: Callable[[str], None]) -> None:
    """Have orderd repair it and say that it is repaired.

    Raises:
        Failed: it did not begin, or was not verified.
    """
    say(f"{repair.name}: ordered")
    began = time.monotonic()

    def pause() -> bool:
        bench.until(lambda: False, LOOK_AGAIN_S)
        return time.monotonic() - began < ORDER_WITHIN_S

    decision_id, said = orders.run(bench.host, repair.name, course.target, pause)
    if not decision_id:
        raise Failed(f"orderd did not begin it within {ORDER_WITHIN_S:g} s: {said}")
    say(f"{repair.name}: running, then held for {repair.verify.hold_s:g} s")
    within_s = repair.deadline_s + repair.verify.within_s + VERDICT_MARGIN_S
    verdict = _verdict(bench, decision_id, within_s)
    course.repaired_s = _since(began)
    if verdict is None:
        raise Failed(f"no verdict within {within_s:g} s")
    course.collateral += [f"orderd saw: {step.detail}" for step in verdict.steps if step.what == "collateral"]
    if not any(step.what == "verified" for step in verdict.steps):
        raise Failed(
            "; ".join(f"{step.what} {step.detail}".strip() for step in verdict.steps if step.what in {"finished", "unverified"})
        )
    course.repaired = bench.take()


def _verdict(bench: Bench, decision_id: str, within_s: float) -> DecisionRecord | None:
    """Return a decision once it was verified or not, None when the time is up."""
    assert bench.watcher is not None
    watcher = bench.watcher

    def judged() -> DecisionRecord | None:
        watcher.check()
        record = next((heard.record for heard in watcher.decisions(0) if heard.record.decision.decision_id == decision_id), None)
        return record if record and any(step.what in {"verified", "unverified"} for step in record.steps) else None

    bench.until(lambda: judged() is not None, within_s, POLL_S)
    return judged()


def _again(bench: Bench, repair: Repair, course: _Course) -> tuple[bool, str]:
    """Run a repair a second time; return whether that changed nothing, and what it did change."""
    assert course.repaired is not None
    if said := orders.run_again(bench.host, repair, course.target):
        return False, said
    again = bench.take()
    moved = [*snapshot.residue(course.repaired, again), *snapshot.touched(course.repaired, again, set())]
    return not moved, f"the second run changed: {'; '.join(moved)}" if moved else ""


def _after(bench: Bench, item: Item, repair: Repair, course: _Course, say: Callable[[str], None]) -> Snapshot:
    """Revert the injection, which has to find nothing to do that the repair has done; return the host as it is then."""
    say("reverting")
    try:
        bench.injector.revert(item.experiment)
    except ChaosError as error:
        course.why = course.why or str(error)
    after = bench.cleaned()
    if course.repaired is None:
        return after
    touches = repair.touched(Entity.parse(course.target))
    course.collateral += changes.collateral(bench.clean, course.broken, course.repaired, after, touches)
    if not course.why and (undone := changes.overwritten(bench.clean, course.broken, course.repaired, after)):
        course.why = "the revert overwrote the repair: " + "; ".join(undone)
    return after


def _since(began: float) -> float:
    return round(time.monotonic() - began, 2)

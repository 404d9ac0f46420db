"""One run of a drill: steady, inject, watch it being repaired, revert, compare.

Touches: one disposable host, through the injector, the prober, the watcher and the inventory program.

Everything is judged on moments the prober saw. What was healthy is fixed before the revert begins, so that a revert never
passes for a repair.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from orderd.domain.faults import EntityKind
from ordertrainer.chaos import ChaosError, Experiment, FaultContract, Injector, PlaybookError, Void
from ordertrainer.drill import details, snapshot
from ordertrainer.drill.details import RunDetails
from ordertrainer.drill.prober import Prober
from ordertrainer.drill.result import Intensity, Run
from ordertrainer.drill.series import NS_PER_S
from ordertrainer.drill.symptoms import LABELS, Symptom, symptom_of
from ordertrainer.drill.verdict import Evidence, judge, open_incidents
from ordertrainer.drill.watcher import Heard, Watcher
from ordertrainer.ground import DisposableHost

POLL_S: Final = 0.05
STEADY_S: Final = 1.0
STEADY_TIMEOUT_S: Final = 20.0
HOLD_S: Final = 2.0
LAND_MARGIN_S: Final = 3.0
HEAL_TIMEOUT_S: Final = 40.0
SILENCE_TIMEOUT_S: Final = 12.0
DECOY_TIMEOUT_S: Final = 25.0
DECOY_SETTLE_S: Final = 1.5
RESIDUE_PATIENCE_S: Final = 1.0
BEFORE_NS: Final = NS_PER_S * 3 // 2

ALL_CHECKS: Final = tuple(LABELS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What a run works with; `watcher` is None where orderd is not installed, and then nothing is ever repaired."""

    host: DisposableHost
    prober: Prober
    watcher: Watcher | None
    injector: Injector

    def heard(self, since_ns: int) -> list[Heard]:
        """Return what orderd decided since a moment."""
        return self.watcher.decisions(since_ns) if self.watcher else []

    def check(self) -> None:
        """Do nothing while the instruments work.

        Raises:
            InstrumentLostError: one has ended.
        """
        self.prober.check()
        if self.watcher:
            self.watcher.check()


@dataclass(slots=True, kw_only=True)
class Course:
    """How far a run has come; times are CLOCK_MONOTONIC in nanoseconds."""

    experiment: Experiment
    contract: FaultContract
    symptom: Symptom
    target: str
    began_ns: int = field(default_factory=time.monotonic_ns)
    void: str = ""
    landed_ns: int | None = None
    healthy_ns: int | None = None
    ended_ns: int = 0

    @property
    def process(self) -> str:
        """Return the name of the process the fault starts, empty when it starts none."""
        return process_of(self.experiment, self.contract)


def process_of(experiment: Experiment, contract: FaultContract) -> str:
    """Return the name of the process a fault starts, empty when it starts none."""
    return str(experiment.parameters.get("name", "")) if contract.target is EntityKind.PROCESS else ""


def run_one(bench: Bench, experiment: Experiment, contract: FaultContract, say: Callable[[str], None]) -> tuple[Run, RunDetails]:
    """Carry out one experiment and return what came of it.

    Args:
        bench: the host and the instruments.
        experiment: what to do to it.
        contract: of the experiment's fault.
        say: is called with a few words as each phase begins.

    Raises:
        InstrumentLostError: the prober or the watcher ended; nothing can be measured any more.
        GroundError: the host is gone.
    """
    process = process_of(experiment, contract)
    course = Course(
        experiment=experiment,
        contract=contract,
        symptom=symptom_of(experiment.fault, contract.target, experiment.target, process),
        target=str(contract.target) if process else f"{contract.target}:{experiment.target}",
    )
    bench.prober.forget_before(course.began_ns - 2 * NS_PER_S)
    say("waiting for a steady state")
    if not _steady(bench):
        course.void = f"the host was not healthy before anything was broken: {_complaints(bench)}"
        return _concluded(bench, course, [], [])
    before = snapshot.take(bench.host)
    _break(bench, course, say)
    _observe(bench, course, say)
    say("reverting")
    _revert(bench, course)
    after = _settled(bench, before)
    touched = snapshot.touched(before, after, {experiment.target} if contract.target is EntityKind.UNIT else set())
    return _concluded(bench, course, touched, snapshot.residue(before, after))


def _steady(bench: Bench) -> bool:
    """Wait until every probe is good and orderd has nothing left to do."""
    deadline = time.monotonic() + STEADY_TIMEOUT_S
    while time.monotonic() < deadline:
        bench.check()
        recent = time.monotonic_ns() - int((STEADY_S + 3 * POLL_S) * NS_PER_S)
        if bench.prober.all_held(ALL_CHECKS, recent, STEADY_S) and not open_incidents([h.record for h in bench.heard(0)]):
            return True
        time.sleep(POLL_S)
    return bench.prober.all_held(ALL_CHECKS, time.monotonic_ns() - 2 * NS_PER_S, STEADY_S)


def _complaints(bench: Bench) -> str:
    seen = {check: bench.prober.series(check).last for check in ALL_CHECKS}
    return "; ".join(f"{check}: {probe.why}" for check, probe in seen.items() if probe and not probe.ok) or "it flickers"


def _break(bench: Bench, course: Course, say: Callable[[str], None]) -> None:
    """Inject the fault and wait until somebody outside orderd has seen it land."""
    say("injecting")
    if course.process:
        bench.prober.expect(course.process)
    course.began_ns = time.monotonic_ns()
    try:
        injected = bench.injector.inject(course.experiment)
        course.target = injected.entity if course.process else course.target
    except Void as reason:
        course.void = str(reason)
    except ChaosError as error:
        course.void = f"it could not be injected: {error}"
    if course.void:
        return
    say("waiting for it to land")
    deadline = time.monotonic() + course.contract.landed_within_s + LAND_MARGIN_S
    while course.landed_ns is None and time.monotonic() < deadline:
        bench.check()
        course.landed_ns = course.symptom.landed(bench.prober, course.began_ns)
        time.sleep(POLL_S)
    if course.landed_ns is None:
        course.landed_ns = _witnessed(bench, course)


def _witnessed(bench: Bench, course: Course) -> int | None:
    """Ask the witness on the host, who watches for what a prober of services may not notice."""
    try:
        landing = bench.injector.landing(course.experiment)
    except PlaybookError:
        return None
    return landing.monotonic_ns if landing.seen else None


def _observe(bench: Bench, course: Course, say: Callable[[str], None]) -> None:
    """Watch until it is over: healthy and quiet, in a person's hands, or out of time."""
    if course.landed_ns is not None and not course.void:
        say("landed; a decoy: hands off" if course.contract.decoy else "landed; orderd's turn")
        while not _over(bench, course):
            bench.check()
            time.sleep(POLL_S)
    course.ended_ns = time.monotonic_ns()


def _over(bench: Bench, course: Course) -> bool:
    assert course.landed_ns is not None
    since = (time.monotonic_ns() - course.landed_ns) / NS_PER_S
    course.healthy_ns = course.symptom.healthy(bench.prober, course.landed_ns, HOLD_S)
    if course.contract.decoy:
        settled = course.healthy_ns is not None and time.monotonic_ns() - course.healthy_ns > (HOLD_S + DECOY_SETTLE_S) * NS_PER_S
        return settled or since > DECOY_TIMEOUT_S
    heard = [h.record for h in bench.heard(course.began_ns)]
    if since > HEAL_TIMEOUT_S or (not heard and since > SILENCE_TIMEOUT_S):
        return True
    escalated = any(record.state == "escalated" for record in heard)
    return bool(heard) and not open_incidents(heard) and (course.healthy_ns is not None or escalated)


def _revert(bench: Bench, course: Course) -> None:
    if course.void and course.landed_ns is None:
        return  # an injection that fails takes back what it began
    try:
        bench.injector.revert(course.experiment)
    except ChaosError as error:
        course.void = course.void or f"it could not be reverted: {error}"


def _settled(bench: Bench, before: snapshot.Snapshot) -> snapshot.Snapshot:
    """Return the inventory once the host is calm: what only passes through is not residue."""
    _steady(bench)
    after = snapshot.take(bench.host)
    if snapshot.residue(before, after):
        time.sleep(RESIDUE_PATIENCE_S)
        after = snapshot.take(bench.host)
    return after


def _concluded(bench: Bench, course: Course, touched: list[str], residue: list[str]) -> tuple[Run, RunDetails]:
    heard = bench.heard(course.began_ns)
    evidence = Evidence(
        fault=course.experiment.fault,
        target=course.target,
        failure=str(course.contract.failure),
        intensity=_intensity(course),
        decoy=course.contract.decoy,
        void=course.void,
        landed_ns=course.landed_ns,
        healthy_ns=course.healthy_ns,
        decisions=[h.record for h in heard],
        touched=touched,
        residue=residue,
    )
    seen = _details(bench, course, heard, touched)
    if course.process:
        bench.prober.forget(course.process)
    return judge(evidence), seen


def _intensity(course: Course) -> Intensity | None:
    unit = course.contract.intensity.unit
    return None if unit == "none" else Intensity(value=course.experiment.intensity, unit=unit)


def _details(bench: Bench, course: Course, heard: list[Heard], touched: list[str]) -> RunDetails:
    """Return what the report draws: the run from shortly before the landing to shortly after it was over."""
    zero = course.landed_ns or course.began_ns
    end = course.ended_ns or time.monotonic_ns()
    start = zero - BEFORE_NS
    series = bench.prober.series
    checks = sorted(ALL_CHECKS, key=lambda check: check not in course.symptom.checks)
    return RunDetails(
        summary=course.contract.summary,
        start_s=(start - zero) / NS_PER_S,
        end_s=(end - zero) / NS_PER_S,
        strips=[
            details.strip(LABELS[check], series(check).since(start, end), zero, main=check in course.symptom.checks)
            for check in checks
        ],
        signals=[
            details.signal(curve.label, curve.unit, list(series(curve.check).since(start, end)), zero, curve.limit)
            for curve in course.symptom.curves
        ],
        said=[details.said(h.record, h.first_ns, zero) for h in heard],
        took_s=round((time.monotonic_ns() - course.began_ns) / NS_PER_S, 3),
        touched=touched,
        process=course.process,
    )

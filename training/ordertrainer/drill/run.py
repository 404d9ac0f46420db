"""One item of a drill: steady, inject, watch it being repaired, revert, compare.

Touches: one host, through the injector, the prober, the watcher and the inventory program.

Everything is judged on moments that somebody outside orderd saw: the prober, or, where a prober of services can see nothing, the
witness on the host. What was healthy is fixed before the revert begins, so that a revert never passes for a repair.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from msgspec import UNSET, structs

from orderd.domain.faults import EntityKind, Failure
from ordertrainer.chaos import ChaosError, Experiment, FaultContract, PlaybookError, Void
from ordertrainer.drill import details, snapshot
from ordertrainer.drill.battery import Item
from ordertrainer.drill.bench import Bench
from ordertrainer.drill.details import RunDetails
from ordertrainer.drill.result import Intensity, Run
from ordertrainer.drill.series import NS_PER_S
from ordertrainer.drill.symptoms import LABELS, StillThere, Symptom, Unseen, symptom_of
from ordertrainer.drill.verdict import Evidence, about, judge, open_incidents
from ordertrainer.drill.watcher import Heard

POLL_S: Final = 0.05
STEADY_S: Final = 1.0
STEADY_TIMEOUT_S: Final = 20.0
HOLD_S: Final = 2.0
LAND_MARGIN_S: Final = 3.0
ASK_PERIOD_S: Final = 1.0
HEAL_TIMEOUT_S: Final = 40.0
SILENCE_TIMEOUT_S: Final = 20.0
"""What takes longest to be named is a slow service: 8 s without one quick answer, on a host that others crowd."""
NAMELESS_TIMEOUT_S: Final = 32.0
"""Nobody is called about what has no name before it has stood for ``decision.unknown_s``, which is 20 s."""
DECOY_TIMEOUT_S: Final = 25.0
DECOY_SETTLE_S: Final = 1.5
RESIDUE_PATIENCE_S: Final = 1.0
RESIDUE_LOOKS: Final = 5
"""What the database starts for its own upkeep, or systemd leaves for a moment, is gone by then."""
BEFORE_NS: Final = NS_PER_S * 3 // 2
QUIET: Final = "quiet"
QUIET_TARGET: Final = f"{EntityKind.HOST}:system"

Say = Callable[[str], None]
Found = list[tuple[Run, RunDetails]]


@dataclass(slots=True, kw_only=True)
class Course:
    """How far one experiment has come; times are the host's CLOCK_MONOTONIC in nanoseconds."""

    experiment: Experiment
    contract: FaultContract
    symptom: Symptom
    target: str
    began_ns: int
    void: str = ""
    landed_ns: int | None = None
    healthy_ns: int | None = None
    ended_ns: int = 0
    others: list[Course] = field(default_factory=list)

    @property
    def process(self) -> str:
        """Return the name of the process the fault starts, empty when it starts none."""
        return process_of(self.experiment, self.contract)


def process_of(experiment: Experiment, contract: FaultContract) -> str:
    """Return the name of the process a fault starts, empty when it starts none."""
    return str(experiment.parameters.get("name", "")) if contract.target is EntityKind.PROCESS else ""


def run_item(bench: Bench, item: Item, contracts: Sequence[FaultContract], say: Say) -> Found:
    """Carry out one item and return what came of each of its faults; of a quiet stretch, what came of that.

    Args:
        bench: the host and the instruments.
        item: what to do.
        contracts: of its experiments, in their order.
        say: is called with a few words as each phase begins.

    Raises:
        InstrumentLostError: the prober or the watcher ended; nothing can be measured any more.
        GroundError: the host is gone.
        Stopped: somebody asked the drill to end.
    """
    if item.calm_s:
        say(f"calm for {item.calm_s:.0f} s")
        bench.pause(item.calm_s)
    if not item.experiments:
        return [_quiet(bench, item.quiet_s, say)]
    courses = [_course(bench, *each) for each in zip(item.experiments, contracts, strict=True)]
    for course in courses:
        course.others = [other for other in courses if other is not course]
    bench.prober.forget_before(courses[0].began_ns - 2 * NS_PER_S)
    say("waiting for a steady state")
    if not _steady(bench):
        for course in courses:
            course.void = f"the host was not healthy before anything was broken: {_complaints(bench)}"
        return [_concluded(bench, course, [], []) for course in courses]
    before = snapshot.take(bench.host)
    _under_way(bench, courses, item.gap_s, say)
    say("reverting")
    for course in reversed(courses):
        _revert(bench, course)
    after = _settled(bench, before)
    broken = {unit for course in courses for unit in _broken_units(course)}
    touched, residue = snapshot.touched(before, after, broken), snapshot.residue(before, after)
    return [_concluded(bench, course, touched, residue) for course in courses]


def _under_way(bench: Bench, courses: Sequence[Course], gap_s: float, say: Say) -> None:
    """Break the host and watch what becomes of it; on somebody else's host, an interruption takes everything back."""
    try:
        for course in courses:
            if course is not courses[0]:
                bench.pause(gap_s)
            _break(bench, course, say)
        _observe(bench, courses, say)
    except BaseException:
        if not bench.disposable:
            for course in reversed(courses):
                _revert(bench, course)
        raise


def _course(bench: Bench, experiment: Experiment, contract: FaultContract) -> Course:
    process = process_of(experiment, contract)
    return Course(
        experiment=experiment,
        contract=contract,
        symptom=symptom_of(experiment.fault, contract.target, experiment.target, process),
        target=str(contract.target) if process else f"{contract.target}:{experiment.target}",
        began_ns=bench.now_ns(),
    )


def _broken_units(course: Course) -> set[str]:
    """Return the units the fault itself may stop or restart: its target, and what its revert starts again."""
    reverted = {str(getattr(step, "unit", "")).replace("{target}", course.experiment.target) for step in course.contract.revert}
    return reverted - {""} | ({course.experiment.target} if course.contract.target is EntityKind.UNIT else set())


def _steady(bench: Bench) -> bool:
    """Wait until every probe is good and orderd has nothing left to do."""
    deadline = time.monotonic() + STEADY_TIMEOUT_S
    while time.monotonic() < deadline:
        bench.check()
        recent = bench.now_ns() - int((STEADY_S + 3 * POLL_S) * NS_PER_S)
        if bench.prober.all_held(bench.checks, recent, STEADY_S) and not open_incidents([h.record for h in bench.heard(0)]):
            return True
        time.sleep(POLL_S)
    return bench.prober.all_held(bench.checks, bench.now_ns() - 2 * NS_PER_S, STEADY_S)


def _complaints(bench: Bench) -> str:
    seen = {check: bench.prober.series(check).last for check in bench.checks}
    return "; ".join(f"{check}: {probe.why}" for check, probe in seen.items() if probe and not probe.ok) or "it flickers"


def _break(bench: Bench, course: Course, say: Say) -> None:
    """Inject the fault and wait until somebody outside orderd has seen it land."""
    say("injecting")
    if course.process:
        bench.prober.expect(course.process)
    course.began_ns = bench.now_ns()
    try:
        injected = bench.injector.inject(course.experiment)
        course.target = injected.entity
    except Void as reason:
        course.void = str(reason)
    except ChaosError as error:
        course.void = f"it could not be injected: {error}"
    if course.void:
        return
    say("waiting for it to land")
    deadline = time.monotonic() + course.contract.landed_within_s + LAND_MARGIN_S
    blind, asked_s = isinstance(course.symptom, Unseen), time.monotonic()
    while course.landed_ns is None and time.monotonic() < deadline and not blind:
        bench.check()
        course.landed_ns = course.symptom.landed(bench.prober, course.began_ns)
        time.sleep(POLL_S)
        if time.monotonic() - asked_s > ASK_PERIOD_S:
            asked_s = time.monotonic()
            if bench.witnessed(course.experiment):  # what the prober has not noticed soon after, it will not notice
                deadline = min(deadline, asked_s + LAND_MARGIN_S)
    if course.landed_ns is None:
        _ask_witness(bench, course)


def _ask_witness(bench: Bench, course: Course) -> None:
    """Ask the witness on the host, who watches for what a prober of services may not notice, and go by its word from then on."""
    try:
        landing = bench.injector.landing(course.experiment)
    except PlaybookError:
        return
    if landing.seen:
        course.landed_ns = landing.monotonic_ns
        course.symptom = StillThere(before=course.symptom, stands=lambda: bench.stands(course.experiment), now_ns=bench.now_ns)


def _observe(bench: Bench, courses: Sequence[Course], say: Say) -> None:
    """Watch until it is over: healthy and quiet, in a person's hands, or out of time."""
    under_way = [course for course in courses if course.landed_ns is not None and not course.void]
    if under_way:
        say("landed; a decoy: hands off" if under_way[0].contract.decoy else "landed; orderd's turn")
    while under_way:
        bench.check()
        for course in [each for each in under_way if _over(bench, each)]:
            course.ended_ns = bench.now_ns()
            under_way.remove(course)
        time.sleep(POLL_S)
    for course in courses:
        course.ended_ns = course.ended_ns or bench.now_ns()


def _over(bench: Bench, course: Course) -> bool:
    assert course.landed_ns is not None
    since = (bench.now_ns() - course.landed_ns) / NS_PER_S
    course.healthy_ns = course.symptom.healthy(bench.prober, course.landed_ns, HOLD_S)
    if course.contract.decoy:
        settled = course.healthy_ns is not None and bench.now_ns() - course.healthy_ns > (HOLD_S + DECOY_SETTLE_S) * NS_PER_S
        if not settled and since > DECOY_TIMEOUT_S and isinstance(course.symptom, StillThere):
            # What is fine may go on for as long as it likes: the services have to be good meanwhile.
            course.healthy_ns = course.symptom.before.healthy(bench.prober, course.landed_ns, HOLD_S)
        elif not settled and since > DECOY_TIMEOUT_S and bench.stands(course.experiment):
            course.healthy_ns = _well_beside(bench, course)
        return settled or since > DECOY_TIMEOUT_S
    heard = about([h.record for h in bench.heard(course.began_ns)], _beside(bench, course))
    silence_s = NAMELESS_TIMEOUT_S if course.contract.failure is Failure.UNKNOWN else SILENCE_TIMEOUT_S
    if since > HEAL_TIMEOUT_S or (not heard and since > silence_s):
        return True
    escalated = any(record.state == "escalated" for record in heard)
    return bool(heard) and not open_incidents(heard) and (course.healthy_ns is not None or escalated)


def _well_beside(bench: Bench, course: Course) -> int | None:
    """Return when all was good but what a decoy itself is: a service that was stopped on purpose is meant to be silent."""
    others = [check for check in bench.checks if check not in course.symptom.checks]
    held = bench.prober.all_held(others, bench.now_ns() - int((HOLD_S + 3 * POLL_S) * NS_PER_S), HOLD_S)
    return bench.now_ns() if held else None


def _revert(bench: Bench, course: Course) -> None:
    if course.void and course.landed_ns is None:
        return  # an injection that fails takes back what it began
    if why := bench.guarded(course.experiment):
        course.void = course.void or f"the guard on the host took it back: {why}"
    try:
        bench.injector.revert(course.experiment)
    except ChaosError as error:
        course.void = course.void or f"it could not be reverted: {error}"


def _settled(bench: Bench, before: snapshot.Snapshot) -> snapshot.Snapshot:
    """Return the inventory once the host is calm: what only passes through is not residue."""
    _steady(bench)
    after = snapshot.take(bench.host)
    for _ in range(RESIDUE_LOOKS):
        if not snapshot.residue(before, after):
            break
        time.sleep(RESIDUE_PATIENCE_S)
        after = snapshot.take(bench.host)
    return after


def _concluded(bench: Bench, course: Course, touched: list[str], residue: list[str]) -> tuple[Run, RunDetails]:
    everything = bench.heard(course.began_ns)
    beside = _beside(bench, course)
    kept = about([h.record for h in everything], beside)
    heard = [h for h in everything if h.record in kept]
    evidence = Evidence(
        fault=course.experiment.fault,
        target=course.target,
        failure=str(course.contract.failure),
        intensity=_intensity(course),
        decoy=course.contract.decoy,
        curable=bool(course.contract.cures),
        with_it=_with_it(bench, course),
        beside=beside,
        void=course.void,
        landed_ns=course.landed_ns,
        healthy_ns=course.healthy_ns,
        decisions=[h.record for h in heard],
        touched=touched,
        residue=residue,
    )
    seen = _details(bench, course, heard)
    if course.process:
        bench.prober.forget(course.process)
    run = judge(evidence)
    return structs.replace(run, beside=[other.experiment.fault for other in course.others] or UNSET), seen


def _beside(bench: Bench, course: Course) -> list[str]:
    """Return what else was broken at the same time, and what that broke besides its targets, ``kind:key``; nothing of its own."""
    own = {course.target, *_with_it(bench, course)}
    others = {what for other in course.others for what in (other.target, *_with_it(bench, other))}
    return sorted(others - own)


def _with_it(bench: Bench, course: Course) -> list[str]:
    """Return what a fault breaks besides its target: its units, and the processes that the one it started has started."""
    units = [f"{EntityKind.UNIT}:{unit}" for unit in sorted(_broken_units(course))]
    namesakes = bench.prober.series(f"{course.process}:namesakes").since(0) if course.process else ()
    return units + sorted({f"{EntityKind.PROCESS}:{probe.why}" for probe in namesakes})


def _intensity(course: Course) -> Intensity | None:
    unit = course.contract.intensity.unit
    return None if unit == "none" else Intensity(value=course.experiment.intensity, unit=unit)


def _details(bench: Bench, course: Course, heard: list[Heard]) -> RunDetails:
    """Return what the report draws: the run from shortly before the landing to shortly after it was over."""
    zero = course.landed_ns or course.began_ns
    end = course.ended_ns or bench.now_ns()
    start = zero - BEFORE_NS
    series = bench.prober.series
    checks = sorted(bench.checks, key=lambda check: check not in course.symptom.checks)
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
        took_s=round((bench.now_ns() - course.began_ns) / NS_PER_S, 3),
        process=course.process,
    )


def _quiet(bench: Bench, length_s: float, say: Say) -> tuple[Run, RunDetails]:
    """Do nothing for a while and see whether orderd repairs something."""
    say("waiting for a steady state")
    began_ns = bench.now_ns()
    bench.prober.forget_before(began_ns - 2 * NS_PER_S)
    void = "" if _steady(bench) else f"the host was not healthy, and nobody had broken it: {_complaints(bench)}"
    before = snapshot.take(bench.host)
    quiet_ns = bench.now_ns()
    say(f"quiet for {length_s:.0f} s")
    bench.pause(0.0 if void else length_s)
    over_ns = bench.now_ns()
    after = _settled(bench, before)
    heard = bench.heard(quiet_ns)
    evidence = Evidence(
        fault=QUIET,
        target=QUIET_TARGET,
        failure="ok",
        intensity=None,
        decoy=True,
        void=void,
        landed_ns=quiet_ns,
        healthy_ns=quiet_ns,
        decisions=[h.record for h in heard],
        touched=snapshot.touched(before, after, set()),
        residue=snapshot.residue(before, after),
    )
    symptom, series = Unseen(), bench.prober.series
    seen = RunDetails(
        summary=f"Nothing was broken for {length_s:.0f} s.",
        start_s=0.0,
        end_s=(over_ns - quiet_ns) / NS_PER_S,
        strips=[details.strip(LABELS[check], series(check).since(quiet_ns, over_ns), quiet_ns) for check in bench.checks],
        signals=[
            details.signal(curve.label, curve.unit, list(series(curve.check).since(quiet_ns, over_ns)), quiet_ns, curve.limit)
            for curve in symptom.curves
        ],
        said=[details.said(h.record, h.first_ns, quiet_ns) for h in heard],
        took_s=round((bench.now_ns() - began_ns) / NS_PER_S, 3),
    )
    return judge(evidence), seen

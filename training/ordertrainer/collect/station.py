"""One host under observation: the prober that says what is true, the injector that breaks it, the samples that arrive.

Touches: one disposable host, through the prober and the injector.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from orderd.domain.faults import EntityKind
from ordertrainer.chaos import Experiment, FaultContract, Injector, PlaybookError
from ordertrainer.collect.errors import Discarded, HostLost, Interrupted
from ordertrainer.collect.plan import Task
from ordertrainer.drill.prober import Prober
from ordertrainer.drill.series import NS_PER_S
from ordertrainer.drill.symptoms import LABELS, Symptom, symptom_of
from ordertrainer.ground import DisposableHost

POLL_S: Final = 0.05
HOLD_S: Final = 1.0
STEADY_TIMEOUT_S: Final = 30.0
LAND_MARGIN_S: Final = 3.0
TELEMETRY_TIMEOUT_S: Final = 20.0
ALL_CHECKS: Final = tuple(LABELS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """What a run works with.

    Attributes:
        host: is up; orderd observes it.
        host_id: of its telemetry.
        prober: of this host.
        injector: for this host.
        newest_ns: tells the time of the newest sample that arrived, 0 before the first.
        stop: is set when collecting shall end.
    """

    host: DisposableHost
    host_id: str
    prober: Prober
    injector: Injector
    newest_ns: Callable[[], int]
    stop: threading.Event

    def pause(self, seconds: float) -> None:
        """Let time pass.

        Raises:
            Interrupted: collecting shall end.
            InstrumentLost: the prober ended.
        """
        self.prober.check()
        if self.stop.wait(seconds):
            raise Interrupted

    def until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until a condition holds; tell whether it did in time.

        Raises:
            Interrupted: collecting shall end.
            InstrumentLost: the prober ended.
        """
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                return False
            self.pause(POLL_S)
        return True

    def await_steady(self, symptom: Symptom | None = None) -> None:
        """Wait until every probe has been good for a while, and what was broken is gone.

        Raises:
            Discarded: it did not happen in time; says which probe complains.
        """
        since = time.monotonic_ns()

        def steady() -> bool:
            gone = symptom is None or symptom.healthy(self.prober, since, HOLD_S) is not None
            return gone and self.prober.all_held(ALL_CHECKS, since, HOLD_S)

        if not self.until(steady, STEADY_TIMEOUT_S):
            raise Discarded(f"not steady within {STEADY_TIMEOUT_S:g} s: {self._complaints()}")

    def await_landing(self, symptom: Symptom, experiment: Experiment, contract: FaultContract, since_ns: int) -> int:
        """Return when the fault landed, as seen by the prober or else by the witness on the host.

        Raises:
            Discarded: nobody saw it.
        """
        within_s = contract.landed_within_s + LAND_MARGIN_S
        if self.until(lambda: symptom.landed(self.prober, since_ns) is not None, within_s):
            return max(since_ns, symptom.landed(self.prober, since_ns) or since_ns)
        try:
            landing = self.injector.landing(experiment)
        except PlaybookError as error:
            raise Discarded(f"whether it landed is unknown: {error}") from error
        if not landing.seen:
            raise Discarded("it did not land")
        return max(since_ns, landing.monotonic_ns)

    def await_samples(self, after_ns: int) -> None:
        """Wait until a sample taken after a moment has arrived.

        Raises:
            HostLost: none came: orderd or its uplink is broken there.
        """
        if not self.until(lambda: self.newest_ns() >= after_ns, TELEMETRY_TIMEOUT_S):
            raise HostLost(f"{self.host.name}: no sample arrived for {TELEMETRY_TIMEOUT_S:g} s; see `journalctl -u orderd` there")

    def forget(self) -> None:
        """Drop what the prober saw more than a moment ago."""
        self.prober.forget_before(time.monotonic_ns() - 2 * NS_PER_S)

    def _complaints(self) -> str:
        seen = {check: self.prober.series(check).last for check in ALL_CHECKS}
        return "; ".join(f"{check}: {probe.why}" for check, probe in seen.items() if probe and not probe.ok) or "it flickers"


def process_of(task: Task) -> str:
    """Return the name of the process the task's fault starts, empty when it starts none."""
    if task.contract is None or task.experiment is None or task.contract.target is not EntityKind.PROCESS:
        return ""
    return str(task.experiment.parameters.get("name", ""))


def symptom_for(task: Task) -> Symptom:
    """Return how the task's fault shows to the prober."""
    assert task.contract is not None
    assert task.experiment is not None
    return symptom_of(task.experiment.fault, task.contract.target, task.experiment.target, process_of(task))

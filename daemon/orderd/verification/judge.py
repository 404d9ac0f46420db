"""Judge a repair by the target's signals over time. Pure; the state is the time of the first healthy sample of the hold."""

from orderd.domain.clock import Instant
from orderd.domain.faults import Entity
from orderd.domain.repairs import Verify
from orderd.domain.values import Sample, Verdict


class Verification:
    """Watches one target after a repair until it was healthy for ``hold_s``, or ``within_s`` is over."""

    def __init__(self, *, verify: Verify, target: Entity, started: Instant) -> None:
        """Start watching.

        Args:
            verify: the contract's condition, hold and limit.
            target: the repaired entity.
            started: when the playbook ended; older samples do not count.
        """
        self._verify = verify
        self._target = target
        self._started = started
        self.healthy_since: Instant | None = None
        self.unmet = "not sampled since the repair"

    def judge(self, sample: Sample) -> Verdict:
        """Take one more sample into account.

        Args:
            sample: the newest sample.

        Returns:
            HEALTHY once the hold is complete, UNHEALTHY once the limit has passed, PENDING before.
        """
        if sample.at.mono_ns <= self._started.mono_ns:
            return Verdict.PENDING
        self.unmet = self.unmet_by(sample)
        if self.unmet:
            self.healthy_since = None
        elif self.healthy_since is None:
            self.healthy_since = sample.at
        if self.healthy_since is not None and sample.at.seconds_since(self.healthy_since) >= self._verify.hold_s:
            return Verdict.HEALTHY
        if sample.at.seconds_since(self._started) >= self._verify.within_s:
            return Verdict.UNHEALTHY
        return Verdict.PENDING

    def unmet_by(self, sample: Sample) -> str:
        """Return what a sample does not show of what the repair was to make true, empty when it shows all."""
        row = sample.row(self._target)
        if row is None and str(self._target.kind) in sample.failed_collectors:
            return f"{self._target} cannot be seen: collector {self._target.kind} fails"
        if row is None:
            return "" if self._verify.absent_is_healthy else f"{self._target} is gone"
        return self._verify.healthy.unmet(row.values)

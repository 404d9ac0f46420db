"""Values that many tests need: decisions, steps, and a clock that obeys."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent / "support"))

from orderd.domain.clock import Instant
from orderd.domain.faults import Entity, Failure
from orderd.domain.values import (
    Action,
    Candidate,
    Decision,
    Diagnosis,
    IncidentState,
    Reason,
    RepairOutcome,
    Source,
    Step,
)

# No example has a time limit: these machines are shared. Continuous integration tries the same ones every time, people new ones.
settings.register_profile("ours", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("ours")

_NEED_TORCH = {"confidence", "nets", "imitation", "evaluation", "export", "inference", "policy", "prefer", "rules", "sim"}


@dataclass
class ManualClock:
    """Both clocks, moved by hand."""

    mono_ns: int = 5_000_000_000
    utc_ns: int = 1_795_000_000_000_000_000

    def now(self) -> Instant:
        """Return the moment that was set."""
        return Instant(mono_ns=self.mono_ns, utc_ns=self.utc_ns)

    def advance(self, seconds: float) -> None:
        """Let time pass on both clocks."""
        self.mono_ns += int(seconds * 1e9)
        self.utc_ns += int(seconds * 1e9)

    def jump(self, seconds: float) -> None:
        """Set the wall clock; monotonic time does not notice."""
        self.utc_ns += int(seconds * 1e9)


@pytest.fixture
def manual_clock() -> ManualClock:
    """Return a clock moved by hand."""
    return ManualClock()


_DECISION = Decision(
    decision_id="d0000000000010000",
    incident_id="i0000000000010000",
    at=Instant(mono_ns=2_050_000_000, utc_ns=1_795_000_000_050_000_000),
    detected_at=Instant(mono_ns=2_000_000_000, utc_ns=1_795_000_000_000_000_000),
    diagnosis=Diagnosis(
        failure=Failure.SERVICE_DOWN,
        entity=Entity.parse("unit:nginx.service"),
        probability=0.97,
        source=Source.MODEL,
        evidence="unit_active_ratio 0",
    ),
    other_diagnosis=None,
    action=Action.REPAIR,
    repair="start",
    reason=Reason.ALLOWED,
    detail="first usable rung",
    candidates=(
        Candidate(repair="start", rung=0),
        Candidate(repair="unmask_start", rung=1, refused_because="unit_masked_ratio eq 1"),
    ),
    model_version="1",
    provider="CPUExecutionProvider",
)


@pytest.fixture
def make_decision() -> Callable[..., Decision]:
    """Return a maker of decisions; ``number`` orders them, other fields replace the defaults."""

    def make(number: int = 1, **fields: Any) -> Decision:
        ids = {"decision_id": f"d{number:012x}0000", "incident_id": f"i{number:012x}0000"}
        return replace(_DECISION, **(ids | fields))

    return make


@pytest.fixture
def make_step() -> Callable[..., Step]:
    """Return a maker of steps of a decision."""

    def make(decision: Decision, state: IncidentState, what: str, **fields: Any) -> Step:
        at = Instant(mono_ns=decision.at.mono_ns + 300_000_000, utc_ns=decision.at.utc_ns + 300_000_000)
        outcome = RepairOutcome.SUCCEEDED if what == "finished" else None
        return replace(Step(decision_id=decision.decision_id, at=at, state=state, what=what, outcome=outcome), **fields)

    return make


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Compute on one thread: small tensors are fastest so, repeat to the bit, and these machines are shared."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Return a folder that other users may enter.

    None below tmp_path is: every pytest that starts closes the folder that all of them share to other users.
    """
    with tempfile.TemporaryDirectory(prefix="orderd-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Work off two queues where two processes were asked for."""
    from queues import TwoQueues

    return TwoQueues(config, log)


def pytest_collection_modifyitems(items):
    """Load torch's compiler before any test imports Ansible, which replaces sys.intern by something torch refuses."""
    if any(_NEED_TORCH & set(item.path.parts) for item in items):
        import torch._dynamo  # noqa: F401

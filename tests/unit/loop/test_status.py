"""What status says does not work: every part by name."""

from types import SimpleNamespace

import pytest

from orderd.catalogue import Catalogue
from orderd.config import Config
from orderd.decision import GuardMemory
from orderd.decision.kept import KeptInMemory
from orderd.domain.clock import SystemClock
from orderd.domain.values import ModelInfo, Sample
from orderd.loop.hands import Hands
from orderd.loop.parts import NoBudget, NoChanges
from orderd.loop.status import Status
from orderd.loop.vitals import Vitals


@pytest.fixture
def make_status(tmp_path):
    """Return a maker of statuses of a host on which all is well, but for what is given."""

    def make(*, info=None, refused=None, journal_error="", lost=0, trainer="", identity="", notifier="", failed=(), executor=""):
        clock, config = SystemClock(), Config()
        now = clock.now()
        memory = GuardMemory(config=config, repairs={}, keep=KeptInMemory(), now=now, boot_id="b", ticket_id=lambda: "t1")
        vitals = Vitals(config, clock)
        vitals.executor = executor
        newest = Sample(at=now, cause="timer", host=(), entities=(), failed_collectors=failed)
        loop = SimpleNamespace(
            newest=newest,
            opinions=(),
            samples=1,
            open_incidents=0,
            journal_error=journal_error,
            memory=memory,
            vitals=vitals,
            hands=Hands(NoChanges(), memory),
            book=SimpleNamespace(lost=lost),
        )
        parts = SimpleNamespace(
            config=config,
            clock=clock,
            inference=SimpleNamespace(info=info or ModelInfo(loaded=True)),
            budget=NoBudget(),
            identity=SimpleNamespace(name="", remaining_s=0.0, problem=identity),
            notifier=SimpleNamespace(problem=notifier),
        )
        catalogue = Catalogue(directory=tmp_path, repairs={}, refused=refused or {})
        uplink = SimpleNamespace(sent=0, waiting=0, problem=trainer)
        return Status(loop=loop, parts=parts, catalogue=catalogue, uplink=uplink, host_id="h")

    return make


def test_a_host_that_lacks_nothing_is_not_degraded(make_status):
    """Nothing missing, nothing said."""
    assert make_status().now().degraded == ()


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ({"info": ModelInfo(loaded=False, why="model.onnx: no")}, "rules decide alone: model.onnx: no"),
        ({"info": ModelInfo(loaded=True, why="x; y decides instead")}, "the installed model is refused: x; y decides instead"),
        ({"refused": {"mend": "no contract"}}, "repair mend is refused: no contract"),
        ({"journal_error": "disk full"}, "no repairs: disk full"),
        ({"lost": 2}, "2 steps of decisions could not be recorded and are lost"),
        ({"trainer": "UNAVAILABLE"}, "telemetry waits: UNAVAILABLE"),
        ({"identity": "the certificate has expired"}, "the certificate has expired"),
        ({"notifier": "people are not told of everything"}, "people are not told of everything"),
        ({"failed": ("nic",)}, "collector nic fails: its signals are missing"),
        ({"executor": "nobody listens"}, "no repairs: nobody listens"),
    ],
)
def test_each_part_that_does_not_work_is_said(make_status, missing, said):
    """One sentence each, with its own words."""
    assert make_status(**missing).now().degraded == (said,)

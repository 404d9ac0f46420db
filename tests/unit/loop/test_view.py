"""What status says is missing."""

from types import SimpleNamespace

from orderd.catalogue import Catalogue
from orderd.config import Config
from orderd.decision import Holds
from orderd.domain.clock import SystemClock
from orderd.domain.values import ModelInfo
from orderd.loop.status import LoopView


def view(tmp_path, *, info=None, refused=None, journal_error="", problem=""):
    loop = SimpleNamespace(newest=None, opinions=(), holds=Holds(), samples=0, open_incidents=0, journal_error=journal_error)
    return LoopView(
        loop=loop,
        config=Config(),
        catalogue=Catalogue(directory=tmp_path, repairs={}, refused=refused or {}),
        inference=SimpleNamespace(info=info or ModelInfo(loaded=True)),
        uplink=SimpleNamespace(sent=0, waiting=0, problem=problem),
        host_id="h",
        clock=SystemClock(),
    )


def test_a_host_that_lacks_nothing_is_not_degraded(tmp_path):
    """Nothing missing, nothing said."""
    assert view(tmp_path).status().degraded == ()


def test_a_model_that_is_not_loaded_is_said_with_the_reason(tmp_path):
    """Rules decide, and status says why."""
    info = ModelInfo(loaded=False, why="model.onnx: differs from its manifest")
    assert view(tmp_path, info=info).status().degraded == ("rules decide alone: model.onnx: differs from its manifest",)


def test_a_refused_repair_is_said_by_name(tmp_path):
    """The rest serve; what does not is named."""
    assert view(tmp_path, refused={"mend": "no contract"}).status().degraded == ("repair mend is refused: no contract",)


def test_an_unreachable_trainer_and_a_full_journal_are_said(tmp_path):
    """Each with its own words."""
    said = view(tmp_path, journal_error="disk full", problem="UNAVAILABLE").status().degraded
    assert said == ("no repairs: disk full", "telemetry waits: UNAVAILABLE")

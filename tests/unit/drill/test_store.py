import random

import msgspec
import pytest

from ordertrainer.chaos import draw, load_faults
from ordertrainer.drill import store
from ordertrainer.drill.battery import FAULTS_DIR, Item
from ordertrainer.drill.details import RunDetails
from ordertrainer.drill.errors import DrillError
from ordertrainer.drill.result import Model, Run, Times
from ordertrainer.drill.store import DoneItem, Outline, fresh, interrupted

EXPERIMENT = draw(random.Random(1), load_faults(FAULTS_DIR).faults["disk_fill"])
OUTLINE = Outline(
    battery="smoke", faults=("disk_fill",), seed=1, hosts=2, items=(Item(number=1, experiments=(EXPERIMENT,)), Item(number=2))
)
RUN = Run(
    fault="disk_fill", target="mount:/srv/data", intensity=None, decoy=False, landed=True, diagnosis=None, repair=None,
    seconds=Times(detected=1.0), outcome="not_seen", reason="", touched_healthy=False, residue=[], right_end="escalated",
)  # fmt: skip
SEEN = RunDetails(summary="x", start_s=0.0, end_s=1.0, strips=[], signals=[], said=[], took_s=2.0)


def done(number):
    return DoneItem(number=number, host="a", runs=(RUN,), details=(SEEN,), model=Model(), version="1", took_s=3.0)


def test_nothing_is_written_before_there_is_something_to_keep(tmp_path):
    """A drill that is interrupted before its first run is over leaves no folder."""
    fresh(tmp_path, OUTLINE)
    assert list(tmp_path.iterdir()) == []


def test_what_was_done_and_the_plan_survive(tmp_path):
    """Another process finds the same plan, experiments and all, and the same runs, in the plan's order."""
    first = fresh(tmp_path, OUTLINE)
    for number in (2, 1):
        first.keep(done(number))
    again = interrupted(tmp_path)
    assert again.outline == OUTLINE
    assert again.done() == [done(1), done(2)]


def test_the_newest_interrupted_drill_goes_on(tmp_path):
    """Of several folders the newest one that is not finished is taken; a link does not count."""
    for name in ("20260101T000000Z", "20260102T000000Z", "20260103T000000Z"):
        store.Store(tmp_path / name, OUTLINE).keep(done(1))
    (tmp_path / "20260103T000000Z" / "drill.json").write_text("{}")
    (tmp_path / "latest").symlink_to("20260101T000000Z")
    assert interrupted(tmp_path).directory.name == "20260102T000000Z"


@pytest.mark.parametrize("folder", ["finished", "empty"])
def test_a_drill_that_cannot_go_on_is_refused(tmp_path, folder):
    """A finished drill and a folder without a plan are told apart from an interrupted one, by name."""
    (tmp_path / folder).mkdir()
    if folder == "finished":
        store.Store(tmp_path / folder, OUTLINE).keep(done(1))
        (tmp_path / folder / "drill.json").write_text("{}")
    with pytest.raises(DrillError, match=folder):
        interrupted(tmp_path, tmp_path / folder)


def test_without_any_interrupted_drill_there_is_nothing_to_go_on_with(tmp_path):
    """`--resume` with nothing to resume says so."""
    with pytest.raises(DrillError, match="holds no drill that was interrupted"):
        interrupted(tmp_path)


def test_a_damaged_plan_is_refused(tmp_path):
    """A plan with a key nobody knows is not carried out half-understood."""
    first = fresh(tmp_path, OUTLINE)
    first.keep(done(1))
    plan = first.directory / "plan.json"
    plan.write_bytes(msgspec.json.encode(msgspec.json.decode(plan.read_bytes()) | {"force": True}))
    with pytest.raises(DrillError, match="force"):
        interrupted(tmp_path)


def test_two_drills_that_begin_at_once_have_folders_of_their_own(tmp_path):
    """A second drill within the same second does not write into the first one's folder."""
    first = fresh(tmp_path, OUTLINE)
    first.keep(done(1))
    assert fresh(tmp_path, OUTLINE).directory != first.directory

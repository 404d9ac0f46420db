import msgspec
import pytest

from orderd.domain.faults import Failure
from ordertrainer.collect.ledger import Ledger
from ordertrainer.dataset import Label, read_labels

QUIET = Label(
    run_id="r1", host_id="h", fault="", failure=Failure.OK, entity="", target="", intensity=None, decoy=False, began_mono_ns=1,
    armed_mono_ns=2, landed_mono_ns=2, ended_mono_ns=2, clean_mono_ns=2, seed=0, split="train",
)  # fmt: skip


def test_the_same_command_goes_on_where_it_was_stopped(tmp_path):
    """A ledger counts the runs of earlier sessions, of its own split only."""
    first = Ledger(tmp_path, "train", 2)
    assert (first.total, first.enough) == (0, False)
    first.write(QUIET)
    second = Ledger(tmp_path, "train", 2)
    assert (second.total, second.before) == (1, 1)
    second.write(msgspec.structs.replace(QUIET, run_id="r2"))
    assert second.enough
    assert Ledger(tmp_path, "test", 2).total == 0


def test_only_complete_runs_are_written(tmp_path):
    """What was discarded is counted and leaves no line."""
    ledger = Ledger(tmp_path, "train", 2)
    ledger.write(QUIET)
    ledger.discard("disk_fill")
    assert [label.run_id for label in read_labels(tmp_path)] == ["r1"]
    assert ledger.discarded == {"disk_fill": 1}


@pytest.mark.parametrize("keep", [3, 40])
def test_a_line_cut_by_a_crash_is_named(tmp_path, keep):
    """Half a label is an error with its line, never a silent loss of the rest."""
    from ordertrainer.dataset import DatasetError

    ledger = Ledger(tmp_path, "train", 2)
    ledger.write(QUIET)
    path = tmp_path / "labels.jsonl"
    path.write_bytes(path.read_bytes() + path.read_bytes()[:keep])
    with pytest.raises(DatasetError, match=r"labels\.jsonl:2"):
        Ledger(tmp_path, "train", 2)

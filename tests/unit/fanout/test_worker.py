"""What a worker answers: it does what it was asked, where that means the same; it never raises."""

import pickle
from functools import partial

import pytest

import fantasks
from ordertrainer.fanout import Task
from ordertrainer.fanout.sources import digest, digest_here
from ordertrainer.fanout.worker import DONE, FAILED, REFUSED, carry_out


def packed(work, **fields):
    return pickle.dumps(Task(name="it", seed=1, work=work, **fields))


def test_a_task_is_done_and_its_result_travels():
    """As plain bytes."""
    ended, _, result = carry_out(packed(partial(fantasks.lot, 4)), digest_here())
    assert ended == DONE
    assert pickle.loads(result) == fantasks.lot(4, lambda _: None)


def test_a_task_of_other_sources_is_refused_unopened():
    """What was sent may not even be understood here."""
    ended, said, result = carry_out(b"no pickle at all", "0" * 64)
    assert (ended, result) == (REFUSED, b"")
    assert "runs other sources" in said


@pytest.mark.parametrize(
    ("sent", "said", "traced"),
    [
        (packed(fantasks.fail), "KeyError: 'an entry' [on ", True),
        (packed(fantasks.refuse, refusals=(ValueError,)), "ValueError: there is no such thing [on ", False),
        (b"no pickle at all", "UnpicklingError: ", True),
    ],
)
def test_what_a_task_raises_comes_home_in_words(sent, said, traced):
    """With where it was, and a trace unless the message says all."""
    ended, told, trace = carry_out(sent, digest_here())
    assert ended == FAILED
    assert told.startswith(said)
    assert (b"Traceback" in trace) == traced


def test_any_change_of_a_source_changes_the_digest(tmp_path):
    """Of a byte, of a name, of what is installed; what is no source does not count."""
    file, other = tmp_path / "a.py", tmp_path / "b.yml"
    file.write_text("x = 1\n", encoding="utf-8")
    other.write_text("y: 1\n", encoding="utf-8")
    seen = [digest((tmp_path,), ["torch 1"])]
    (tmp_path / "a.pyc").write_bytes(b"anything")
    assert digest((tmp_path,), ["torch 1"]) == seen[0]
    seen.append(digest((tmp_path,), ["torch 2"]))
    file.write_text("x = 2\n", encoding="utf-8")
    seen.append(digest((tmp_path,), ["torch 1"]))
    file.rename(tmp_path / "c.py")
    seen.append(digest((tmp_path,), ["torch 1"]))
    other.unlink()
    seen.append(digest((tmp_path,), ["torch 1"]))
    assert len(set(seen)) == len(seen)


def test_the_digest_is_of_both_programs_and_their_playbooks():
    """What a result depends on is there, and found."""
    from ordertrainer.fanout.sources import folders

    assert {folder.name for folder in folders()} == {"orderd", "ordertrainer", "faults", "repairs"}
    assert all(folder.is_dir() for folder in folders())

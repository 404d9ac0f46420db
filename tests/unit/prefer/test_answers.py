"""The file of answers: nothing that somebody said is lost, and nothing is made up."""

import os

import pytest

from ordertrainer.prefer import answers as answers_module
from ordertrainer.prefer.answers import Answer, AnswersFile, Said, question, read_answers
from ordertrainer.prefer.bills import COLUMNS, Bill
from ordertrainer.prefer.errors import PreferError


def answer(number=1, said=Said.A):
    """Return an answer."""
    return Answer(a=Bill(trouble_s=float(number), repair=1.0), b=Bill(call=1.0), said=said, scene="redis: stopped.")


@pytest.fixture
def file(tmp_path):
    """Return a place for answers, in a folder that is not there yet."""
    return tmp_path / "answers" / "of me.jsonl"


def test_what_is_kept_is_read_again(file):
    """By the next sitting, which adds to it."""
    with AnswersFile.opened(file) as kept:
        kept.append(answer(1))
    with AnswersFile.opened(file) as kept:
        assert kept.answers == [answer(1)]
        kept.append(answer(2, Said.SKIP))
    assert read_answers(file) == [answer(1), answer(2, Said.SKIP)]


def test_a_torn_line_is_cut_off_before_anything_is_added(file):
    """As a crash leaves it; the answers before it are whole, and so are those after it."""
    with AnswersFile.opened(file) as kept:
        kept.append(answer(1))
    with file.open("ab") as stream:
        stream.write(b'{"a":{"trouble_s":3')
    assert read_answers(file) == [answer(1)]
    with AnswersFile.opened(file) as kept:
        kept.append(answer(2))
    assert read_answers(file) == [answer(1), answer(2)]


@pytest.mark.parametrize("line", [b"{}", b"no json", b'{"a":{},"b":{},"said":"maybe"}', b'{"a":{"trouble":1},"b":{},"said":"a"}'])
def test_a_line_that_is_no_answer_is_refused_by_number(file, line):
    """Neither skipped nor cut off: it may be somebody's hours."""
    with AnswersFile.opened(file) as kept:
        kept.append(answer(1))
    with file.open("ab") as stream:
        stream.write(line + b"\n")
    with pytest.raises(PreferError, match="line 2 is no answer"):
        read_answers(file)
    with pytest.raises(PreferError, match="line 2"), AnswersFile.opened(file):
        pass
    assert file.read_bytes().endswith(line + b"\n")


def test_two_sittings_do_not_write_one_file(file):
    """The second one is refused, and the first goes on."""
    with AnswersFile.opened(file) as kept:
        with pytest.raises(PreferError, match="another"), AnswersFile.opened(file):
            pass
        kept.append(answer(1))
    assert read_answers(file) == [answer(1)]


def test_an_answer_that_cannot_be_kept_leaves_nothing(file, monkeypatch):
    """On a full disk it is refused, and the next one is whole again."""

    def full(*_):
        raise OSError(28, "No space left on device")

    with AnswersFile.opened(file) as kept:
        kept.append(answer(1))
        with monkeypatch.context() as broken:
            broken.setattr(answers_module.os, "fsync", full)
            with pytest.raises(PreferError, match="No space left"):
                kept.append(answer(2))
        assert kept.answers == [answer(1)]
        kept.append(answer(3))
    assert read_answers(file) == [answer(1), answer(3)]


def test_an_answer_is_on_disk_before_the_next_question(file, monkeypatch):
    """The file is synced after the line was written, at every answer."""
    synced = []
    with AnswersFile.opened(file) as kept:
        monkeypatch.setattr(answers_module.os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_size))
        kept.append(answer(1))
        kept.append(answer(2))
    sizes = [len(line) for line in file.read_bytes().splitlines(keepends=True)]
    assert synced == [sizes[0], sum(sizes)]


def test_a_question_is_the_same_in_both_directions_and_on_every_host():
    """What is told apart is what differs between the plans."""
    one, other = Bill(trouble_s=30.0, call=1.0), Bill(trouble_s=5.0, repair=1.0)
    more = {"one": Bill(trouble_s=40.0, call=1.0, risk=2.0), "other": Bill(trouble_s=15.0, repair=1.0, risk=2.0)}
    assert question(one, other) == question(other, one) == question(more["one"], more["other"])
    assert question(one, other) != question(one, Bill(trouble_s=6.0, repair=1.0))


def test_a_bill_has_a_place_for_every_weight():
    """In the order of the columns, trouble first."""
    assert tuple(Bill.__struct_fields__) == COLUMNS
    assert Bill(trouble_s=3.0, false_call=1.0).row == (3.0, 0, 0, 0, 0, 0, 0, 1.0)


def test_a_file_that_is_not_there_says_how_to_make_one(tmp_path):
    """The verb that asks is named."""
    with pytest.raises(PreferError, match="ordertrainer compare --answers"):
        read_answers(tmp_path / "none.jsonl")

"""Trainings from several seeds: each is what it would be alone, each lies in its own folder, and their mean has an interval."""

import json
import math

import pytest
import torch

from ordertrainer.fanout import TaskFailedError, fan_out, sealed
from ordertrainer.policy.checkpoint import read_policy
from ordertrainer.policy.following import Following
from ordertrainer.policy.iterations import BEST, HISTORY, LAST, Bounds
from ordertrainer.policy.overseeds import mean, report, table
from ordertrainer.policy.several import Training, begun, folder, trainings
from ordertrainer.policy.sitting import Machine


@pytest.fixture
def model(brief, tmp_path):
    """Return a training of one short iteration."""
    bounds = Bounds(iterations=1)
    return Training(out=tmp_path / "out", settings=brief, bounds=bounds, machine=Machine())


def test_each_seed_trains_as_it_would_alone(model, train, brief, tmp_path):
    """In its own folder, to the bit; what it came to is told, in the order of seeds."""
    shares = []
    with sealed(tmp_path / "out") as seal:
        found = fan_out(trainings(model, [5, 6], seal), tick=lambda _, share: shares.append(share))
    assert not list((tmp_path / "out").glob(".seal-*"))
    assert [each["seed"] for each in found] == [5, 6]
    assert shares == sorted(shares)
    train(tmp_path / "alone", settings=brief, iterations=1)
    alone, here = (read_policy(path)["weights"] for path in (tmp_path / "alone" / BEST, folder(tmp_path / "out", 5) / BEST))
    assert all(torch.equal(alone[name], here[name]) for name in alone)
    told = report(found)
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert told["mean"]["worth"]["value"] == pytest.approx(sum(each["tune"]["worth"] for each in found) / 2)
    assert table(found).row_count == 3
    assert begun(tmp_path / "out", [4, 5, 6]) == [folder(tmp_path / "out", 5), folder(tmp_path / "out", 6)]


def test_a_folder_that_is_not_the_drivers_is_refused(model, tmp_path):
    """A worker that sees another file system would leave its training where nobody finds it."""
    with pytest.raises(TaskFailedError, match=r"training of seed 5 \(seed 5\): NotSharedError: .* one that all workers share"):
        fan_out(trainings(model, [5], tmp_path / "elsewhere"))
    assert not folder(tmp_path / "out", 5).exists()


def test_new_lines_of_a_history_are_told_once(tmp_path):
    """Those that were there before are not, and a folder that is not there yet has none."""
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    (one / HISTORY).write_text('{"iteration": 0}\n', encoding="utf-8")
    heard = []
    following = Following({"seed 1": one, "seed 2": other}, lambda name, line: heard.append((name, line["iteration"])))
    following.look(now=True)
    assert not heard
    (one / HISTORY).write_text('{"iteration": 0}\n{"iteration": 1}\n', encoding="utf-8")
    other.mkdir()
    (other / HISTORY).write_text('{"iteration": 0}\n', encoding="utf-8")
    following.look()
    assert not heard, "looked twice within a second"
    following.look(now=True)
    following.look(now=True)
    assert heard == [("seed 1", 1), ("seed 2", 0)]


@pytest.mark.parametrize(
    ("values", "half"), [([1.0, 2.0, 3.0], 4.303 / math.sqrt(3)), ([0.0, 1.0], 12.706 / 2), ([0.5] * 40, 0.0)]
)
def test_the_interval_of_a_few_seeds_is_students(values, half):
    """Three seeds are few, and their interval is wide."""
    found = mean(values)
    assert found["high"] - found["value"] == pytest.approx(half, abs=1e-9)
    assert found["value"] - found["low"] == pytest.approx(half, abs=1e-9)


def test_what_one_seed_has_no_number_for_has_no_mean():
    """As where no host of an exam was broken."""
    assert mean([0.5, math.nan]) == {"value": None, "low": None, "high": None}


def test_one_seed_has_no_interval():
    """A figure without one is not compared with anything."""
    assert mean([0.7]) == {"value": 0.7, "low": None, "high": None}


def test_what_is_kept_of_an_interrupted_seed_is_gone_on_with(model, tmp_path):
    """A lost worker, or Ctrl-C, costs an iteration; what is done is not done again."""
    with sealed(tmp_path / "out") as seal:
        (before,) = fan_out(trainings(model, [5], seal))
        first = (folder(tmp_path / "out", 5) / LAST).read_bytes()
        (after,) = fan_out(trainings(model, [5], seal))
    assert (folder(tmp_path / "out", 5) / LAST).read_bytes() == first
    assert after == before

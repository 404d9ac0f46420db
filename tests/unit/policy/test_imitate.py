"""DAgger: learns, resumes to the bit, refuses, and stops when it was told to."""

import json
from dataclasses import replace

import pytest

from ordertrainer.imitation.checkpoint import CheckpointError
from ordertrainer.policy.checkpoint import policy_of, read_moments, read_policy
from ordertrainer.policy.imitate import PARTS
from ordertrainer.policy.iterations import BEST, HISTORY, LAST
from ordertrainer.policy.tuning import worth
from trainings import same


@pytest.fixture(scope="module")
def unbroken(train, tmp_path_factory):
    """Return the folder of a training of three iterations."""
    out = tmp_path_factory.mktemp("unbroken")
    train(out)
    return out


@pytest.mark.parametrize("part", PARTS[1:])
def test_a_killed_training_goes_on_as_if_it_had_not_been(train, unbroken, tmp_path, part):
    """Weights, means, optimiser, moments and history are those of an unbroken one, to the bit."""
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, until=(1, part))
    assert len(read_policy(tmp_path / LAST)["history"]) == 1
    train(tmp_path)
    for name in (LAST, BEST):
        assert same(read_policy(unbroken / name), read_policy(tmp_path / name))
    assert not list(tmp_path.glob("*.part"))
    assert [json.loads(line)["iteration"] for line in (tmp_path / HISTORY).read_text(encoding="utf-8").splitlines()] == [0, 1, 2]


def test_a_training_that_is_over_is_left_as_it_is(train, unbroken):
    """Asked for no more iterations, nothing happens."""
    before = (unbroken / LAST).read_bytes()
    assert train(unbroken).lines == []
    assert (unbroken / LAST).read_bytes() == before


@pytest.mark.parametrize("other", ["settings", "heldout"])
def test_a_training_of_other_settings_or_split_is_not_continued(train, held, brief, unbroken, other):
    """A folder belongs to one of each."""
    settings = replace(brief, seed=6) if other == "settings" else brief
    split = replace(held, sha256="0" * 64) if other == "heldout" else held
    with pytest.raises(CheckpointError, match=f"belongs to a training with other {other}"):
        train(unbroken, settings=settings, split=split, iterations=4)


def test_moments_are_bounded_and_every_iteration_keeps_a_share(brief, unbroken):
    """So that memory does not grow with time."""
    lines = [json.loads(line) for line in (unbroken / HISTORY).read_text(encoding="utf-8").splitlines()]
    kept = [len(read_moments(unbroken / f"moments-{number:03d}.pt")) for number in range(3)]
    assert lines[2]["moments"] == sum(min(count, brief.moments_max // 3) for count in kept) <= brief.moments_max
    assert min(kept) > 0


def test_the_best_iteration_is_kept(unbroken):
    """By what it does on hosts that no iteration learned from."""
    lines = [json.loads(line) for line in (unbroken / HISTORY).read_text(encoding="utf-8").splitlines()]
    best = read_policy(unbroken / BEST)
    assert best["tune"]["worth"] == max(line["worth"] for line in lines)
    assert policy_of(best).shape == policy_of(read_policy(unbroken / LAST)).shape


def test_training_ends_when_nothing_gets_better(train, brief, tmp_path, monkeypatch):
    """After as many iterations as patience allows."""
    from ordertrainer.policy import imitate as module

    worths = iter([0.2, 0.5, 0.4, 0.4, 0.4, 0.9])
    monkeypatch.setattr(module._Iteration, "examine", lambda *_: {"worth": next(worths), "suites": {}})
    watcher = train(tmp_path, settings=replace(brief, patience=2), iterations=9)
    assert [line["worth"] for line in watcher.lines] == [0.2, 0.5, 0.4, 0.4]
    assert read_policy(tmp_path / BEST)["iteration"] == 1


def test_no_iteration_is_begun_that_would_not_be_finished_in_time(train, tmp_path):
    """Minutes count on from an interrupted training; the longest iteration so far has to fit."""
    now = iter(range(0, 10_000, 25))
    told = [train(tmp_path, iterations=9, minutes=1.0, clock=lambda: float(next(now))).lines for _ in range(2)]
    assert [len(lines) for lines in told] == [2, 0]


def test_a_checkpoint_of_something_else_is_refused(tmp_path):
    """The order model's weights are no policy."""
    from ordertrainer.imitation.checkpoint import save
    from ordertrainer.nets.order import OrderNet

    save(tmp_path / "order.pt", OrderNet())
    with pytest.raises(CheckpointError, match="no checkpoint of a policy"):
        read_policy(tmp_path / "order.pt")


def test_harm_and_calm_hosts_that_are_not_left_alone_cost():
    """What chooses between iterations is not settling alone."""
    values = {"settled": 0.9, "harmful_per_host": 0.0, "calm_hosts_touched": 0.0, "calm_hosts_called": 0.0}
    assert worth(values) == 0.9
    assert worth({**values, "harmful_per_host": 0.1}) < 0.9
    assert worth({**values, "calm_hosts_touched": 0.1}) < 0.9
    assert worth({**values, "calm_hosts_touched": float("nan"), "calm_hosts_called": float("nan")}) == 0.9

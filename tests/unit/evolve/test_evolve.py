"""The loop: resumes to the bit, keeps its folder, refuses, stops, and what it keeps can be examined."""

import json
from dataclasses import replace

import pytest

from ordertrainer.costs import Costs
from ordertrainer.evolve import evolve as module
from ordertrainer.evolve.crossplay import FLAT, cross_play
from ordertrainer.evolve.evolve import PARTS
from ordertrainer.imitation.checkpoint import CheckpointError
from ordertrainer.policy.checkpoint import policy_of, read_policy
from ordertrainer.policy.iterations import BEST, HISTORY, LAST
from trainings import same


@pytest.fixture(scope="module", autouse=True)
def _quickly_tuned():
    """Tune without hosts, which `tests/unit/policy` examines: by a number that follows from the weights."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            module, "tried", lambda _, network, *__, **___: {"worth": float(network()._net.whole.weight.detach().sum())}
        )
        yield


@pytest.fixture(scope="module")
def unbroken(train, tmp_path_factory):
    """Return the folder of a training of three iterations."""
    out = tmp_path_factory.mktemp("unbroken")
    train(out)
    return out


def test_a_killed_training_goes_on_as_if_it_had_not_been(train, unbroken, tmp_path):
    """Weights, critic, archive, learned chaos, prices and history are those of an unbroken one, to the bit."""
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, until=(1, PARTS[1]))
    assert len(read_policy(tmp_path / LAST)["history"]) == 1
    train(tmp_path, start=None)
    for name in (LAST, BEST, "generation-001.pt"):
        assert same(read_policy(unbroken / name), read_policy(tmp_path / name)), name
    assert not list(tmp_path.glob("*.part"))
    lines = [json.loads(line) for line in (tmp_path / HISTORY).read_text(encoding="utf-8").splitlines()]
    assert [line["iteration"] for line in lines] == [0, 1, 2]
    assert [line["drills"] for line in lines] == [10, 20, 30]


def test_a_training_changes_the_policy_and_not_what_it_is_held_to(unbroken, imitated):
    """The imitated policy is kept as it was; the mean of the weights is another one by now."""
    start, content = read_policy(imitated)["weights"], read_policy(unbroken / LAST)
    assert same(start, content["learning"]["imitated"])
    assert not same(start, content["learning"]["learner"])
    assert not same(start, content["weights"])
    assert policy_of(content).shape == policy_of(read_policy(imitated)).shape


def test_both_arms_have_equal_drills(train, unbroken, tmp_path):
    """And even chaos is one of them."""
    lines = train(tmp_path, iterations=1, chaos="uniform").lines
    history = read_policy(unbroken / LAST)["history"]
    assert [line["drills"] for line in lines] == [line["drills"] for line in history[:1]]
    assert lines[0]["settled_by_source"]["replay"] is None
    assert history[0]["settled_by_source"]["replay"] is not None


@pytest.mark.parametrize("other", ["settings", "heldout"])
def test_a_training_of_other_settings_or_split_is_not_continued(train, held, unbroken, other):
    """A folder belongs to one of each."""
    changed = {"seed": 9} if other == "settings" else {"split": replace(held, sha256="0" * 64)}
    with pytest.raises(CheckpointError, match=f"belongs to a training with other {other}"):
        train(unbroken, iterations=5, **changed)


def test_a_policy_of_another_split_is_no_beginning(train, held, tmp_path):
    """Nothing is trained on from what may have seen more than it should."""
    with pytest.raises(CheckpointError, match="other heldout; imitate anew"):
        train(tmp_path, split=replace(held, sha256="0" * 64))
    with pytest.raises(CheckpointError, match="--policy names the imitated policy"):
        train(tmp_path, start=None)


def test_a_training_that_is_over_is_left_as_it_is(train, unbroken):
    """Asked for no more iterations, nothing happens."""
    before = (unbroken / LAST).read_bytes()
    assert train(unbroken).lines == []
    assert (unbroken / LAST).read_bytes() == before


def test_no_iteration_is_begun_that_would_not_be_finished_in_time(train, tmp_path):
    """Minutes count on from an interrupted training; the longest iteration so far has to fit."""
    now = iter(range(0, 10_000, 25))
    told = [train(tmp_path, iterations=9, minutes=1.0, clock=lambda: float(next(now))).lines for _ in range(2)]
    assert [len(lines) for lines in told] == [2, 0]


def test_every_generation_meets_every_other(playbooks, held, unbroken, tmp_path):
    """Orders by row, chaoses and flat chaos by column; a folder without generations has no matrix."""
    table = cross_play(playbooks, held, unbroken, Costs(), hosts=3, seed=0)["regret_s"]
    assert table.keys() == {"generation-001"}
    assert table["generation-001"].keys() == {FLAT, "generation-001"}
    assert all(0.0 <= value < 600.0 for row in table.values() for value in row.values())
    with pytest.raises(CheckpointError, match="holds no generation yet"):
        cross_play(playbooks, held, tmp_path, Costs(), hosts=4, seed=0)


def test_the_critic_is_in_no_checkpoint_that_is_examined(unbroken):
    """The state of a training holds it; weights of the policy have no part of it."""
    assert "critic" in read_policy(unbroken / LAST)["learning"]
    for name in (BEST, "generation-001.pt"):
        content = read_policy(unbroken / name)
        assert "learning" not in content
        assert content["weights"].keys() == policy_of(content).state_dict().keys()
        assert not any("value" in key or "critic" in key for key in content["weights"])

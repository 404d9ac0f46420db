"""Training: learns, resumes, refuses."""

import json
import pickle
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from orderd.domain.faults import FAILURES, KINDS, EntityKind, Failure
from ordertrainer.evaluation.predictions import by_network
from ordertrainer.evaluation.scores import score
from ordertrainer.imitation.checkpoint import CheckpointError, drills, net_of, read, save
from ordertrainer.imitation.toy import toy_examples
from ordertrainer.imitation.train import BEST, HISTORY, LAST, Beside, Data, Settings, train
from ordertrainer.nets.order import OrderNet, Shape

QUICK = Settings(epochs=4, steps=25, batch=96, shape=Shape(width=32, hidden=64, layers=1))


BRIEF = replace(QUICK, epochs=4, steps=4)


@pytest.fixture(scope="module", autouse=True)
def _one_thread(one_thread):
    """Whatever is computed here."""


@pytest.fixture(scope="module")
def data():
    """Return toy drills, split by run."""
    return Data(
        train=toy_examples(seed=1, runs=40, name="train"), tune=toy_examples(seed=2, runs=10, name="tune"), digest="a" * 64
    )


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """Return the folder of a short training."""
    out = tmp_path_factory.mktemp("trained")
    train(data, out, QUICK, lambda _line: None)
    return out


def test_a_short_training_names_plain_failures_from_their_first_sample(trained):
    """On toy hosts it never saw, the network is right nearly always, at once."""
    unseen = toy_examples(seed=3, runs=27, name="test")
    scores = score(by_network(net_of(read(trained / BEST)), unseen), unseen)
    assert scores["macro_f1"] > 0.9
    assert scores["first_sample"] > 0.85
    assert scores["false_alarms"]["quiet"]["alarms"] <= 2


def test_resumed_training_ends_where_an_unbroken_one_does(data, tmp_path, monkeypatch):
    """Weights, optimiser and randomness continue: the last epoch is the same to the bit."""
    from ordertrainer.imitation import train as module

    full_epoch, done, whole, broken = module._epoch, [], tmp_path / "whole", tmp_path / "broken"
    train(data, whole, BRIEF, lambda _line: None)

    def interrupted(*arguments, **named):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(1)
        return full_epoch(*arguments, **named)

    monkeypatch.setattr(module, "_epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(data, broken, BRIEF, lambda _line: None)
    monkeypatch.setattr(module, "_epoch", full_epoch)
    train(data, broken, BRIEF, lambda _line: None)
    ends = [json.loads((out / HISTORY).read_text(encoding="utf-8").splitlines()[-1]) for out in (whole, broken)]
    assert ends[0]["epoch"] == ends[1]["epoch"] == BRIEF.epochs
    assert ends[0]["tune_loss"] == ends[1]["tune_loss"]


@pytest.mark.parametrize("change", [{"digest": "b" * 64}, {}])
def test_a_training_with_other_data_or_settings_is_not_continued(data, trained, change):
    """A folder belongs to one data set and one set of settings."""
    settings = QUICK if change else replace(QUICK, seed=9)
    with pytest.raises(CheckpointError, match="belongs to a training with other"):
        train(replace(data, **change), trained, settings, lambda _line: None)


def test_splits_that_share_a_run_are_refused(data, tmp_path):
    """Split by run, never by row: seconds of one drill are almost copies of each other."""
    with pytest.raises(ValueError, match="split by run, never by row"):
        train(replace(data, tune=data.train), tmp_path, QUICK, lambda _line: None)


def test_checkpoint_holds_where_it_came_from(trained):
    """Seed, data, commit and settings are with the weights."""
    content = read(trained / BEST)
    assert content["data_digest"] == "a" * 64
    assert content["seed"] == QUICK.seed
    assert content["commit"]
    assert content["calibrated"]


def test_what_was_never_shown_gets_no_probability_at_all(data, trained):
    """So orderd knows that the rules alone can name it, whatever the temperature."""
    content = read(trained / BEST)
    assert str(Failure.NIC_DOWN) in content["never_trained"]
    assert str(Failure.SERVICE_DOWN) not in content["never_trained"]
    said = by_network(net_of(content), data.tune).failure
    never = [FAILURES.index(Failure(name)) for name in content["never_trained"]]
    assert (said[..., never] == 0.0).all()
    units = (data.tune.kind == KINDS.index(EntityKind.UNIT)) & data.tune.present
    assert (said[units][:, FAILURES.index(Failure.SERVICE_DOWN)] > 0.0).all()


def test_simulated_drills_are_drawn_by_their_share(data):
    """Of every step; within each part, by strata as before."""
    both = replace(data, simulated=Beside(examples=toy_examples(seed=9, runs=6, name="sim"), share=0.25, drills=6))
    examples, drawn = both.every()
    assert len(examples) == len(data.train) + len(both.simulated.examples)
    assert drawn.sum() == pytest.approx(1.0)
    assert drawn[len(data.train) :].sum() == pytest.approx(0.25)
    assert drawn[: len(data.train)] / 0.75 == pytest.approx(data.every()[1])


class Evil:
    """What a malicious pickle is: an object that runs something when it is loaded."""

    def __reduce__(self):
        return subprocess.check_call, (["/bin/false"],)


def test_pickles_with_code_are_refused(tmp_path):
    """A checkpoint that would run code is not loaded, and nothing runs."""
    path = tmp_path / "evil.pt"
    torch.save({"format": 1, "weights": Evil()}, path)
    with pytest.raises(CheckpointError, match="was not loaded"):
        read(path)
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(CheckpointError, match="was not loaded"):
        read(path)


@pytest.mark.parametrize("kept", [0, 10, 5000])
def test_cut_checkpoint_is_refused(tmp_path, kept):
    """Half a file is refused with its name."""
    path = tmp_path / "c.pt"
    save(path, OrderNet())
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match=r"c\.pt"):
        read(path)


def test_missing_checkpoint_says_what_to_do(tmp_path):
    """The command that makes one is in the message."""
    with pytest.raises(CheckpointError, match="ordertrainer train"):
        read(tmp_path / LAST)


def test_every_line_of_the_history_is_told(data, tmp_path):
    """As it was written, once it is on disk."""
    lines = []
    train(data, tmp_path, replace(BRIEF, epochs=2), lambda _line: None, told=lines.append)
    assert lines == [json.loads(line) for line in (tmp_path / HISTORY).read_text(encoding="utf-8").splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2]


def test_drills_that_are_never_shown_are_not_counted():
    """They choose the epoch, as in every training; nothing is learned from them."""
    content = {"recorded": {"drills": 12}, "simulated": {"drills": 6, "share": 0.5}, "drilled": {"drills": 4, "share": 0.25}}
    path = Path("best.pt")
    assert drills(content, path) == 22
    assert drills(content | {"drilled": {"drills": 4, "share": 0.5}}, path) == 10
    with pytest.raises(CheckpointError, match=r"best\.pt: does not say"):
        drills({name: content[name] for name in ("simulated", "drilled")}, path)

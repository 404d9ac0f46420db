"""Going on from a trained model: never worse than it was, nothing unlearned, and refusals that say what to do."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

from orderd.domain.faults import FAILURES, Failure
from ordertrainer.dataset import IGNORE
from ordertrainer.imitation.checkpoint import CheckpointError, net_of, read
from ordertrainer.imitation.finetune import compared, finetune
from ordertrainer.imitation.toy import toy_examples
from ordertrainer.imitation.train import BEST, LAST, Data, Settings, train
from ordertrainer.nets.order import Shape

SMALL = Settings(epochs=3, steps=20, batch=96, shape=Shape(width=32, hidden=64, layers=1))
GENTLE = replace(SMALL, epochs=2, learning_rate=2e-4)


@pytest.fixture(scope="module", autouse=True)
def _one_thread(one_thread):
    """Whatever is computed here."""


def drills(seed, digest):
    """Return toy drills of some hosts, split by run."""
    parts = {name: toy_examples(seed=seed + n, runs=12, name=name) for n, name in enumerate(("train", "tune"))}
    return Data(**parts, digest=digest * 64)


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """Return the checkpoint of a short training on the hosts of a factory."""
    return train(drills(1, "a"), tmp_path_factory.mktemp("factory"), SMALL, lambda _line: None)


def test_what_comes_out_is_no_worse_than_what_went_in(start, tmp_path):
    """A rate that wrecks the network leaves the start itself, to the bit."""
    best = train(drills(5, "b"), tmp_path, replace(GENTLE, learning_rate=1e-2, steps=60), lambda _line: None, start=start)
    told = compared(best)
    assert told["after"]["tune_macro_f1"] >= told["before"]["tune_macro_f1"]
    wrecked = train(drills(5, "b"), tmp_path / "w", replace(GENTLE, learning_rate=30.0), lambda _line: None, start=start)
    assert compared(wrecked)["epoch"] == 0
    before, after = net_of(read(start)).state_dict(), net_of(read(wrecked)).state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before if name != "temperature")


def test_a_class_that_the_new_hosts_never_showed_stays_taught(start, tmp_path):
    """It keeps its probability; only what neither has shown has none."""
    data = drills(5, "b")
    crash = FAILURES.index(Failure.SERVICE_CRASH_LOOP)
    without = np.where(data.train.failure == crash, IGNORE, data.train.failure)
    best = train(replace(data, train=replace(data.train, failure=without)), tmp_path, GENTLE, lambda _line: None, start=start)
    content = read(best)
    assert net_of(content).possible[:, crash].any()
    assert content["never_trained"] == read(start)["never_trained"] != []


def test_a_training_that_goes_on_from_something_else_is_not_continued(start, tmp_path):
    """A folder belongs to one start."""
    data = drills(5, "b")
    train(data, tmp_path, GENTLE, lambda _line: None, start=start)
    with pytest.raises(CheckpointError, match="other start"):
        train(data, tmp_path, GENTLE, lambda _line: None)
    assert (tmp_path / LAST).exists()


def test_another_shape_is_refused(start, tmp_path):
    """Both are told."""
    with pytest.raises(CheckpointError, match="another shape"):
        train(drills(5, "b"), tmp_path, replace(GENTLE, shape=Shape(width=48)), lambda _line: None, start=start)
    assert not (tmp_path / BEST).exists()


def test_a_start_that_is_not_there_is_named_before_anything_is_written(tmp_path):
    """File and remedy."""
    app = typer.Typer()
    app.command()(finetune)
    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["--from", str(tmp_path / "none.pt"), "--data", str(tmp_path), "--out", str(out)])
    assert done.exit_code == 2
    assert "none.pt: No such file or directory; train one with `ordertrainer train`" in done.output
    assert not out.exists()

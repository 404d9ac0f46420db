"""`ordertrainer calibrate-confidence` as a person meets it."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from ordertrainer.confidence import cli
from ordertrainer.confidence.cli import calibrate_confidence_verb
from ordertrainer.confidence.words import section
from ordertrainer.evaluation.predictions import by_network
from ordertrainer.evaluation.scoretable import rows
from ordertrainer.imitation.checkpoint import net_of, read, save
from ordertrainer.imitation.toy import toy_examples
from ordertrainer.imitation.train import BEST, Data, Settings, train
from ordertrainer.nets.order import OrderNet, Shape

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module", autouse=True)
def _one_thread(one_thread):
    """Whatever is computed here."""


@pytest.fixture(scope="module")
def splits():
    """Return toy drills, split by run."""
    return {
        name: toy_examples(seed=seed, runs=runs, name=name)
        for seed, (name, runs) in enumerate((("train", 46), ("tune", 69), ("test", 46)))
    }


@pytest.fixture(scope="module")
def trained(splits, tmp_path_factory):
    """Return a checkpoint of a short training."""
    settings = Settings(epochs=2, steps=20, batch=64, shape=Shape(width=32, hidden=32, layers=1))
    data = Data(train=splits["train"], tune=splits["tune"], digest="d" * 64)
    return train(data, tmp_path_factory.mktemp("trained"), settings, lambda _line: None)


@pytest.fixture
def asked(splits, tmp_path, monkeypatch):
    """Return what runs the verb and returns status, output and errors."""
    app = typer.Typer()
    app.command()(calibrate_confidence_verb)
    monkeypatch.setattr(cli, "loaded", lambda _dir, name: splits[name])
    monkeypatch.setattr(cli, "digest", lambda _dir: "d" * 64)

    def ask(*words):
        done = CliRunner().invoke(app, ["--data", str(tmp_path), *(str(word) for word in words)])
        return done.exit_code, done.stdout, done.stderr

    return ask


def test_a_checkpoint_is_calibrated_and_carries_it_on(asked, trained, splits, tmp_path):
    """The report fills the score table; temperature and quantiles are in the checkpoint, whose answers change by it alone."""
    copy = tmp_path / BEST
    copy.write_bytes(trained.read_bytes())
    before = read(copy)
    status, said, errors = asked("--checkpoint", copy, "--write", "--json", tmp_path / "c.json", "--beta", 0.05)
    assert status == 0, errors
    assert "label sets at 0.90 hold the truth of failing entities, same hosts" in said
    told = json.loads((tmp_path / "c.json").read_text())
    assert told["coverage"]["other"]["value"] > 0.8
    assert [row.verdict for row in rows({"confidence": told}) if row.name.endswith("own workload")] != ["not measured"]
    after = read(copy)
    assert section(after["confidence"]) == said.strip()
    assert after["confidence"]["classes"]["disk_full"] == told["classes"]["disk_full"]
    assert float(net_of(after).temperature) == pytest.approx(told["temperature"])
    assert after["settings"] == before["settings"]
    one, other = (by_network(net_of(content), splits["test"]).wrong for content in (before, after))
    assert (one == other).all()


def test_the_temperature_that_is_in_the_answers_already_is_known(tmp_path):
    """Or calibrating twice would forget the first time."""
    net = OrderNet(Shape(width=16, hidden=16, layers=1, heads=2))
    net.temperature.fill_(2.5)
    save(tmp_path / BEST, net, seed=0)
    assert cli._asked(tmp_path, tmp_path / BEST)[2] == 2.5
    assert cli._asked(ROOT / "models" / "order" / "0.1.0", None)[2] == 1.0


def test_an_exported_model_is_never_written_to(asked):
    """A release does not change."""
    status, _, errors = asked("--write")
    assert status == 2
    assert "export the checkpoint anew" in errors


def test_a_missing_checkpoint_is_one_line(asked, tmp_path):
    """With what to do."""
    status, said, errors = asked("--checkpoint", tmp_path / "none.pt", "--json", tmp_path / "c.json")
    assert (status, said) == (2, "")
    assert "ordertrainer train" in errors
    assert not (tmp_path / "c.json").exists()

"""Pretraining from end to end, as somebody calls it: weights, every score, and an order model that begins with them."""

import json

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from ordertrainer.imitation.toy import toy_examples
from ordertrainer.imitation.train import Data, Settings, train
from ordertrainer.pretrain import cli
from ordertrainer.pretrain.checkpoint import read_pretrained
from ordertrainer.pretrain.learn import Settings as Pretraining
from ordertrainer.pretrain.simulated import Watch


@pytest.fixture(autouse=True)
def _one_thread(one_thread):
    """Whatever is computed here."""


@pytest.fixture
def call(monkeypatch):
    """Return what calls the command, with small iterations."""
    monkeypatch.setattr(
        cli, "Settings", lambda seed: Pretraining(seed=seed, watch=Watch(hosts=48, seconds=40), steps=12, batch=32)
    )
    app = typer.Typer()
    app.command("pretrain")(cli.pretrain)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_weights_are_made_scored_and_begun_with(call, tmp_path):
    """Everybody is charged, rows say what they were fitted to, going on changes nothing, and a training begins with them."""
    walk = np.cumsum(np.random.default_rng(0).integers(-2, 3, (240, 3)), axis=0)
    np.savez(tmp_path / "foreign.npz", values=walk.astype(np.float32))
    out, file = tmp_path / "out", tmp_path / "scores.json"
    asked = ("--out", out, "--iterations", 2, "--hosts", 4, "--external", tmp_path / "foreign.npz", "--fit-steps", 20)
    done = call(*asked, "--json", file)
    assert done.exit_code == 0, done.output
    found = json.loads(file.read_text(encoding="utf-8"))
    assert set(found["hosts"]["simulated"]["bits_per_value"]) == {
        "network", "adaptive persistence", "autoregression", "xz of deltas",
    }  # fmt: skip
    (foreign,) = found["foreign"]
    assert {row["fitted_to"] for row in foreign["rows"].values()} == {"nothing here", "train part"}
    assert set(found["novelty"]["against_quiet"]) == {"decoys", "singles", "tuning families"}
    assert not (out / "held-out.jsonl").exists()
    again = call(*asked, "--resume")
    assert again.exit_code == 0, again.output
    assert read_pretrained(out / "best.pt")["iteration"] == found["weights"]["iteration"]
    data = Data(train=toy_examples(seed=1, runs=12, name="a"), tune=toy_examples(seed=2, runs=12, name="b"), digest="")
    trained = train(data, tmp_path / "order", Settings(epochs=1, steps=2), lambda _line: None, pretrained=out / "best.pt")
    assert trained.exists()


def test_what_cannot_be_done_is_refused_before_anything_is_learned(call, tmp_path):
    """A foreign file of another form, and a folder that holds a training: status 2, a line, and the remedy."""
    np.savez(tmp_path / "other.npz", labels=np.zeros(3))
    done = call("--out", tmp_path / "out", "--external", tmp_path / "other.npz")
    assert (done.exit_code, (tmp_path / "out").exists()) == (2, False)
    assert "neither `values`" in done.output
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "last.pt").write_bytes(b"")
    done = call("--out", tmp_path / "out")
    assert done.exit_code == 2
    assert "--resume goes on with it" in done.output

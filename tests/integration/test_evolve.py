"""`ordertrainer evolve` from end to end: train, resume, examine, refuse."""

import json
import math

import pytest
import torch
import typer
from typer.testing import CliRunner

from ordertrainer import heldout
from ordertrainer.evolve import cli
from ordertrainer.nets.policy import PolicyNet, PolicyShape
from ordertrainer.policy import cli as policy_cli
from ordertrainer.policy.checkpoint import catalogue_digest, save_policy
from ordertrainer.policy.playbooks import load_playbooks


@pytest.fixture(autouse=True)
def _one_thread(one_thread):
    """Whatever is computed here."""


@pytest.fixture
def run(tmp_path):
    """Return what runs a verb with options."""
    app = typer.Typer()
    app.command("evolve")(cli.evolve)
    app.command("exam")(policy_cli.exam)
    return lambda *options: CliRunner().invoke(app, [str(option) for option in options])


@pytest.fixture
def imitated(tmp_path):
    """Return a folder as `ordertrainer imitate` leaves one, of a network that was never trained."""
    torch.manual_seed(0)
    net, playbooks = PolicyNet(PolicyShape(width=16, hidden=16, layers=1, heads=2)), load_playbooks()
    about = {"seed": 0, "iteration": 0, "commit": "test", "catalogue": catalogue_digest(playbooks)}
    (tmp_path / "imitated").mkdir()
    save_policy(tmp_path / "imitated" / "best.pt", net, heldout=heldout.load().sha256, **about)
    return tmp_path / "imitated"


def test_a_training_is_begun_resumed_and_examined(run, imitated, tmp_path):
    """The verb trains, goes on when it is told to, meets a fresh chaos and its own past, and the exam reads what it wrote."""
    out, file = tmp_path / "evolved", tmp_path / "report.json"
    begun = run("evolve", "--policy", imitated, "--out", out, "--drills", 12, "--hosts", 12)
    assert begun.exit_code == 0, begun.output
    assert run("evolve", "--policy", imitated, "--out", out).exit_code == 2
    wanted = ("--drills", 96, "--hosts", 12, "--matrix", 2, "--json", file)
    resumed = run("evolve", "--out", out, "--resume", *wanted)
    assert resumed.exit_code == 0, resumed.output
    report = json.loads(file.read_text(encoding="utf-8"))
    assert [line["drills"] for line in report["history"]] == [12 * (number + 1) for number in range(8)]
    assert report["cross_play"]["regret_s"].keys() == {"generation-007"}
    assert all(math.isfinite(line["loss_taught"]) for line in report["history"])
    taught = [line["loss_taught"] for line in report["history"]]
    assert min(taught[4:]) < taught[0]
    asked = ("--suite", "quiet", "--hosts", 4, "--baselines", "oracle", "--json", tmp_path / "exam.json")
    examined = run("exam", "--policy", out / "last.pt", *asked)
    assert examined.exit_code == 0, examined.output
    assert "network" in json.loads((tmp_path / "exam.json").read_text(encoding="utf-8"))["suites"]["quiet"]["scores"]


def test_what_cannot_be_begun_is_refused_with_a_remedy(run, imitated, tmp_path):
    """Without a policy, and with one that is none."""
    nothing = run("evolve", "--out", tmp_path / "new")
    assert (nothing.exit_code, "--policy names the imitated policy" in nothing.output) == (2, True)
    (tmp_path / "torn.pt").write_bytes(b"no weights")
    torn = run("evolve", "--policy", tmp_path / "torn.pt", "--out", tmp_path / "new")
    assert (torn.exit_code, "error: " in torn.output) == (2, True)

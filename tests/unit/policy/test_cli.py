"""`ordertrainer imitate`, `exam` and `fit` for people: what they print, write and refuse."""

import json

import pytest
import typer
from typer.testing import CliRunner

from ordertrainer.policy import cli
from ordertrainer.policy.cli import INTERRUPTED, LOG, in_order
from ordertrainer.policy.imitate import BEST
from ordertrainer.policy.suites import MIX


@pytest.fixture(scope="module")
def run():
    """Return what runs a verb."""
    app = typer.Typer()
    for verb in (cli.imitate, cli.exam, cli.fit):
        app.command(verb.__name__)(verb)
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def trained(train, tmp_path):
    """Return the folder of a training of one iteration."""
    train(tmp_path / "trained", iterations=1)
    return tmp_path / "trained"


def test_a_folder_that_holds_a_training_is_not_overwritten(run, trained):
    """Without --resume it is refused, and nothing of it changes."""
    before = (trained / BEST).read_bytes()
    done = run("imitate", "--out", trained, "--iterations", "1")
    assert done.exit_code == 2
    assert "holds a training; --resume goes on with it" in done.output
    assert (trained / BEST).read_bytes() == before


def test_an_interruption_says_what_is_kept(run, trained, monkeypatch):
    """One line and the exit status of an interrupted program."""

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "run_imitation", interrupted)
    done = run("imitate", "--out", trained, "--resume")
    assert done.exit_code == INTERRUPTED
    assert "last.pt holds the last iteration; --resume goes on with it" in done.output


def test_an_exam_prints_a_table_and_writes_json(run, trained, tmp_path):
    """Only what was asked for, and nothing of the final test."""
    file = tmp_path / "out" / "exam.json"
    done = run("exam", "--policy", trained, "--hosts", 4, "--baselines", "chance", "--suite", "quiet, singles", "--json", file)
    assert done.exit_code == 0, done.output
    assert "singles (4 hosts)" in done.output
    report = json.loads(file.read_text(encoding="utf-8"))
    assert list(report["suites"]) == ["quiet", "singles"]
    assert list(report["suites"]["quiet"]["scores"]) == ["network", "chance"]
    assert report["policy"]["seed"] == 5
    assert not (trained / LOG).exists()


def test_the_final_test_is_noted_where_the_policy_lies(run, trained):
    """Whoever looks at held-out figures twice can be told so."""
    words = ("exam", "--policy", trained / BEST, "--hosts", 2, "--baselines", "", "--suite", "held families", "--held-out")
    assert run(*words).exit_code == 0
    assert "look 2" in run(*words).output
    assert len((trained / LOG).read_text(encoding="utf-8").splitlines()) == 2


def test_what_is_no_policy_is_refused(run, tmp_path):
    """In one line."""
    done = run("exam", "--policy", tmp_path / "none.pt")
    assert done.exit_code == 2
    assert done.output.startswith("error: ")


@pytest.mark.parametrize(("settled", "right"), [((0.9, 0.7, 0.1), True), ((0.7, 0.9, 0.1), False), ((0.9, 0.1, 0.1), False)])
def test_arms_are_in_order_when_each_beats_the_next(settled, right):
    """Network, rules, chance."""
    scored = {name: {"settled": {"value": value}} for name, value in zip(("network", "rules", "chance"), settled, strict=True)}
    assert in_order({"suites": {MIX: {"scores": scored}}}) is right

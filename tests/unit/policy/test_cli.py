"""`ordertrainer imitate` and `exam` for people: what they print, write and refuse."""

import json
import re

import pytest
import typer
from typer.testing import CliRunner

import mlserver
from ordertrainer.policy import cli
from ordertrainer.policy.actor import Network
from ordertrainer.policy.checkpoint import policy_of, read_policy
from ordertrainer.policy.cli import LOG
from ordertrainer.policy.iterations import BEST
from ordertrainer.policy.refusals import INTERRUPTED
from ordertrainer.policy.report import examine, makers
from ordertrainer.policy.suites import suites


@pytest.fixture(scope="module")
def run():
    """Return what runs a verb."""
    app = typer.Typer()
    for verb in (cli.imitate, cli.exam):
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


def test_an_exam_through_tasks_is_the_same_exam(run, trained, tmp_path, playbooks, held):
    """What the verb prints is what the policies come to in one process, one after another."""
    words = ("--hosts", 4, "--baselines", "rules", "--suite", "singles", "--json", tmp_path / "exam.json")
    assert run("exam", "--policy", trained, *words).exit_code == 0
    net = policy_of(read_policy(trained / BEST))
    arms = makers(playbooks, lambda: Network(net, playbooks.contracts), ("rules",), 0)
    (singles,) = (suite for suite in suites(playbooks.world, held) if suite.name == "singles")
    found = examine(playbooks, arms, [singles], hosts=4, seed=0)
    assert json.loads((tmp_path / "exam.json").read_text(encoding="utf-8"))["suites"] == found["suites"]


def test_seeds_end_in_a_table_with_an_interval(run, tmp_path):
    """One folder a seed; what is there already is not overwritten."""
    words = ("imitate", "--out", tmp_path / "out", "--iterations", 1, "--hosts", 8, "--steps", 2, "--batch", 8, "--seeds", "1, 2")
    done = run(*words, "--json", tmp_path / "seeds.json")
    assert done.exit_code == 0, done.output
    assert "seed 2: iteration   0" in done.output
    assert re.search(r"mean +│? *1\.0.* to ", done.output)
    assert sorted(each.name for each in (tmp_path / "out").iterdir()) == ["seed-1", "seed-2"]
    assert list(json.loads((tmp_path / "seeds.json").read_text(encoding="utf-8"))["mean"])[:2] == ["iterations", "worth"]
    again = run(*words)
    assert again.exit_code == 2
    assert "seed-1: holds a training; --resume goes on with it" in again.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--seeds", "1,x"), "--seeds 1,x: whole numbers from 0 on, separated by commas"),
        (("--ray", "local"), "--ray: there is nothing to fan out but the trainings of several seeds"),
        (("--seeds", "1", "--ray", "somewhere"), "--ray somewhere: no address of a Ray cluster"),
        (("--mlflow", "sqlite:///x"), "--mlflow sqlite:///x: not the address of a tracking server"),
    ],
)
def test_what_cannot_be_fanned_out_or_told_is_refused(run, tmp_path, words, said):
    """In one line, before anything is begun."""
    done = run("imitate", "--out", tmp_path / "out", *words)
    assert done.exit_code == 2
    assert said in done.output.replace("\n", " ")


def test_a_training_is_told_to_a_server(run, tmp_path):
    """Every iteration, and where it came from."""
    kept = mlserver.Tracking()
    with mlserver.serving(kept) as uri:
        words = ("--iterations", 1, "--hosts", 8, "--steps", 2, "--batch", 8, "--mlflow", uri)
        assert run("imitate", "--out", tmp_path / "out", *words).exit_code == 0
    (told,) = kept.runs.values()
    assert {"seed", "commit", "data_digest", "heldout", "artifacts"} <= set(told["tags"])
    assert told["params"]["rollout.hosts"] == "8"
    assert "worth" in {metric["key"] for metric in told["metrics"]}
    assert told["status"] == "FINISHED"

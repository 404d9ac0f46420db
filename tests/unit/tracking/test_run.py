"""A training's run: everything arrives, nothing waits, and an interrupted one goes on where it was."""

import json
import socket
import threading
import time

import pytest

import mlserver
from ordertrainer.tracking import run as runs
from ordertrainer.tracking import server, tracked
from ordertrainer.tracking.kept import HISTORY, KEPT
from ordertrainer.tracking.rest import Rest
from ordertrainer.tracking.run import Run

SETTINGS = {"seed": 3, "rollout": {"hosts": 128}}
ABOUT = {"seed": 3, "commit": "abc", "data_digest": "d" * 64}


class Training:
    """Writes its history and tells it, as trainings do."""

    def __init__(self, out, uri, environment=None):
        self.out, self.said = out, []
        self.server = server(uri, environment or {})

    def __call__(self, lines, error=None):
        with tracked(self.server, self.out, settings=SETTINGS, about=ABOUT, say=self.said.append) as told:
            for number in lines:
                line = {"iteration": number, "worth": number / 2, "suites": {"training mix": {"settled": 0.5}}}
                with (self.out / HISTORY).open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")
                told(line)
            if error is not None:
                raise error
        return self


@pytest.fixture
def kept():
    """Return what a server keeps."""
    return mlserver.Tracking()


@pytest.fixture
def uri(kept):
    """Return the address of a server."""
    with mlserver.serving(kept) as address:
        yield address


@pytest.fixture
def out(tmp_path):
    """Return a training's folder."""
    (tmp_path / "seed-3").mkdir()
    return tmp_path / "seed-3"


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    """Pauses for which a test can be patient; who is told in the end has all the time that a busy machine may need."""
    monkeypatch.setattr(runs, "PAUSES_S", (0.05, 0.2))
    monkeypatch.setattr(runs, "LEAVE_S", 60.0)


def steps(run, key="worth"):
    return [metric["step"] for metric in run["metrics"] if metric["key"] == key]


def test_a_training_is_told_whole(kept, uri, out):
    """Parameters, tags, a metric of every number in every line, the names of files, and that it is over."""
    (out / "best.pt").touch()
    assert not Training(out, uri)(range(3)).said
    (run,) = kept.runs.values()
    assert (run["name"], run["status"]) == ("seed-3", "FINISHED")
    assert run["params"] == {"seed": "3", "rollout.hosts": "128"}
    assert {key: run["tags"][key] for key in ABOUT} == {key: str(value) for key, value in ABOUT.items()}
    assert run["tags"]["artifacts"] == "best.pt, history.jsonl, mlflow.json"
    assert steps(run) == steps(run, "suites.training mix.settled") == [0, 1, 2]
    assert list(kept.experiments) == ["ordertrainer"]


def test_a_resumed_training_goes_on_with_its_run(kept, uri, out):
    """An interruption is told as what it is; no line twice."""
    with pytest.raises(KeyboardInterrupt):
        Training(out, uri)(range(2), KeyboardInterrupt())
    assert [run["status"] for run in kept.runs.values()] == ["KILLED"]
    Training(out, uri)(range(2, 4))
    (run,) = kept.runs.values()
    assert steps(run) == [0, 1, 2, 3]
    assert run["status"] == "FINISHED"


def test_a_failed_training_is_told_as_failed(kept, uri, out):
    """And its error is nobody else's business: it goes on to who asked."""
    with pytest.raises(ZeroDivisionError):
        Training(out, uri)([0], ZeroDivisionError())
    assert [run["status"] for run in kept.runs.values()] == ["FAILED"]


def test_what_nobody_was_there_to_hear_is_told_on_resume(kept, out):
    """The training goes on without a server, says so once and in the end, and the next one catches up."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    began = time.monotonic()
    first = Training(out, f"http://127.0.0.1:{port}")(range(3))
    assert time.monotonic() - began < 30.0
    assert len(first.said) == 2
    assert "the training goes on" in first.said[0]
    assert "a resumed training tells it" in first.said[1]
    with mlserver.serving(kept, port) as address:
        assert not Training(out, address)([3]).said
    (run,) = kept.runs.values()
    assert steps(run) == [0, 1, 2, 3]


def test_a_server_in_trouble_is_asked_again(kept, uri, out):
    """One warning, then everything arrives."""
    kept.fails = 503
    training = Training(out, uri)
    with tracked(training.server, out, settings=SETTINGS, about=ABOUT, say=training.said.append) as told:
        told({"iteration": 0, "worth": 0.0})
        until = time.monotonic() + 60
        while len(kept.calls) < 3 and time.monotonic() < until:
            time.sleep(0.01)
        kept.fails = 0
        while not kept.runs and time.monotonic() < until:
            time.sleep(0.01)
    (run,) = kept.runs.values()
    assert steps(run) == [0]
    assert len(training.said) == 1
    assert "HTTP 503" in training.said[0]


def test_a_refusal_is_not_tried_for_ever(kept, uri, out):
    """Whoever may not write there is told once, and each call is made once."""
    kept.fails = 403
    first = Training(out, uri)(range(3))
    assert kept.calls == ["experiments/get-by-name"]
    assert "HTTP 403 PERMISSION_DENIED" in first.said[0]


def test_a_silent_server_holds_nobody_up(kept, uri, out, monkeypatch):
    """Lines are taken at once while it does not answer; the end waits for seconds, not for it."""
    monkeypatch.setattr(runs, "LEAVE_S", 1.0)
    kept.silent = threading.Event()
    training = Training(out, uri)
    run = Run(training.server, out, settings=SETTINGS, about=ABOUT, say=training.said.append, rest=Rest(training.server, 0.3))
    run.begin()
    began = time.monotonic()
    for number in range(runs.WAITING_MAX + 100):
        run.line({"iteration": number})
    assert time.monotonic() - began < 10.0
    run.end("FINISHED")
    assert time.monotonic() - began < 20.0
    assert "not told everything" in training.said[-1]
    kept.silent.set()


def test_a_run_that_somebody_removed_is_begun_anew(kept, uri, out):
    """With everything that the history has."""
    Training(out, uri)(range(2))
    kept.runs.clear()
    Training(out, uri)([2])
    (run,) = kept.runs.values()
    assert steps(run) == [0, 1, 2]
    assert run["params"]


def test_another_server_gets_a_run_of_its_own(uri, out):
    """What the first one has says nothing of what the second one has."""
    Training(out, uri)(range(2))
    other = mlserver.Tracking()
    with mlserver.serving(other) as address:
        Training(out, address)([2])
    (run,) = other.runs.values()
    assert steps(run) == [0, 1, 2]


def test_an_experiment_is_found_before_it_is_made(kept, uri, out, tmp_path):
    """Two trainings are filed under one name."""
    Training(out, uri, {"MLFLOW_EXPERIMENT_NAME": "nightly"})([0])
    (tmp_path / "seed-4").mkdir()
    Training(tmp_path / "seed-4", uri, {"MLFLOW_EXPERIMENT_NAME": "nightly"})([0])
    assert kept.experiments == {"nightly": "1"}
    assert kept.calls.count("experiments/create") == 1
    assert len(kept.runs) == 2


def test_more_than_a_call_may_hold_goes_in_several(kept, uri, out):
    """As the limits of log-batch have it."""
    training = Training(out, uri)
    many = {"iteration": 0} | {f"m{n}": n for n in range(1500)}
    settings = {f"p{n}": n for n in range(250)}
    with tracked(training.server, out, settings=settings, about={}, say=training.said.append) as told:
        told(many)
    (run,) = kept.runs.values()
    assert (len(run["metrics"]), len(run["params"])) == (1500, 250)
    assert not training.said


def test_credentials_travel_in_the_header_alone(kept, uri, out):
    """Of every call, and in no file."""
    Training(out, uri, {"MLFLOW_TRACKING_TOKEN": "s3cret"})([0])
    assert {headers["Authorization"] for headers in kept.headers} == {"Bearer s3cret"}
    assert "s3cret" not in (out / KEPT).read_text(encoding="utf-8")


def test_without_a_server_nothing_is_written(out):
    """And nobody is asked."""
    Training(out, None)([0])
    assert [file.name for file in out.iterdir()] == [HISTORY]


def test_a_history_that_was_cut_off_is_read_to_its_last_whole_line(kept, uri, out):
    """A kill in the midst of a line costs that line."""
    (out / HISTORY).write_text('{"iteration": 0, "worth": 1.0}\n{"iteration": 1, "wo', encoding="utf-8")
    with tracked(server(uri, {}), out, settings={}, about={}, say=lambda _: None):
        pass
    (run,) = kept.runs.values()
    assert steps(run) == [0]

"""A person at a terminal, from the first question to a file of weights: the programs themselves, over a pseudo-terminal."""

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-m", "ordertrainer"]
ENVIRONMENT = {"PYTHONPATH": f"{ROOT / 'daemon'}:{ROOT / 'training'}", "TERM": "dumb", "COLUMNS": "140"}
PATIENCE_S = 120.0


class Sitting:
    """`ordertrainer compare` at a terminal."""

    def __init__(self, answers):
        self.ours, theirs = pty.openpty()
        words = ["compare", "--answers", str(answers), "--scenes", "3"]
        self.program = subprocess.Popen(
            [*PROGRAM, *words], stdin=theirs, stdout=theirs, stderr=theirs, env=os.environ | ENVIRONMENT, start_new_session=True
        )
        os.close(theirs)
        self.shown = ""

    def until(self, words, times):
        """Read until something was shown so often."""
        ends = time.monotonic() + PATIENCE_S
        while self.shown.count(words) < times:
            assert time.monotonic() < ends, self.shown
            self.shown += os.read(self.ours, 65536).decode()

    def types(self, line):
        """Type a line."""
        os.write(self.ours, f"{line}\n".encode())


@pytest.fixture
def sitting(tmp_path):
    """Return a sitting that is ended whatever happens."""
    found = Sitting(tmp_path / "answers.jsonl")
    yield found
    if found.program.poll() is None:
        found.program.kill()
    found.program.wait()
    os.close(found.ours)


def run(*words, **more):
    """Run a verb to its end."""
    command = [*PROGRAM, *map(str, words)]
    return subprocess.run(command, env=os.environ | ENVIRONMENT, capture_output=True, text=True, check=False, **more)


def test_answers_at_a_terminal_become_weights(sitting, tmp_path):
    """Asked at a terminal, interrupted, gone on with through a pipe, learned from; where nobody is nobody is asked."""
    answers = tmp_path / "answers.jsonl"
    sitting.until("skip or quit?", 1)
    sitting.types("nonsense")
    sitting.until("skip or quit?", 2)
    sitting.types("a")
    sitting.until("skip or quit?", 3)
    assert "1 answer; weights known within a factor of" in sitting.shown
    sitting.types("b")
    sitting.until("skip or quit?", 4)
    sitting.program.send_signal(signal.SIGINT)
    assert sitting.program.wait(PATIENCE_S) == 130
    assert len(answers.read_text(encoding="utf-8").splitlines()) == 2
    piped = run("compare", "--answers", answers, "--scenes", 3, "--count", 3, input="equal\n")
    assert piped.returncode == 0, piped.stderr
    assert "Question 3 of 3" in piped.stdout
    learned = run("prefer", "--answers", answers, "--out", tmp_path / "costs.toml")
    assert learned.returncode == 0, learned.stderr
    assert "false_call" in learned.stdout
    assert (tmp_path / "costs.toml").read_text(encoding="utf-8").count(" = ") == 7
    nobody = run("compare", "--answers", answers, stdin=subprocess.DEVNULL)
    assert nobody.returncode == 2
    assert "there is nobody to ask" in nobody.stderr

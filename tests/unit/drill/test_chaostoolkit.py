"""Experiments as the Chaos Toolkit accepts them, journals as its own runs write them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import islice
from pathlib import Path

import msgspec
import pytest

from ordertrainer.chaos import Experiment
from ordertrainer.drill import chaostoolkit
from ordertrainer.drill.battery import faults_of, load, plan
from ordertrainer.drill.details import RunDetails
from ordertrainer.drill.result import Model, Run, Times
from ordertrainer.drill.store import DoneItem, Outline

CHAOS = Path(sys.executable).with_name("chaos")
RUN = Run(
    fault="service_kill", target="unit:nginx.service", intensity=None, decoy=False, landed=True, diagnosis=None, repair=None,
    seconds=Times(detected=0.1, healthy=0.5), outcome="repaired", reason="", touched_healthy=False, residue=[],
)  # fmt: skip
SEEN = RunDetails(summary="A service is killed.", start_s=-1.5, end_s=3.0, strips=[], signals=[], said=[], took_s=6.0)


def chaos(*arguments, cwd, **environment):
    """Run the toolkit's own command."""
    argv = [str(CHAOS), "--no-version-check", "--no-log-file", *map(str, arguments)]
    environment = os.environ | {"HOME": str(cwd)} | environment
    return subprocess.run(argv, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False)


def drawn(battery, count):
    """Return the first items of a battery."""
    chosen = load(battery)
    return tuple(islice(plan(chosen, faults_of(chosen), seed=2, minutes=1.0, hosts=1), count))


def written(tmp_path, *runs):
    """Write one item, that came out like this, and return the experiment and the journal."""
    (item,) = drawn("first", 1)
    outline = Outline(
        battery="first", faults=("service_kill",), seed=2, hosts=1, items=(item,), started_utc="2026-11-28 12:00:00"
    )
    done = DoneItem(number=1, host="drill-1", runs=runs, details=(SEEN,) * len(runs), model=Model(), version="1", took_s=6.0)
    files = chaostoolkit.write(tmp_path, outline, [done])
    return [json.loads(file.read_text()) for file in files]


@pytest.mark.parametrize(("battery", "count"), [("standard", 4), ("pairs", 3)])
def test_the_toolkit_accepts_what_is_drawn(tmp_path, battery, count):
    """`chaos validate` has nothing to say against experiments of one fault and of two."""
    for item in drawn(battery, count):
        file = tmp_path / f"{item.number}.json"
        file.write_text(json.dumps(chaostoolkit.experiment(item)))
        done = chaos("validate", file, cwd=tmp_path)
        assert done.returncode == 0, done.stderr


def test_the_toolkit_refuses_what_is_broken(tmp_path):
    """The check above can fail: without a method, the toolkit refuses."""
    (item,) = drawn("first", 1)
    broken = chaostoolkit.experiment(item)
    del broken["method"]
    (tmp_path / "broken.json").write_text(json.dumps(broken))
    assert chaos("validate", tmp_path / "broken.json", cwd=tmp_path).returncode != 0


def test_an_experiment_says_what_it_does_and_takes_it_back(tmp_path):
    """Hypothesis before and after, the very experiment that was drawn in the method, its revert as rollback."""
    declared, _ = written(tmp_path, RUN)
    (probe,) = declared["steady-state-hypothesis"]["probes"]
    assert probe["tolerance"] == 0
    arguments = declared["method"][0]["provider"]["arguments"]
    assert msgspec.json.decode(arguments[-1], type=Experiment) == drawn("first", 1)[0].experiments[0]
    assert declared["rollbacks"][0]["provider"]["arguments"][2] == "revert"


@pytest.mark.parametrize(
    ("changes", "status", "deviated"),
    [
        ({}, "completed", False),
        ({"outcome": "failed"}, "completed", True),
        ({"outcome": "void", "landed": False}, "aborted", False),
    ],
)
def test_a_journal_says_what_came_of_it(tmp_path, changes, status, deviated):
    """Repaired is a steady state met again, failed a deviation, void an experiment that did not take place."""
    _, journal = written(tmp_path, msgspec.structs.replace(RUN, **changes))
    assert (journal["status"], journal["deviated"]) == (status, deviated)
    assert journal["steady_states"]["after"]["steady_state_met"] is (status == "completed" and not deviated)


def test_a_journal_of_ours_has_the_shape_of_one_of_theirs(tmp_path):
    """Every key the toolkit writes into its own journal is in ours, with a value of the same type, steady states and runs too."""
    declared, ours = written(tmp_path, RUN)
    for activity in [*declared["steady-state-hypothesis"]["probes"], *declared["method"], *declared["rollbacks"]]:
        activity["provider"] = {"type": "process", "path": "true", "arguments": []}
    (tmp_path / "harmless.json").write_text(json.dumps(declared))
    done = chaos("run", "--journal-path", tmp_path / "theirs.json", tmp_path / "harmless.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    theirs = json.loads((tmp_path / "theirs.json").read_text())
    assert theirs["status"] == "completed"
    assert shape(theirs) <= shape(ours), shape(theirs) - shape(ours)


def shape(value, at=""):
    """Return every key of a document with the type of its value; what the experiment itself declares is left aside."""
    if isinstance(value, dict):
        return {
            pair for key, each in value.items() if key not in {"experiment", "activity"} for pair in shape(each, f"{at}.{key}")
        }
    if isinstance(value, list):
        return {pair for each in value for pair in shape(each, f"{at}[]")}
    return {(at, "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__)}

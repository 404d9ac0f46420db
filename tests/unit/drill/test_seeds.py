"""The same drill from several seeds: each by a process of its own, which is passed every interruption and waited for."""

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ordertrainer.drill import cli
from ordertrainer.drill.seeds import begun, drills, folder, merged
from ordertrainer.fanout import TaskFailedError, fan_out, sealed

PROGRAM = """
import json, pathlib, signal, sys, time
words = dict(zip(sys.argv[1::2], sys.argv[2::2]))
out = pathlib.Path(words["--out"])
out.joinpath("words.txt").write_text(" ".join(sys.argv[1:]), encoding="utf-8")
if "--fail" in words:
    sys.exit("error: this machine cannot hold a drill\\n")
def leave(*_):
    out.joinpath("down").touch()
    sys.exit(130)
signal.signal(signal.SIGINT, leave)
here = out / "20260101T000000Z"
here.mkdir(exist_ok=True)
here.joinpath("plan.json").write_text('{"battery": "first", "faults": [], "seed": 1, "hosts": 1}', encoding="utf-8")
out.joinpath("begun").touch()
if "--linger" in words:
    time.sleep(60)
seed = int(words["--seed"])
times = {"detected": 0.1, "decided": 0.2, "repaired": 0.3, "healthy": float(seed)}
run = {"fault": "service_stop", "target": "unit:nginx.service", "intensity": None, "decoy": False, "landed": True,
       "diagnosis": None, "repair": None, "seconds": times, "outcome": "repaired" if seed != 9 else "failed",
       "reason": "", "touched_healthy": False, "residue": []}
spread = {"median": None, "maximum": None}
counts = dict.fromkeys(["runs", "repaired", "left_alone", "escalated", "failed", "void", "landed", "by_model", "by_rules",
                        "touched_healthy"], 0)
drill = {"version": 1, "seed": seed, "host": "drill-1", "model": {}, "runs": [run],
         "summary": {"counts": counts, "seconds": dict.fromkeys(times, spread)}}
here.joinpath("drill.json").write_text(json.dumps(drill), encoding="utf-8")
out.joinpath("latest").symlink_to(here.name)
sys.exit(seed == 9)
"""


@pytest.fixture
def command(tmp_path):
    """Return what stands in for `ordertrainer drill`."""
    file = tmp_path / "drill.py"
    file.write_text(PROGRAM, encoding="utf-8")
    return (sys.executable, str(file))


@pytest.fixture
def out(tmp_path):
    """Return the folder of all drills."""
    return tmp_path / "out"


def carry_out(out, command, seeds, words=(), tick=lambda _what, _share: None):
    with sealed(out) as seal:
        return fan_out(drills(out, seeds, words, seal=seal, command=command), tick=tick)


def words_of(out, seed):
    return (folder(out, seed) / "words.txt").read_text(encoding="utf-8").split()


def test_each_seed_is_a_drill_of_its_own(out, command):
    """In its folder, with the options that all have; what failed there is a finding, not an error."""
    found = carry_out(out, command, [1, 9], ("--battery", "smoke"))
    assert [each.seed for each in found] == [1, 9]
    assert words_of(out, 9)[:4] == ["--battery", "smoke", "--seed", "9"]
    assert Path(words_of(out, 9)[5]) == folder(out, 9).resolve()
    assert begun(out, [1, 2, 9]) == [folder(out, 1), folder(out, 9)]


def test_drills_are_told_as_one(out, command):
    """Every run says which seed it had; figures are those of all runs."""
    every = merged([2, 4], carry_out(out, command, [2, 4]))
    assert [run.host for run in every.runs] == ["seed 2: drill-1", "seed 4: drill-1"]
    assert every.hosts == ["seed 2: drill-1", "seed 4: drill-1"]
    assert every.summary.counts.repaired == 2
    assert every.summary.seconds.healthy.median == 3.0


def test_a_finished_drill_is_not_run_again(out, command):
    """What is done is done, whoever goes on."""
    carry_out(out, command, [1])
    (folder(out, 1) / "words.txt").unlink()
    carry_out(out, command, [1, 2])
    assert not (folder(out, 1) / "words.txt").exists()
    assert (folder(out, 2) / "words.txt").exists()


def test_a_drill_that_cannot_be_carried_out_says_why(out, command):
    """By its last words, and where the others are."""
    with pytest.raises(TaskFailedError, match=r"drill of seed 3 .*drill\.log: error: this machine cannot hold a drill \(exit"):
        carry_out(out, command, [3], ("--fail", "1"))


def test_an_interrupted_drill_takes_its_hosts_down_first_and_is_gone_on_with(out, command):
    """Nobody returns before it has; the next call resumes it."""

    def interrupt(_what, _share):
        if (folder(out, 5) / "begun").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        carry_out(out, command, [5], ("--linger", "1"), tick=interrupt)
    assert (folder(out, 5) / "down").exists()
    carry_out(out, command, [5])
    assert words_of(out, 5)[-1] == "--resume"


def test_a_lost_worker_is_not_replaced(out):
    """What it left running may still hold the hosts and the folder."""
    with sealed(out) as seal:
        assert [task.again for task in drills(out, [1], (), seal=seal)] == [False]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--ray", "local"), "--seeds is missing: whole numbers"),
        (("--seeds", "1,-2"), "--seeds 1,-2: whole numbers from 0 on"),
        (("--seeds", "1,2", "--keep"), "--keep: not with --seeds"),
        (("--seeds", "1", "--ray", "nowhere"), "--ray nowhere: no address of a Ray cluster"),
    ],
)
def test_what_cannot_be_fanned_out_is_refused(tmp_path, words, said):
    """In one line, before a host is booted."""
    import typer

    app = typer.Typer()
    app.command("drill")(cli.drill)
    done = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert said in done.output

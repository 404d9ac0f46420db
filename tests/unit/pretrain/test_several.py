"""Pretraining from several seeds: each is what it would be alone, in a folder of its own, with all that was asked for."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from ordertrainer.fanout import TaskFailedError, fan_out, sealed
from ordertrainer.policy.iterations import LAST, Bounds
from ordertrainer.policy.several import folder
from ordertrainer.policy.sitting import Machine
from ordertrainer.pretrain import cli, report
from ordertrainer.pretrain.checkpoint import read_pretrained
from ordertrainer.pretrain.foreigners import ZERO_SHOT
from ordertrainer.pretrain.several import LOG, Pretraining, pretrainings
from trainings import same

ALONE = ("seconds", "commit", "checkpoint")


@pytest.fixture(scope="module", autouse=True)
def _quickly_scored(brief):
    """Learn little, and score by what follows from the weights; `tests/integration/test_pretrain.py` does it with hosts."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(cli, "Settings", lambda **given: replace(brief, **given))
        patched.setattr(report, "of_simulated", _of_simulated)
        patched.setattr(report, "of_novelty", _of_novelty)
        patched.setattr(report, "of_foreign", _of_foreign)
        yield


def _sum_of(net):
    return float(sum(value.detach().sum() for value in net.parameters()))


def _of_simulated(net, _world, _held, count, seed):
    row = {"bits": _sum_of(net), "low": 0.0, "high": 1.0}
    return {"courses": count, "values": seed, "bits_per_value": {"network": row}}


def _of_novelty(net, _world, _held, *, count, seed, final, tick):
    tick("surprise", 0.5)
    row = {"auc": _sum_of(net), "low": 0.0, "high": seed, "faulty": count}
    names = ("singles", "held families") if final else ("singles",)
    return {"way": "mean", "chosen_on": "tuning families", "against_quiet": dict.fromkeys(names, row)}


def _of_foreign(net, file, fit, tick):
    tick("fitting", 1.0)
    row = {"fitted_to": "nothing here", "bits": _sum_of(net)}
    return {"name": file.stem, "streams": fit.seed, "values": fit.steps, "rows": {ZERO_SHOT: row}}


@pytest.fixture
def run():
    """Return what runs the verb, for one short iteration."""
    app = typer.Typer()
    app.command()(cli.pretrain)
    words = ("--iterations", 1, "--hosts", 2, "--fit-steps", 2)
    return lambda *more: CliRunner().invoke(app, [str(word) for word in (*words, *more)])


@pytest.fixture
def foreign(tmp_path):
    """Return a file of foreign telemetry, by another name of it."""
    walk = np.cumsum(np.random.default_rng(0).integers(-2, 3, (60, 2)), axis=0)
    np.savez(tmp_path / "stored.npz", values=walk.astype(np.float32))
    (tmp_path / "foreign.npz").symlink_to("stored.npz")
    return tmp_path / "foreign.npz"


@pytest.fixture
def model(brief, tmp_path):
    """Return a training of one short iteration."""
    return Pretraining(out=tmp_path / "out", settings=brief, bounds=Bounds(iterations=1), machine=Machine(), hosts=2)


def test_seeds_come_to_what_each_comes_to_alone(run, foreign, tmp_path):
    """Weights and every score, to the bit; every look at what is held out is noted where the weights lie."""
    words = ("--external", foreign, "--held-out")
    seeds = run("--out", tmp_path / "seeds", "--seeds", "4,5", "--json", tmp_path / "seeds.json", *words)
    assert seeds.exit_code == 0, seeds.output
    assert "seed 5: iteration   0" in seeds.output
    assert seeds.output.count("the families held out, look 1") == 2
    told = json.loads((tmp_path / "seeds.json").read_text(encoding="utf-8"))
    assert sorted(each.name for each in (tmp_path / "seeds").iterdir()) == ["seed-4", "seed-5"]
    for seed, there in zip((4, 5), told["seeds"], strict=True):
        file, alone, mine = tmp_path / f"{seed}.json", tmp_path / f"{seed}", folder(tmp_path / "seeds", seed)
        assert run("--out", alone, "--seed", seed, "--json", file, *words).exit_code == 0
        here = json.loads(file.read_text(encoding="utf-8"))
        assert here["novelty"]["against_quiet"].keys() >= {"singles", "held families"}
        assert [(each["name"], each["streams"], each["values"]) for each in here["foreign"]] == [("foreign", seed, 2)]
        assert same(here, there, ALONE)
        kept = read_pretrained(mine / LAST)
        assert same(read_pretrained(alone / LAST), kept)
        assert kept["settings"]["seed"] == seed
        assert len((mine / LOG).read_text(encoding="utf-8").splitlines()) == 1
    assert not same(*(each["hosts"] for each in told["seeds"]))
    names = {"iterations", "bits, simulated hosts", "AUC, singles", "bits, foreign: network, zero-shot"}
    assert names <= told["mean"].keys()


def test_a_training_that_is_there_is_gone_on_with_only_where_it_shall_be(run, tmp_path):
    """Refused before anything is done; with --resume what is done is not done again, and what is missing is."""
    out = tmp_path / "out"
    assert run("--out", out, "--seeds", "4").exit_code == 0
    before = (folder(out, 4) / LAST).read_bytes()
    refused = run("--out", out, "--seeds", "5,4")
    assert refused.exit_code == 2
    assert "seed-4: holds a training; --resume goes on with it" in refused.output
    assert not folder(out, 5).exists()
    assert run("--out", out, "--seeds", "5,4", "--resume").exit_code == 0
    assert (folder(out, 4) / LAST).read_bytes() == before
    assert len(read_pretrained(folder(out, 5) / LAST)["history"]) == 1


def test_what_is_kept_of_an_interrupted_seed_is_gone_on_with(model, tmp_path):
    """A lost worker costs an iteration: the whole is that of a training that was never interrupted."""
    longer, shares = replace(model, bounds=Bounds(iterations=2)), []
    with sealed(model.out) as seal:
        fan_out(pretrainings(model, [4], seal))
        (resumed,) = fan_out(pretrainings(longer, [4], seal))
    with sealed(tmp_path / "whole") as seal:
        tasks = pretrainings(replace(longer, out=tmp_path / "whole"), [4], seal)
        (whole,) = fan_out(tasks, tick=lambda _, share: shares.append(share))
    assert same(resumed, whole, ALONE)
    assert same(read_pretrained(folder(model.out, 4) / LAST), read_pretrained(folder(tmp_path / "whole", 4) / LAST))
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)


def test_a_folder_that_is_not_the_drivers_is_refused(model, tmp_path):
    """A worker that sees another file system would leave its training where nobody finds it."""
    with pytest.raises(TaskFailedError, match=r"pretraining of seed 5 \(seed 5\): NotSharedError: .* one that all workers share"):
        fan_out(pretrainings(model, [5], tmp_path / "elsewhere"))
    assert not folder(model.out, 5).exists()


def test_paths_hold_in_any_working_directory(model, monkeypatch, tmp_path):
    """A worker has another one; what is foreign keeps its name."""
    monkeypatch.chdir(tmp_path)
    (task,) = pretrainings(replace(model, out=Path("out"), data=Path("data"), external=(Path("a.npz"),)), [5], tmp_path)
    (asked, _seal) = task.work.args
    assert (asked.out, asked.data, asked.external) == (tmp_path / "out" / "seed-5", tmp_path / "data", (tmp_path / "a.npz",))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--ray", "local"), "--ray: there is nothing to fan out but the trainings of several seeds"),
        (("--seeds", "1,x"), "--seeds 1,x: whole numbers from 0 on, separated by commas"),
        (("--seeds", "1", "--ray", "somewhere"), "--ray somewhere: no address of a Ray cluster"),
        (("--seeds", "1", "--external", "none.npz"), "pretraining of seed 1 (seed 1): ForeignError: "),
        (("--seeds", "1", "--data", "none"), "pretraining of seed 1 (seed 1): DatasetError: "),
    ],
)
def test_what_cannot_be_fanned_out_is_refused(run, tmp_path, monkeypatch, words, said):
    """In one line, before anything is learned."""
    monkeypatch.chdir(tmp_path)
    done = run("--out", tmp_path / "out", *words)
    assert done.exit_code == 2
    assert said in done.output.replace("\n", " ")
    assert "Traceback" not in done.output
    assert not list(tmp_path.glob("**/*.pt"))

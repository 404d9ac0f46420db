"""Evolutions from several seeds: each is what it would be alone, in a folder of its own, with all that was asked for."""

import json
from dataclasses import replace

import pytest
import typer
from typer.testing import CliRunner

from ordertrainer.evolve import cli, several
from ordertrainer.evolve import evolve as module
from ordertrainer.evolve.several import Evolution, evolutions
from ordertrainer.evolve.show import figures
from ordertrainer.fanout import TaskFailedError, fan_out, sealed
from ordertrainer.policy.checkpoint import policy_of, read_policy
from ordertrainer.policy.iterations import BEST, LAST, Bounds
from ordertrainer.policy.overseeds import report, table
from ordertrainer.policy.several import folder
from ordertrainer.policy.sitting import Machine
from trainings import same

ALONE = ("seconds", "commit", "checkpoint")


@pytest.fixture(scope="module", autouse=True)
def _quickly_examined(brief):
    """Learn little, examine without hosts, by what follows from the weights; `test_evolve` and `test_fresh` do it with some."""
    with pytest.MonkeyPatch.context() as patched:
        tried = {"suites": {"mix": {"settled": 0.5}}}
        patched.setattr(module, "tried", lambda _, network, *__, **___: {"worth": _sum_of(network()), **tried})
        patched.setattr(cli, "Settings", lambda **given: replace(brief, **given))
        patched.setattr(several, "against_fresh_chaos", _fresh)
        patched.setattr(several, "cross_play", _cross_play)
        yield


def _sum_of(network):
    return float(network._net.whole.weight.detach().sum())


def _fresh(_playbooks, _held, policies, costs, _search, *, hosts, seed, tick):
    """Be what a fresh chaos finds."""
    tick("evolved", 1.0)
    score = {"value": _sum_of(policies["evolved"]()), "low": hosts, "high": seed + costs.harm}
    return {"evolved": dict.fromkeys(("regret_s", "unsettled", "unrepaired"), score)}


def _cross_play(_playbooks, _held, out, costs, *, hosts, seed, tick):
    """Be what generations find."""
    tick(1.0)
    newest = policy_of(read_policy(out / LAST)).state_dict()["whole.weight"]
    return {"hosts": hosts, "seed": seed, "regret_s": {"generation-000": {"flat": float(newest.sum()), "other": costs.harm}}}


@pytest.fixture
def run(imitated):
    """Return what runs the verb from that policy, for one short iteration."""
    app = typer.Typer()
    app.command()(cli.evolve)
    words = ("--policy", imitated.parent, "--drills", 6, "--hosts", 6)
    return lambda *more: CliRunner().invoke(app, [str(word) for word in (*words, *more)])


@pytest.fixture
def model(brief, imitated, tmp_path):
    """Return an evolution of one short iteration."""
    bounds = Bounds(iterations=1)
    return Evolution(out=tmp_path / "out", start=imitated, settings=brief, bounds=bounds, machine=Machine())


@pytest.mark.parametrize("chaos", ["population", "uniform"])
def test_seeds_come_to_what_each_comes_to_alone(run, tmp_path, chaos):
    """Weights, chaos, history and both exams, to the bit, of either chaos and by the weights of people."""
    (tmp_path / "costs.toml").write_text("[costs]\nharm = 7.5\n")
    words = ("--chaos", chaos, "--costs", tmp_path / "costs.toml", "--fresh", 3, "--matrix", 2)
    seeds = run("--out", tmp_path / "seeds", "--seeds", "4,5", "--json", tmp_path / "seeds.json", *words)
    assert seeds.exit_code == 0, seeds.output
    assert "seed 5: iteration   0  drills      6" in seeds.output
    told = json.loads((tmp_path / "seeds.json").read_text(encoding="utf-8"))
    assert sorted(each.name for each in (tmp_path / "seeds").iterdir()) == ["seed-4", "seed-5"]
    for seed, there in zip((4, 5), told["seeds"], strict=True):
        file, alone, mine = tmp_path / f"{seed}.json", tmp_path / f"{seed}", folder(tmp_path / "seeds", seed)
        assert run("--out", alone, "--seed", seed, "--json", file, *words).exit_code == 0
        here = json.loads(file.read_text(encoding="utf-8"))
        assert here.keys() >= {"history", "fresh_chaos", "cross_play"}
        assert same(here, there, ALONE)
        kept = read_policy(mine / LAST)
        assert same(read_policy(alone / LAST), kept)
        assert (kept["settings"]["seed"], kept["settings"]["chaos"]) == (seed, chaos)
        assert (kept["settings"]["hosts"], kept["settings"]["costs"]["harm"]) == (6, 7.5)
        assert there["checkpoint"] == str(mine / LAST)
    assert not same(told["seeds"][0]["history"], told["seeds"][1]["history"])
    assert {"drills", "worth", "fresh chaos: evolved, s", "cross-play: newest, s"} <= told["mean"].keys()
    assert told["mean"]["drills"]["value"] == 6.0


def test_an_evolution_that_is_there_is_gone_on_with_only_where_it_shall_be(run, tmp_path):
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
    assert len(read_policy(folder(out, 5) / LAST)["history"]) == 1


def test_what_is_kept_of_an_interrupted_seed_is_gone_on_with(model, tmp_path):
    """A lost worker costs an iteration: the whole is that of a training that was never interrupted."""
    always = replace(model, settings=replace(model.settings, tune_every=1))
    longer = replace(always, bounds=Bounds(iterations=2), start=None)
    with sealed(model.out) as seal:
        fan_out(evolutions(always, [4], seal))
        (resumed,) = fan_out(evolutions(longer, [4], seal))
    with sealed(tmp_path / "whole") as seal:
        (whole,) = fan_out(evolutions(replace(longer, out=tmp_path / "whole", start=model.start), [4], seal))
    assert same(resumed, whole, ALONE)
    assert resumed["tune"] == read_policy(folder(model.out, 4) / BEST)["tune"]
    assert same(read_policy(folder(model.out, 4) / LAST), read_policy(folder(tmp_path / "whole", 4) / LAST))


def test_how_far_it_is_never_goes_back(model):
    """Over training and both exams of each seed."""
    shares = []
    asked = replace(model, fresh=2, matrix=2)
    with sealed(model.out) as seal:
        fan_out(evolutions(asked, [4, 5], seal), tick=lambda _, share: shares.append(share))
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)
    assert len({round(share, 2) for share in shares}) > 10


def test_a_folder_that_is_not_the_drivers_is_refused(model, tmp_path):
    """A worker that sees another file system would leave its training where nobody finds it."""
    with pytest.raises(TaskFailedError, match=r"evolution of seed 5 \(seed 5\): NotSharedError: .* one that all workers share"):
        fan_out(evolutions(model, [5], tmp_path / "elsewhere"))
    assert not folder(model.out, 5).exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--ray", "local"), "--ray: there is nothing to fan out but the trainings of several seeds"),
        (("--seeds", "1,x"), "--seeds 1,x: whole numbers from 0 on, separated by commas"),
        (("--seeds", "1", "--ray", "somewhere"), "--ray somewhere: no address of a Ray cluster"),
        (("--seeds", "1", "--policy", "none.pt"), "evolution of seed 1 (seed 1): CheckpointError: none.pt: "),
    ],
)
def test_what_cannot_be_fanned_out_is_refused(run, tmp_path, monkeypatch, words, said):
    """In one line, before anything is learned."""
    monkeypatch.chdir(tmp_path)
    done = run("--out", tmp_path / "out", *words)
    assert done.exit_code == 2
    assert said.replace("none.pt", str(tmp_path / "none.pt")) in done.output.replace("\n", " ")
    assert not list(tmp_path.glob("**/*.pt"))


def test_a_seed_that_had_no_time_to_be_examined_has_no_worth():
    """And there is no mean of it then; the others are shown."""
    line = {"iteration": 0, "drills": 6}
    tune = {"iteration": 0, "worth": 0.5, "suites": {"mix": {"settled": 0.75}}}
    every = [{"seed": 1, "history": [line], "tune": tune}, {"seed": 2, "history": [line], "tune": None}]
    assert "worth" not in figures(every[1])
    means = report(every, figures)["mean"]
    assert means["worth"]["value"] is None
    assert means["drills"]["value"] == 6.0
    assert [list(column.cells) for column in table(every, figures).columns][3] == ["0.500", "-", "-"]

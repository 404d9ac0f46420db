"""`ordertrainer fit`: every stage once, in its folder, resumable; the better policy is examined."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from ordertrainer.evolve.drilling import Kept
from ordertrainer.evolve.evolve import Settings as Evolution
from ordertrainer.evolve.learning import Learning
from ordertrainer.fit import chain, cli
from ordertrainer.fit.chain import EVOLVED, PRETRAINED
from ordertrainer.fit.cli import in_order
from ordertrainer.fit.profiles import PROFILES, Profile
from ordertrainer.nets.policy import PolicyShape
from ordertrainer.policy.checkpoint import read_policy
from ordertrainer.policy.imitate import Settings
from ordertrainer.policy.iterations import BEST, HISTORY, LAST, Bounds
from ordertrainer.policy.rollout import Rollout
from ordertrainer.policy.suites import MIX
from ordertrainer.pretrain.simulated import Watch


@pytest.fixture(scope="module", autouse=True)
def _one_thread(one_thread):
    """Whatever is computed here."""


@pytest.fixture(scope="module")
def brief():
    """Return a profile with every stage, each of which learns next to nothing."""
    shape = PolicyShape(width=16, hidden=16, layers=1, heads=2)
    rollout = Rollout(hosts=16, seconds=40, keep_act=1.0, keep_tense=0.5, keep_calm=0.3)
    return Profile(
        summary="for tests",
        pretraining=Bounds(iterations=1, minutes=1.0),
        settings=Settings(rollout=rollout, steps=4, batch=16, tune_hosts=6, moments_max=200, shape=shape),
        bounds=Bounds(iterations=1, minutes=1.0),
        evolution=Evolution(hosts=8, tune_hosts=6, tune_every=1, generation_every=1, kept=Kept(), learning=Learning(passes=1)),
        evolution_bounds=Bounds(iterations=1, minutes=1.0),
        exam_hosts=4,
    )


@pytest.fixture
def run(brief, monkeypatch):
    """Return what runs the verb with that profile; whether the arms are in order is no matter here."""
    monkeypatch.setitem(PROFILES, "brief", brief)
    monkeypatch.setattr(cli, "_refuse_disorder", lambda _reports: None)
    quick = chain.Pretraining

    def pretraining(**settings):
        return quick(**settings, steps=2, batch=8, drawn=8, watch=Watch(hosts=8))

    monkeypatch.setattr(chain, "Pretraining", pretraining)
    app = typer.Typer()
    app.command()(cli.fit)
    return lambda *words: CliRunner().invoke(app, ["--profile", "brief", *map(str, words)])


def test_every_stage_is_done_once_and_the_better_policy_examined(run, tmp_path):
    """Each begins with the one before; a run that goes on finds all done and tells the same."""
    out, file = tmp_path / "fit", tmp_path / "fit.json"
    done = run("--out", out, "--json", file, "--seed", 3)
    assert done.exit_code == 0, done.output
    told = json.loads(file.read_text(encoding="utf-8"))
    assert told["stages"] == {
        PRETRAINED: str(out / PRETRAINED / BEST), "imitated": str(out / BEST), EVOLVED: str(out / EVOLVED / BEST)
    }  # fmt: skip
    assert read_policy(out / BEST)["pretrained"] != ""
    worth = {name: read_policy(Path(path))["tune"]["worth"] for name, path in told["stages"].items() if name != PRETRAINED}
    assert worth[EVOLVED if told["checkpoint"] == told["stages"][EVOLVED] else "imitated"] == max(worth.values())
    again = run("--out", out, "--seed", 3, "--json", file, "--resume")
    assert again.exit_code == 0, again.output
    assert json.loads(file.read_text(encoding="utf-8"))["suites"] == told["suites"]
    assert [len((out / part / HISTORY).read_text().splitlines()) for part in ("", EVOLVED)] == [1, 1]


def test_a_folder_that_holds_a_training_is_not_overwritten(run, tmp_path):
    """Without --resume it is refused, before anything is done."""
    (tmp_path / LAST).write_bytes(b"x")
    done = run("--out", tmp_path)
    assert done.exit_code == 2
    assert "holds a training; --resume goes on with it" in done.output
    assert not (tmp_path / PRETRAINED).exists()


def test_seeds_as_tasks_come_to_what_one_process_comes_to(run, tmp_path):
    """All stages of each, in a folder of its own."""
    seeds = run("--out", tmp_path / "seeds", "--seeds", "3", "--json", tmp_path / "seeds.json")
    assert seeds.exit_code == 0, seeds.output
    assert run("--out", tmp_path / "one", "--seed", 3, "--json", tmp_path / "one.json").exit_code == 0
    seeds_told = json.loads((tmp_path / "seeds.json").read_text(encoding="utf-8"))
    assert {"exam: network", "exam: rules", "exam: chance"} <= set(seeds_told["mean"])
    (there,) = seeds_told["seeds"]
    here = json.loads((tmp_path / "one.json").read_text(encoding="utf-8"))
    assert there["exam"]["suites"] == here["suites"]
    assert sorted(each.name for each in (tmp_path / "seeds").iterdir()) == ["seed-3"]


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_keeps_to_its_time(profile):
    """What its stages may take is within what its name says, with a tenth for exams."""
    chosen = PROFILES[profile]
    named = {"cpu-3min": 3.0, "cpu-4h": 240.0, "gpu-30min": 30.0}[profile]
    minutes = [chosen.bounds.minutes, *(each.minutes for each in (chosen.pretraining,) if each)]
    minutes += [chosen.evolution_bounds.minutes] if chosen.evolution else []
    assert sum(minutes) <= 0.9 * named
    if chosen.evolution:  # else the better of two could not be told
        assert chosen.evolution.tune_hosts == chosen.settings.tune_hosts


def test_the_shares_of_stages_add_up(brief):
    """Each by the time it may take, and a tenth for the exam."""
    heard = []
    shares = chain._Shares(replace(brief, evolution_bounds=Bounds(minutes=2.5)), heard.append)
    for title in ("pretraining", "imitation", "evolution", "exam"):
        with shares.stage(title, ("a", "b"), None) as shown:
            shown.ask("", 1.0)
    assert heard == pytest.approx([0.2, 0.4, 0.9, 1.0])


@pytest.mark.parametrize(("settled", "right"), [((0.9, 0.7, 0.1), True), ((0.7, 0.9, 0.1), False), ((0.9, 0.1, 0.1), False)])
def test_arms_are_in_order_when_each_beats_the_next(settled, right):
    """Network, rules, chance."""
    scored = {name: {"settled": {"value": value}} for name, value in zip(("network", "rules", "chance"), settled, strict=True)}
    assert in_order({"suites": {MIX: {"scores": scored}}}) is right

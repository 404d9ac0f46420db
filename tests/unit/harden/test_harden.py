"""Generations: what is learned, what is kept, and going on after an interruption."""

import json
from dataclasses import replace

import pytest
import torch
import typer
from typer.testing import CliRunner

from ordertrainer.harden.cli import harden_model
from ordertrainer.harden.harden import Settings, Telling, harden
from ordertrainer.imitation.checkpoint import CheckpointError, net_of, read
from ordertrainer.imitation.train import BEST, DRILLED_F1, HISTORY, LAST

SILENT = Telling(say=lambda _line: None, tick=lambda _generation, _share: None)


@pytest.fixture(scope="module")
def settings(brief):
    """Return how to harden in seconds."""
    return Settings(generations=2, rounds=1, hosts=12, training=replace(brief, learning_rate=5e-4))


@pytest.fixture(scope="module")
def run(playbooks, held, data, start):
    """Return what hardens into a folder."""
    return lambda out, how, telling=SILENT: harden(playbooks, held, data, start, out, how, telling)


@pytest.fixture(scope="module")
def hardened(run, settings, tmp_path_factory):
    """Return the folder of two generations, and their history."""
    out = tmp_path_factory.mktemp("hardened")
    return out, run(out, settings)


def test_every_generation_meets_more_and_its_drills_choose_too(hardened):
    """Windows of earlier ones stay; the epoch is chosen by recorded and by drilled ones."""
    out, history = hardened
    assert [line["generation"] for line in history] == [0, 1]
    assert history == [json.loads(line) for line in (out / HISTORY).read_text().splitlines()]
    contents = [read(out / f"generation-00{n}" / LAST) for n in range(2)]
    assert 0 < contents[0]["drilled"]["windows"] < contents[1]["drilled"]["windows"]
    assert all(DRILLED_F1 in line["tune"] for line in history)
    assert history[0]["drills"] == history[1]["drills"] == 12


def test_what_comes_out_is_the_last_generation_and_says_how_it_was_made(hardened):
    """One command once, after those of what it began with."""
    out, _ = hardened
    last, whole = read(out / "generation-001" / BEST), read(out / BEST)
    assert all(torch.equal(last["weights"][name], value) for name, value in whole["weights"].items())
    assert whole["commands"][0] == "ordertrainer train --toys"
    assert [c.split()[1] for c in whole["commands"]] == ["train", "harden"]


def test_an_interrupted_run_ends_where_an_unbroken_one_does(run, settings, hardened, tmp_path):
    """To the bit; what was learned is not learned again."""
    lines = []

    def say(line):
        lines.append(line)
        if len(lines) == 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, settings, Telling(say=say, tick=SILENT.tick))
    assert not (tmp_path / BEST).exists()
    assert (tmp_path / "generation-001").exists()
    run(tmp_path, settings)
    whole, resumed = read(hardened[0] / BEST), read(tmp_path / BEST)
    assert all(torch.equal(whole["weights"][name], value) for name, value in resumed["weights"].items())


def test_a_folder_of_other_settings_is_refused(run, settings, hardened):
    """Nothing of it is changed."""
    before = (hardened[0] / BEST).read_bytes()
    other = replace(settings, training=replace(settings.training, steps=11))
    with pytest.raises(CheckpointError, match="other settings"):
        run(hardened[0], other)
    assert (hardened[0] / BEST).read_bytes() == before


def asked(*words):
    """Run the verb."""
    app = typer.Typer()
    app.command()(harden_model)
    return CliRunner().invoke(app, [str(word) for word in words])


def test_the_verb_refuses_what_it_cannot_do(start, tmp_path):
    """Before anything is simulated, and says what to do instead."""
    words = ("--from", start, "--data", tmp_path / "data", "--out", tmp_path / "out")
    assert "together more than 1" in asked(*words, "--share", 0.7, "--simulated", 0.6).stderr
    missing = asked("--from", tmp_path / "none", *words[2:])
    assert missing.exit_code == 2
    assert "train one with `ordertrainer train`" in missing.stderr
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "x").touch()
    assert "--resume goes on" in asked(*words).stderr


def test_a_network_goes_on_being_what_it_was_shaped_as(hardened, brief):
    """Its shape is that of the start, whatever the settings say."""
    assert net_of(read(hardened[0] / BEST)).shape == brief.shape

"""A minute of training is enough to order the arms."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from ordertrainer.fit import cli
from ordertrainer.fit.profiles import PROFILES
from ordertrainer.policy.iterations import Bounds
from ordertrainer.policy.suites import MIX


@pytest.fixture(autouse=True)
def _one_thread(one_thread):
    """Whatever is computed here."""


def test_a_network_beats_the_rules_and_they_beat_chance(tmp_path, monkeypatch):
    """On hosts that no training saw, after three roll-outs of the profile for small machines; counted, not timed."""
    import typer

    bounded = replace(PROFILES["cpu-3min"], bounds=Bounds(iterations=3))
    monkeypatch.setitem(PROFILES, "cpu-3min", bounded)
    app = typer.Typer()
    app.command("fit")(cli.fit)
    file = tmp_path / "fit.json"
    done = CliRunner().invoke(app, ["--out", str(tmp_path / "fit"), "--json", str(file), "--seed", "0"])
    assert done.exit_code == 0, done.output
    scored = json.loads(file.read_text(encoding="utf-8"))["suites"][MIX]["scores"]
    settled = {name: scored[name]["settled"]["value"] for name in ("network", "rules", "chance")}
    assert settled["network"] > settled["rules"] + 0.05
    assert settled["rules"] > settled["chance"] + 0.3
    assert scored["network"]["harmful_per_host"]["value"] < 0.1

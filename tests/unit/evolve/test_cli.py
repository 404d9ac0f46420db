"""What `ordertrainer evolve` is given is checked before anything is trained."""

import pytest
import typer
from typer.testing import CliRunner

from ordertrainer.evolve import cli, several


@pytest.mark.parametrize(
    ("weights", "why"),
    [("[costs]\nharms = 9\n", "costs.harms = 9: no such weight"), ("[costs]\nharm = -1\n", "costs.harm = -1: want seconds")],
)
def test_weights_that_are_none_are_refused_by_file_and_key(tmp_path, imitated, weights, why):
    """Exit status 2, and no folder of a training is left."""
    file = tmp_path / "costs.toml"
    file.write_text(weights)
    app = typer.Typer()
    app.command()(cli.evolve)
    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["--out", str(out), "--policy", str(imitated), "--drills", "4", "--costs", str(file)])
    assert done.exit_code == 2
    assert f"{file}: {why}" in done.output
    assert not out.exists()


def test_weights_of_people_are_what_a_training_minimises(tmp_path, imitated, monkeypatch):
    """They become part of its settings, so that a training belongs to one set of them."""
    file = tmp_path / "costs.toml"
    file.write_text("[costs]\nharm = 7.5\n")
    seen = []

    def instead(_playbooks, _held, _start, _out, settings, **_):
        seen.append(settings.costs.harm)
        raise ValueError("enough")

    monkeypatch.setattr(several, "evolve", instead)
    app = typer.Typer()
    app.command()(cli.evolve)
    CliRunner().invoke(app, ["--out", str(tmp_path / "out"), "--policy", str(imitated), "--costs", str(file)])
    assert seen == [7.5]

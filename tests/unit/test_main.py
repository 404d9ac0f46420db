"""``orderd check`` and a start that is refused, as a person sees them."""

import shutil
from pathlib import Path

import pytest

from orderd.__main__ import main

REPAIRS = Path(__file__).parents[2] / "playbooks" / "repairs"


@pytest.fixture
def config(tmp_path):
    """A configuration file that is right, beside a catalogue of its own."""
    shutil.copytree(REPAIRS, tmp_path / "repairs")
    file = tmp_path / "orderd.toml"
    file.write_text(f'[executor]\nrepairs_dir = "{tmp_path}/repairs"\n[journal]\npath = "{tmp_path}/journal.sqlite"\n')
    return file


def test_check_says_that_a_file_is_good_and_starts_nothing(config, capsys):
    """One line, exit status 0, and no journal."""
    assert main(["check", "--config", str(config)]) == 0
    assert capsys.readouterr().out.startswith(f"{config}: good; mode observe")
    assert not (config.parent / "journal.sqlite").exists()


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_mistake_is_refused_in_one_line_before_anything_starts(config, capsys, command):
    """File, key, value and what is allowed; the journal is not even created."""
    config.write_text(config.read_text() + "[sampling]\nperiod_s = 100\n")
    assert main([command, "--config", str(config)]) == 1
    said = capsys.readouterr().err
    assert said == f"orderd: {config}: sampling.period_s = 100: Expected `float` <= 60.0\n"
    assert not (config.parent / "journal.sqlite").exists()


def test_check_names_a_broken_repair(config, capsys):
    """The name of the folder and what is wrong with it, and exit status 1."""
    (config.parent / "repairs" / "service_start" / "contract.yml").write_text("name: [\n")
    assert main(["check", "--config", str(config)]) == 1
    assert "repair service_start is refused: " in capsys.readouterr().err

"""Linters and types are ordinary tests, so that one command runs everything."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
COMMANDS = {
    "ruff": ["ruff", "check", "."],
    "format": ["ruff", "format", "--check", "."],
    "types": ["basedpyright"],
    "rooms": ["lint-imports"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_linter_finds_nothing(name):
    """Every linter is silent about the whole tree."""
    command, *arguments = COMMANDS[name]
    env = dict(os.environ, PYTHONPATH=f"{ROOT / 'daemon'}:{ROOT / 'training'}", NO_COLOR="1")
    done = subprocess.run([BIN / command, *arguments], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command} {' '.join(arguments)}\n{done.stdout[-6000:]}{done.stderr[-2000:]}"

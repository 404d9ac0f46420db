"""``ordertrainer drill`` on a machine that cannot hold a drill."""

import pytest
import typer
from typer.testing import CliRunner

from ordertrainer.drill.cli import drill
from ordertrainer.ground import preflight


@pytest.fixture
def command():
    app = typer.Typer()
    app.command()(drill)
    return lambda *arguments: CliRunner().invoke(app, arguments)


def test_who_is_not_root_gets_one_line_and_status_2(command, monkeypatch):
    """No traceback, no download: what to do."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    result = command()
    assert (result.exit_code, result.stderr.strip()) == (2, "error: needs root: run sudo make drill")


def test_without_nspawn_the_package_is_named_and_status_is_2(command, monkeypatch):
    """NO_APT=1 on a machine without systemd-nspawn."""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setenv("NO_APT", "1")
    monkeypatch.setattr(preflight, "missing_packages", lambda: ["systemd-container"])
    result = command()
    said = "error: needs these Debian packages: systemd-container (NO_APT=1 is set, so nothing was installed)"
    assert (result.exit_code, result.stderr.strip()) == (2, said)

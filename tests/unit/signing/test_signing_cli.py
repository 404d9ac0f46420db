"""The commands of the fleet owner."""

import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from ordertrainer.signing.cli import keygen, sign_app, verify_app

ROOT = Path(__file__).parents[3]


@pytest.fixture
def run():
    """Return a runner of one command line."""
    app = typer.Typer()
    app.command("keygen")(keygen)
    app.add_typer(sign_app, name="sign")
    app.add_typer(verify_app, name="verify")
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


def test_keys_sign_and_what_is_signed_is_verified(run, tmp_path):
    """From no keys at all to a signed model and a signed catalogue, in four commands."""
    keys, trust = tmp_path / "keys", tmp_path / "trust"
    assert run("keygen", "--dir", keys).exit_code == 0
    for kind, source in (("model", "models/order/0.1.0"), ("playbooks", "playbooks/repairs")):
        folder = shutil.copytree(ROOT / source, tmp_path / kind, ignore=shutil.ignore_patterns("__pycache__"))
        name = "models" if kind == "model" else "playbooks"
        (trust / kind).mkdir(parents=True)
        shutil.copy(keys / f"{name}.pub.pem", trust / kind)
        before = run("verify", kind, folder, "--trust", trust / kind)
        assert before.exit_code == 2
        signed = run("sign", kind, folder, "--key", keys / f"{name}.pem", "--days", "30", "--serial", "7")
        assert signed.exit_code == 0, signed.output
        assert "serial 7" in signed.output
        after = run("verify", kind, folder, "--trust", trust / kind)
        assert after.exit_code == 0, after.output
        assert "good" in after.output


def test_keygen_never_replaces_a_key(run, tmp_path):
    """A second keygen fails in one line and leaves the keys alone."""
    run("keygen", "--dir", tmp_path)
    before = (tmp_path / "models.pem").read_bytes()
    again = run("keygen", "--dir", tmp_path)
    assert again.exit_code == 2
    assert "never overwritten" in again.output
    assert (tmp_path / "models.pem").read_bytes() == before

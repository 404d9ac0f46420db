"""The interface as Buf sees it: well formed, and readable by the clients of the release before. No network."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROTO = ROOT / "proto"
RELEASED = sorted((PROTO / "released").glob("v*.binpb"))
BUF = Path(sys.executable).parent / "buf"


def buf(*arguments: str, folder: Path = PROTO) -> subprocess.CompletedProcess[str]:
    """Run buf in a folder, with a proxy that answers nothing: whoever asks the network fails."""
    env = {**os.environ, "https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
    return subprocess.run([BUF, *arguments], cwd=folder, env=env, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path):
    """Return a copy of proto/ that may be broken."""
    return Path(shutil.copytree(PROTO, tmp_path / "proto"))


def test_lint_finds_nothing():
    """Every file follows Buf's STANDARD rules."""
    done = buf("lint")
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_there_is_a_release_to_compare_with():
    """At least one released image is kept, else the test below proves nothing."""
    assert RELEASED


@pytest.mark.parametrize("image", RELEASED, ids=lambda path: path.stem)
def test_clients_of_a_release_before_are_not_broken(image):
    """Nothing a released client relies on was renamed, renumbered, retyped or removed."""
    done = buf("breaking", "--against", str(image))
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("there", "instead"),
    [
        ("string id = 1;\n  string incident_id = 2;", "string id = 2;\n  string incident_id = 1;"),
        ("int32 rung = 2;", "int64 rung = 2;"),
        ("string refused_because = 3;", ""),
        ("rpc GetDecision(", "rpc FetchDecision("),
    ],
)
def test_a_breaking_change_is_found(copy, there, instead):
    """A field that is renumbered, retyped or removed, and a method that is renamed, are refused."""
    path = copy / "orderd" / "v1" / "decision.proto"
    text = path.read_text(encoding="utf-8")
    assert there in text
    path.write_text(text.replace(there, instead, 1), encoding="utf-8")
    assert buf("breaking", "--against", str(RELEASED[0]), folder=copy).returncode != 0


def test_a_field_named_against_the_rules_is_found(copy):
    """Lint is not silent about everything."""
    path = copy / "orderd" / "v1" / "decision.proto"
    path.write_text(path.read_text(encoding="utf-8").replace("int32 rung = 2;", "int32 RungNumber = 2;", 1), encoding="utf-8")
    assert "RungNumber" in buf("lint", folder=copy).stdout

"""The house rules a machine can check."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(p for top in ("daemon", "training") for p in (ROOT / top).rglob("*.py") if "/v1/" not in str(p))
LINES_MAX = 500
FUNCTION_LINES_MAX = 70


def test_daemon_and_training_are_no_packages():
    """``daemon`` is an import name of python-daemon, which ansible-runner needs."""
    assert not (ROOT / "daemon" / "__init__.py").exists()
    assert not (ROOT / "training" / "__init__.py").exists()


@pytest.mark.parametrize("source", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_source_is_one_idea_of_readable_size(source):
    """Files stay under 500 lines and functions under 70."""
    text = source.read_text(encoding="utf-8")
    assert text.count("\n") <= LINES_MAX
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < FUNCTION_LINES_MAX, f"{node.name} is too long"


def test_nothing_unfinished_is_committed():
    """No marks of unfinished work, in code or playbooks."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    marks = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b|NotImplemented" r"Error")
    for name in tracked:
        path = ROOT / name
        generated = name.startswith("daemon/orderd/v1/")
        if path.suffix in {".py", ".yml", ".proto", ".toml", ".j2"} and path.is_file() and not generated:
            assert not marks.search(path.read_text(encoding="utf-8")), name


def test_every_test_states_its_claim():
    """Every test function has a docstring: one claim."""
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                assert ast.get_docstring(node), f"{path.relative_to(ROOT)}: {node.name}"


def test_every_dependency_is_pinned_and_has_its_reason():
    """Pyproject names, constraints pin, ARCHITECTURE gives the reason."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {re.split(r"[\[<>=]", d)[0] for d in project["dependencies"]}
    for extra in project["optional-dependencies"].values():
        names |= {re.split(r"[\[<>=]", d)[0] for d in extra}
    pinned = {
        line.split("==")[0].lower()
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if "==" in line
    }
    reasons = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    for name in sorted(names):
        assert name.lower() in pinned, f"{name} is not in constraints.txt"
        assert f"`{name}`" in reasons, f"ARCHITECTURE.md does not say why {name}"

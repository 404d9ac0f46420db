"""The reliability tests T1 to T20: each says what it measured against which limit, and one file tells of all of them.

``make reliability`` sets ORDERD_RELIABILITY_OUT; the file is written there. A test that was skipped or did not run does not hold.
ORDERD_RELIABILITY=nightly asks for the larger sizes. Tests marked ``long`` run only with ``make reliability``.
"""

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "scenario")]

TESTS = tuple(f"T{number}" for number in range(1, 21))
_OUT = os.environ.get("ORDERD_RELIABILITY_OUT", "")
_NIGHTLY = os.environ.get("ORDERD_RELIABILITY") == "nightly"
_MEASURED = "measured"
_FILE = re.compile(r"test_t(?P<number>\d\d)_")


@dataclass
class Tally:
    """What the tests of one T have shown so far."""

    figures: list[str] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)
    whys: list[str] = field(default_factory=list)
    runs: int = 0
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0

    @property
    def holds(self) -> bool:
        """Tell whether everything ran, said its figure, and passed."""
        return self.passed > 0 and not self.failed and not self.skipped and bool(self.figures)

    def as_dict(self) -> dict:
        """Return the entry of the file."""
        entry = {
            "figure": "; ".join(dict.fromkeys(self.figures)) or "not measured",
            "limit": "; ".join(dict.fromkeys(self.limits)),
            "holds": self.holds,
            "runs": self.runs,
            "seconds": round(self.seconds, 1),
        }
        if not self.holds:
            entry["why"] = "; ".join(self.whys) or ("did not run" if not self.passed else "no figure was told")
        return entry


_TALLIES = {name: Tally() for name in TESTS}


def _name_of(path: Path) -> str:
    found = _FILE.match(path.name)
    return f"T{int(found['number'])}" if found else ""


def pytest_collection_modifyitems(config, items):
    """Leave what takes long to `make reliability`."""
    here = Path(__file__).parent
    late = [i for i in items if i.path.is_relative_to(here) and i.get_closest_marker("long") and not _OUT]
    if late:
        config.hook.pytest_deselected(items=late)
        items[:] = [i for i in items if i not in late]


def pytest_runtest_logreport(report):
    """Keep what became of each test, in whichever process it ran; one phase that did not pass means that it does not hold."""
    file, _, test = report.nodeid.partition("::")
    name = _name_of(Path(file))
    if not name:
        return
    tally = _TALLIES[name]
    tally.seconds += report.duration
    if report.skipped:
        tally.skipped += 1
        tally.whys.append(f"{test}: skipped: {_reason(report)}")
    elif report.failed:
        tally.failed += 1
        tally.whys.append(f"{test}: {_said(report)}")
    elif report.when == "call":
        tally.passed += 1
    if report.when == "teardown":
        for told in (value for key, value in report.user_properties if key == _MEASURED):
            tally.figures.append(told["figure"])
            tally.limits.append(told["limit"])
            tally.runs += told["runs"]


def _said(report) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    words = (crash.message if crash else str(report.longrepr)).strip()
    return words.splitlines()[0][:300] if words else "failed"


def _reason(report) -> str:
    return report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)


def pytest_sessionfinish(session):
    """Write the file, every T in it."""
    if _OUT and not hasattr(session.config, "workerinput"):
        path = Path(_OUT)
        path.parent.mkdir(parents=True, exist_ok=True)
        ask = ["git", "rev-parse", "--short", "HEAD"]
        commit = subprocess.run(ask, capture_output=True, text=True, check=False).stdout.strip()
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        told = {name: tally.as_dict() | {"commit": commit, "at": when} for name, tally in _TALLIES.items()}
        path.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def pytest_terminal_summary(terminalreporter):
    """Print the table of what was measured."""
    ran = {name: tally for name, tally in _TALLIES.items() if tally.passed or tally.failed or tally.skipped}
    if ran:
        terminalreporter.section("reliability")
    for name, tally in ran.items():
        entry = tally.as_dict()
        verdict = "holds" if tally.holds else "DOES NOT HOLD"
        terminalreporter.write_line(f"{name:>3} {verdict:<13} {entry['figure']} (limit: {entry['limit']})")
        if not tally.holds:
            terminalreporter.write_line(f"    {entry['why']}")


@pytest.fixture
def measured(record_property):
    """Return what takes a test's figure; call it before the asserts, so that a figure that misses its limit is told too."""

    def tell(*, figure: str, limit: str, runs: int) -> None:
        record_property(_MEASURED, {"figure": figure, "limit": limit, "runs": runs})

    return tell


@pytest.fixture(scope="session")
def size():
    """Return a chooser between the size for every change and the one for every night."""
    return lambda ci, nightly: nightly if _NIGHTLY else ci

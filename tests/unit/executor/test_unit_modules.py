"""The modules that enable a unit and that find what it requires, with what systemd would say."""

import importlib
import json
import os
from types import SimpleNamespace

import pytest

from repair_modules import importable

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="records have to be root's: run as root")
UNIT = "a.timer"


@pytest.fixture(scope="module", autouse=True)
def _modules():
    with importable():
        yield


@pytest.fixture
def host(tmp_path):
    """Return what stands for an AnsibleModule: ``said`` holds what systemd says, property by unit."""
    record = tmp_path / "units.json"
    said = {}

    def run_command(command, **_):
        wanted = command[2].removeprefix("--property=")
        return 0, f"{said[command[-1]][wanted]}\n", ""

    params = {"unit": UNIT, "known_good": str(tmp_path)}
    record.write_text(json.dumps({UNIT: {"unit_file_state": "enabled", "requires": ["b.service", "c.socket", "d.service"]}}))
    return SimpleNamespace(params=params, run_command=run_command, said=said, record=record)


@pytest.mark.parametrize(
    ("now", "reason"),
    [("disabled", ""), ("enabled", "a.timer is enabled"), ("masked", "a.timer is masked"), ("", "a.timer is not known")],
)
def test_only_a_unit_that_is_disabled_is_enabled(host, now, reason):
    """One that is masked or broken has another trouble, with a repair of its own."""
    host.said[UNIT] = {"UnitFileState": now}
    assert importlib.import_module("orderd_enable").why_not(host) == reason


def test_a_unit_that_was_not_enabled_when_it_was_recorded_is_not_enabled(host):
    """Nobody is known to have wanted it; a unit without a record is refused."""
    enable = importlib.import_module("orderd_enable")
    host.said[UNIT] = {"UnitFileState": "disabled"}
    host.record.write_text(json.dumps({UNIT: {"unit_file_state": "disabled", "requires": []}}))
    assert enable.why_not(host) == "a.timer was disabled when it was recorded"
    host.record.write_text("{}")
    with pytest.raises(enable.RecordRefusedError, match=r"says nothing of a\.timer"):
        enable.why_not(host)


def test_what_a_unit_requires_by_the_record_and_does_not_run_is_found(host):
    """In the order of the record; what runs, or is about to, is left out, and so is what nobody recorded."""
    requirements = importlib.import_module("orderd_requirements")
    states = {"b.service": "failed", "c.socket": "active", "d.service": "inactive", "foreign.service": "failed"}
    host.said.update({unit: {"ActiveState": state} for unit, state in states.items()})
    assert requirements.down(host) == ["b.service", "d.service"]
    host.said["b.service"] = host.said["d.service"] = {"ActiveState": "activating"}
    assert requirements.down(host) == []

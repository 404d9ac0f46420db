"""Diagnosis bundles: written whatever fails, bounded, and nobody waits for them long."""

import asyncio
import json
import os
import stat
import time
from dataclasses import replace
from pathlib import Path

import pytest

from orderd.domain.faults import Entity
from orderd.domain.signals import HOST_SIGNALS
from orderd.domain.values import DecisionRecord, EntityRow, Sample, entity_values
from orderd.domain.window import History
from orderd.sampling.bundle import BundleCollector
from orderd.sampling.bundle.program import without_secrets

NGINX = Entity.parse("unit:nginx.service")
PARTS = {"log", "processes", "packages", "units_changed", "unit_files", "mounts", "host"}


@pytest.fixture
def collector(manual_clock, tmp_path):
    """Return a maker of collectors that write into a folder of the test."""
    return lambda **fields: BundleCollector(manual_clock, directory=tmp_path / "bundles", **fields)


def window(clock):
    """Return a window in which nginx was up and is down."""
    history = History()
    for active in (1.0, 0.0):
        clock.advance(2)
        row = EntityRow(entity=NGINX, values=entity_values(unit_active_ratio=active))
        host = tuple(float(number) for number in range(len(HOST_SIGNALS)))
        seen = history.add(Sample(at=clock.now(), cause="timer", host=host, entities=(row,)))
    return seen


def held_by(path):
    """Return what a bundle holds."""
    return json.loads(Path(path).read_text())


def size_of(path):
    """Return a file's bytes."""
    return path.stat().st_size


def mode_of(path):
    """Return a file's permissions."""
    return stat.S_IMODE(path.stat().st_mode)


def processes_of(folder):
    """Return the command lines that name a folder."""
    commands = [pid / "cmdline" for pid in Path("/proc").iterdir() if pid.name.isdigit()]
    return [command for command in commands if command.exists() and str(folder).encode() in command.read_bytes()]


def program(folder, text):
    """Return a helper that does as the test wants."""
    path = folder / "helper.py"
    path.write_text(text)
    return path


async def test_a_bundle_holds_what_a_person_needs(collector, make_decision, manual_clock):
    """Decision, newest values, the entity's series, earlier decisions, and every part that the helper looks for."""
    decision = make_decision()
    path = Path(
        await collector().collect(decision, window=window(manual_clock), recent=[DecisionRecord(decision=decision, steps=())])
    )
    held = held_by(path)
    assert path.name == f"{decision.incident_id}.json"
    assert mode_of(path) & 0o027 == 0
    assert held["decision"]["diagnosis"]["failure"] == "service_down"
    assert held["signals"]["entities"]["unit:nginx.service"] == {"unit_active_ratio": 0.0}
    assert held["series"]["signals"]["unit_active_ratio"][0] == 0.0
    assert 1.0 in held["series"]["signals"]["unit_active_ratio"]
    assert len(held["recent_decisions"]) == 1
    assert set(held["host"]) == PARTS
    assert held["host"]["processes"]["memory_bytes"][0]["memory_bytes"] > 0
    assert any(mount["path"] == "/" or "used_ratio" in mount for mount in held["host"]["mounts"])


async def test_a_part_that_fails_costs_only_itself(collector, make_decision, tmp_path):
    """An error is kept in its place; the other parts are there."""
    helper = program(
        tmp_path,
        """print('{"part": "log", "error": "PermissionError: no"}'); print('{"part": "host", "value": [1]}')""",
    )
    held = held_by(await collector(program=helper).collect(make_decision()))
    assert held["host"] == {"log": {"error": "PermissionError: no"}, "host": [1]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            (
                "import subprocess, sys, time\n"
                "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)', __file__])\n"
                'print(\'{"part": "host", "value": 1}\', flush=True); time.sleep(60)'
            ),
            "not everything was there",
        ),
        ('import sys; print(\'{"part": "host", "value": 1}\', flush=True); sys.stdout.write(\'{"part\')', "ends early"),
        ('print(\'{"part": "host", "value": 1}\', flush=True); print(\'x\' * (3 << 20))', "ends early"),
    ],
)
async def test_a_helper_that_hangs_or_babbles_does_not_keep_the_bundle(collector, make_decision, tmp_path, text, said):
    """What was there in time is kept, the file is written, and the helper is gone with all it started."""
    began = time.monotonic()
    path = await collector(program=program(tmp_path, text), limit_s=1.0).collect(make_decision())
    assert time.monotonic() - began < 4
    held = held_by(path)["host"]
    assert held["host"] == 1
    assert said in held["error"]
    await asyncio.sleep(0.1)
    assert processes_of(tmp_path) == []


async def test_bundles_are_bounded_in_number_and_bytes(collector, make_decision, tmp_path):
    """The oldest go first; the newest is always kept."""
    few = collector(program=program(tmp_path, ""), kept_max=3)
    for number in range(1, 6):
        path = Path(await few.collect(make_decision(number)))
        os.utime(path, (number, number))
    assert {each.name for each in path.parent.iterdir()} >= {path.name}
    assert len(list(path.parent.iterdir())) == 3
    small = collector(program=program(tmp_path, ""), kept_bytes_max=1)
    last = Path(await small.collect(make_decision(9)))
    assert list(last.parent.iterdir()) == [last]


async def test_a_bundle_that_would_be_too_large_loses_its_largest_part(collector, make_decision, tmp_path):
    """A part of a megabyte each is fine, together they are cut to the limit."""
    helper = program(
        tmp_path,
        "import json\nfor name, size in (('a', 1900000), ('b', 900000)): print(json.dumps({'part': name, 'value': 'x' * size}))",
    )
    path = Path(await collector(program=helper).collect(make_decision()))
    held = held_by(path)["host"]
    assert size_of(path) < 2 << 20
    assert "too large" in held["a"]["error"]
    assert len(held["b"]) == 900000


async def test_where_nothing_can_be_written_there_is_no_bundle_and_a_reason(collector, make_decision, tmp_path):
    """A folder that cannot be made is said; nothing is raised."""
    (tmp_path / "bundles").write_text("a file")
    blocked = collector(program=program(tmp_path, ""))
    assert await blocked.collect(make_decision()) == ""
    assert "bundles" in blocked.problem


async def test_an_incident_id_is_no_path(collector, make_decision, tmp_path):
    """An id that is no plain name writes nothing."""
    assert await collector(program=program(tmp_path, "")).collect(make_decision(incident_id="../../etc/x")) == ""
    assert not (tmp_path / "etc").exists()


async def test_a_process_has_no_unit_and_gets_the_host_s_warnings(collector, make_decision, tmp_path):
    """The helper is asked for a unit's log only where there is a unit."""
    helper = program(tmp_path, "import sys, json; print(json.dumps({'part': 'asked', 'value': json.loads(sys.argv[1])}))")
    for entity, unit in (("unit:nginx.service", "nginx.service"), ("process:1:2", "")):
        decision = make_decision()
        decision = replace(decision, diagnosis=replace(decision.diagnosis, entity=Entity.parse(entity)))
        held = held_by(await collector(program=helper).collect(decision))
        assert held["host"]["asked"]["unit"] == unit


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("mysql -u root --password=hunter2 db", "mysql -u root --password=*** db"),
        ("app --api-key abc123 --verbose", "app --api-key *** --verbose"),
        ("java -Ddb.password=geheim -jar x.jar", "java -Ddb.password=*** -jar x.jar"),
        ("curl -H X-Api-Key: abc https://bob:s3cret@host/a", "curl -H X-Api-Key: *** https://bob:***@host/a"),
        ("agent --passphrase --verbose", "agent --passphrase --verbose"),
        ("compass start /srv/tokens/app.js", "compass start /srv/tokens/app.js"),
    ],
)
def test_what_looks_like_a_password_is_not_kept(command, told):
    """Command lines are shown without secrets; what only sounds like one stays."""
    assert without_secrets(command) == told


async def test_where_much_breaks_at_once_helpers_take_turns(collector, make_decision, tmp_path):
    """A dozen bundles are asked for in one moment: all are written, and never more than two helpers run."""
    text = (
        "import os, pathlib, time\nhere = pathlib.Path(__file__).parent / 'at'; here.mkdir(exist_ok=True)\n"
        "mine = here / str(os.getpid()); mine.touch(); time.sleep(0.05)\n"
        "(here.parent / f'seen-{os.getpid()}').write_text(str(len(list(here.iterdir())))); mine.unlink()"
    )
    bundles = collector(program=program(tmp_path, text))
    paths = await asyncio.gather(*(bundles.collect(make_decision(number)) for number in range(1, 13)))
    assert all(paths)
    seen = [int(each.read_text()) for each in tmp_path.glob("seen-*")]
    assert len(seen) == 12
    assert max(seen) <= 2


async def test_the_place_of_a_bundle_is_known_before_it_is_written(collector, make_decision):
    """What is told beforehand is where the file is; a name that would leave the folder has no place."""
    bundles, decision = collector(limit_s=0.2), make_decision()
    place = bundles.place(decision.incident_id)
    assert await bundles.collect(decision) == place
    assert held_by(place)["incident_id"] == decision.incident_id
    assert bundles.place("../evil") == ""

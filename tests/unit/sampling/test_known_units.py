"""What is recorded of declared units beside their files: limits, what systemd is to do, access to data, filter rules."""

import json
import os
import stat

import pytest

from orderd.config.schema import Config, ServiceConfig
from orderd.sampling.known_good import data, filters, limits, units

UNIT = "a.service"


def config_of(*names, **more):
    return Config(services=tuple(ServiceConfig(unit=name, **more) for name in names))


def read(path):
    return json.loads(path.read_text())


@pytest.fixture
def measured(monkeypatch):
    """Return what a capture of limits measures, unit by unit; nothing for one that does not run."""
    found = {UNIT: {"nice": 0}}
    monkeypatch.setattr(limits, "_measure", lambda unit: found.get(unit, {}))
    return found


def test_limits_of_a_unit_that_does_not_run_are_those_known_of_it(tmp_path, measured):
    """A record made anew replaces what can be measured and keeps the rest; nobody's limits are made up."""
    assert limits.capture(config_of(UNIT, "down.service"), tmp_path, keep=False) == [tmp_path / "limits.json"]
    assert read(tmp_path / "limits.json") == {UNIT: {"nice": 0}}
    measured.clear()
    measured["down.service"] = {"nice": 1}
    limits.capture(config_of(UNIT, "down.service"), tmp_path, keep=False)
    assert read(tmp_path / "limits.json") == {UNIT: {"nice": 0}, "down.service": {"nice": 1}}


def test_an_upgrade_adds_to_the_limits_and_changes_none(tmp_path, measured):
    """With ``keep`` a unit that is squeezed just now does not become known to be good."""
    limits.capture(config_of(UNIT), tmp_path, keep=False)
    measured[UNIT] = {"nice": 19}
    assert limits.capture(config_of(UNIT), tmp_path, keep=True) == []
    measured["new.service"] = {"nice": 5}
    assert limits.capture(config_of(UNIT, "new.service"), tmp_path, keep=True) == [tmp_path / "limits.json"]
    assert read(tmp_path / "limits.json") == {UNIT: {"nice": 0}, "new.service": {"nice": 5}}
    assert stat.S_IMODE((tmp_path / "limits.json").stat().st_mode) == 0o644


def test_what_systemd_is_to_do_with_units_is_recorded(tmp_path, monkeypatch):
    """Whether it starts them by itself, and which services and sockets they require; slices and targets are systemd's."""
    said = {
        "UnitFileState": "enabled\n",
        "Requires": "b.service system.slice sysinit.target srv-data.mount\n",
        "BindsTo": "c.socket b.service\n",
        "Requisite": "\n",
    }
    monkeypatch.setattr(units, "show", lambda unit, wanted: said[wanted])
    units.capture(config_of(UNIT), tmp_path, keep=False)
    expected = {UNIT: {"unit_file_state": "enabled", "requires": ["b.service", "c.socket"]}}
    assert read(tmp_path / "units.json") == expected
    said["UnitFileState"] = "disabled\n"
    assert units.capture(config_of(UNIT), tmp_path, keep=True) == []
    assert read(tmp_path / "units.json") == expected


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Return the data folder of a unit, and a function that captures who may read it and gives the unit's entries."""
    monkeypatch.setattr(data, "show", lambda unit, wanted: "")
    folder, record = tmp_path / "lib" / "a", tmp_path / "record"
    (folder / "deep").mkdir(parents=True)
    record.mkdir()
    (folder / "file").write_text("content")
    (folder / "deep" / "file").write_text("content")
    (folder / "link").symlink_to("/etc/shadow")
    (folder / "file").chmod(0o640)

    def capture(*, keep=False):
        data.capture(config_of(UNIT, data=(str(folder),)), record, keep=keep)
        return read(record / "data.json")[UNIT]

    return folder, capture


def test_access_to_data_is_recorded_for_root_alone(kept, tmp_path):
    """The folder and what is in it, with type and mode; no link, because what it leads to is somebody else's."""
    folder, capture = kept
    entries = capture()
    assert set(entries) == {str(folder), *(str(folder / name) for name in ("file", "deep", "deep/file"))}
    assert entries[str(folder / "file")] == [stat.S_IFREG | 0o640, os.geteuid(), os.getegid()]
    assert stat.S_ISDIR(entries[str(folder)][0])
    assert stat.S_IMODE((tmp_path / "record" / "data.json").stat().st_mode) == 0o600


def test_only_so_much_of_a_units_data_is_recorded_and_the_top_first(kept, monkeypatch):
    """A database may have millions of files; those near the top are what a restore by hand gets wrong."""
    folder, capture = kept
    monkeypatch.setattr(data, "ENTRIES_MAX", 3)
    assert list(capture()) == [str(folder), str(folder / "deep"), str(folder / "file")]


def test_a_state_directory_is_data_and_one_that_is_not_there_is_none(kept, tmp_path, monkeypatch):
    """A unit makes it at its first start; the record is not made for want of it."""
    folder, capture = kept
    monkeypatch.setattr(data, "_STATE", tmp_path / "state")
    monkeypatch.setattr(data, "show", lambda unit, wanted: "here gone\n")
    (tmp_path / "state" / "here").mkdir(parents=True)
    entries = capture()
    assert str(tmp_path / "state" / "here") in entries
    assert str(tmp_path / "state" / "gone") not in entries
    folder.chmod(0o700)
    assert capture(keep=True) == entries


def test_filter_rules_are_recorded_as_listed_for_root_alone(tmp_path, monkeypatch):
    """And none of them where there is no nft; a record that there is stays at an upgrade."""
    nft = tmp_path / "nft"
    nft.write_text('#!/bin/sh\nprintf \'{"nftables": [{"table": {"family": "inet", "name": "%s"}}]}\' "${0##*/}"\n')
    nft.chmod(0o755)
    monkeypatch.setattr(filters, "_NFT", nft)
    filters.capture(config_of(), tmp_path, keep=False)
    listed = {"nftables": [{"table": {"family": "inet", "name": "nft"}}]}
    assert read(tmp_path / "nft.json") == listed
    assert stat.S_IMODE((tmp_path / "nft.json").stat().st_mode) == 0o600
    monkeypatch.setattr(filters, "_NFT", tmp_path / "none")
    assert filters.capture(config_of(), tmp_path, keep=True) == []
    assert read(tmp_path / "nft.json") == listed
    filters.capture(config_of(), tmp_path, keep=False)
    assert read(tmp_path / "nft.json") == {"nftables": []}

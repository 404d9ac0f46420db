import json
import math
import os
import stat

import msgspec
import pytest

from orderd.config.schema import Config, MountConfig, ResolverConfig, SamplingConfig, ServiceConfig
from orderd.sampling import known_good
from orderd.sampling.known_good import DropIns, capture

UNIT = "nginx.service"


@pytest.fixture
def host(tmp_path, monkeypatch):
    """Return config, a drop-in on the host, and the list systemd would show."""
    dropin = tmp_path / "etc" / "50-a.conf"
    dropin.parent.mkdir()
    dropin.write_text("[Service]\nRestart=no\n")
    dropin.chmod(0o600)
    resolv = tmp_path / "resolv.conf"
    resolv.write_text("nameserver 127.0.0.53\n")
    paths = [str(dropin)]
    monkeypatch.setattr(known_good.dropins, "_dropin_paths", lambda unit: paths)
    monkeypatch.setattr(known_good.services, "_unit_file", lambda unit: "")
    monkeypatch.setattr(known_good.settings, "FILES", ())
    monkeypatch.setattr(known_good.settings, "FOLDERS", ())
    for part in (known_good.limits, known_good.units, known_good.data):
        monkeypatch.setattr(part, "show", lambda unit, wanted: "")
    monkeypatch.setattr(known_good.filters, "_NFT", tmp_path / "no-nft")
    config = Config(
        services=(ServiceConfig(unit=UNIT),),
        sampling=SamplingConfig(known_good=str(tmp_path / "known-good")),
        resolver=ResolverConfig(name="a.test", resolv_conf=str(resolv)),
    )
    return config, dropin, paths


@pytest.fixture
def compared(host, tmp_path, manual_clock):
    """Return a function that compares as the daemon would some time later."""
    dropins = DropIns(tmp_path / "known-good")

    def compare(paths):
        manual_clock.advance(60)
        return dropins.changed(UNIT, paths, manual_clock.now())

    return compare


def test_capture_makes_a_record_everybody_can_read(host, tmp_path):
    """The daemon is not root: files of the record are readable whatever the originals were."""
    config, _, _ = host
    written = capture(config)
    root = tmp_path / "known-good"
    compared = {root / "resolv.conf", root / "dropins" / f"{UNIT}.d" / "50-a.conf"}
    assert {*compared, root / "files" / UNIT / "index.json"} <= set(written)
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o644 for path in compared)
    assert stat.S_IMODE((root / "dropins" / f"{UNIT}.d").stat().st_mode) == 0o755


def test_capture_replaces_the_old_record_as_a_whole(host, tmp_path):
    """A drop-in that is gone from the host is gone from the next record."""
    config, _, paths = host
    capture(config)
    paths.clear()
    capture(config)
    assert list((tmp_path / "known-good" / "dropins").iterdir()) == [tmp_path / "known-good" / "dropins" / f"{UNIT}.d"]
    assert not any((tmp_path / "known-good" / "dropins" / f"{UNIT}.d").iterdir())


def test_an_untouched_host_is_unchanged(host, compared):
    """Equal names and contents are unchanged, also when a file was touched."""
    config, dropin, paths = host
    capture(config)
    assert compared(paths) == 0
    os.utime(dropin, (1, 1))
    assert compared(paths) == 0


def test_an_edited_an_added_and_a_missing_drop_in_are_changes(host, compared, tmp_path):
    """Each of the three ways to differ counts."""
    config, dropin, paths = host
    capture(config)
    bad = tmp_path / "etc" / "90-bad.conf"
    bad.write_text("[Service]\nExecStart=\n")
    assert compared([*paths, str(bad)]) == 1
    assert compared(paths) == 0
    assert compared([]) == 1
    dropin.write_text("[Service]\nRestart=always\n")
    assert compared(paths) == 1
    dropin.unlink()
    assert compared(paths) == 1


def test_without_a_record_the_signal_is_missing(host, compared):
    """No record is not the same as no drop-ins: missing against changed."""
    config, _, paths = host
    assert math.isnan(compared(paths))
    assert math.isnan(compared(None))
    paths.clear()
    capture(config)
    assert compared([]) == 0
    assert compared(["/etc/systemd/system/nginx.service.d/90-bad.conf"]) == 1


def test_another_list_of_drop_ins_is_compared_at_once(host, tmp_path, manual_clock):
    """What systemd loaded just now shows in this very sample, not at the next look."""
    config, _, paths = host
    capture(config)
    dropins = DropIns(tmp_path / "known-good")
    assert dropins.changed(UNIT, paths, manual_clock.now()) == 0
    assert dropins.changed(UNIT, [], manual_clock.now()) == 1


def test_an_upgrade_keeps_what_was_recorded_and_adds_what_is_new(host, tmp_path):
    """With ``keep`` a drop-in that broke the host meanwhile does not become known to be good; a new service is recorded."""
    config, dropin, _ = host
    capture(config)
    dropin.write_text("[Service]\nExecStart=/bin/false\n")
    more = Config(
        services=(*config.services, ServiceConfig(unit="new.service")), sampling=config.sampling, resolver=config.resolver
    )
    written = capture(more, keep=True)
    dropins = tmp_path / "known-good" / "dropins"
    root = tmp_path / "known-good"
    new = {dropins / "new.service.d" / "50-a.conf", root / "files" / "new.service" / "index.json"}
    assert set(written) == new | {root / "units.json", root / "data.json"}
    assert (dropins / f"{UNIT}.d" / "50-a.conf").read_text() == "[Service]\nRestart=no\n"


@pytest.fixture
def configured(host, tmp_path, monkeypatch):
    """Return a configuration that names a secret file, its unit's file, and the folder of what is recorded of them."""
    config, _, _ = host
    unit_file, secret = tmp_path / "lib" / UNIT, tmp_path / "app" / "secret.conf"
    for path in (unit_file, secret):
        path.parent.mkdir()
        path.write_text(path.name)
    secret.chmod(0o640)
    monkeypatch.setattr(known_good.services, "_unit_file", lambda unit: str(unit_file))
    service = ServiceConfig(unit=UNIT, config=(str(secret), str(unit_file)))
    return msgspec.structs.replace(config, services=(service,)), secret, tmp_path / "known-good" / "files" / UNIT


def test_a_services_own_files_are_recorded_with_mode_and_owner_for_root_alone(configured):
    """Configuration may hold secrets: the copies are root's, and say what the files were like."""
    config, secret, record = configured
    capture(config)
    index = json.loads((record / "index.json").read_text())
    assert set(index["files"]) == {str(secret), index["unit_file"]}
    assert set(index["folders"]) == {str(secret.parent)}
    entry = index["files"][str(secret)]
    assert (entry["mode"], entry["uid"]) == (0o640, secret.stat().st_uid)
    assert (record / entry["copy"]).read_text() == "secret.conf"
    assert {stat.S_IMODE(path.stat().st_mode) for path in record.iterdir()} == {0o600}
    assert stat.S_IMODE(record.parent.stat().st_mode) == 0o700


def test_what_a_link_leads_to_is_recorded(configured):
    """Whoever is configured through a link is configured by what is behind it."""
    config, secret, record = configured
    behind = secret.with_name("behind.conf")
    secret.rename(behind)
    secret.symlink_to(behind)
    capture(config)
    assert str(behind) in json.loads((record / "index.json").read_text())["files"]


def test_a_file_that_is_not_there_is_no_healthy_host(configured):
    """Nothing is recorded of a service whose declared file is missing, and what was recorded stays."""
    config, secret, record = configured
    capture(config)
    before = (record / "index.json").read_bytes()
    secret.unlink()
    with pytest.raises(FileNotFoundError, match=r"secret\.conf"):
        capture(config)
    assert (record / "index.json").read_bytes() == before
    assert [path.name for path in record.parent.iterdir()] == [UNIT]
    assert capture(config, keep=True) == ()


@pytest.fixture
def mounted(host, tmp_path, monkeypatch):
    """Return a configuration with a mount and one that is not mounted, its directory, the mount table and the record."""
    config, _, _ = host
    place, table = tmp_path / "data", tmp_path / "mountinfo"
    place.mkdir()
    place.chmod(0o750)
    table.write_text(f"30 22 7:0 / {place} rw,nosuid shared:1 - ext4 /dev/loop0 rw,errors=continue\n")
    monkeypatch.setattr(known_good.mounts, "_MOUNTINFO", table)
    config = msgspec.structs.replace(config, mounts=(MountConfig(path=str(place)), MountConfig(path="/other")))
    return config, place, table, tmp_path / "known-good" / "mounts.json"


def test_how_declared_mounts_are_mounted_is_recorded(mounted):
    """Source, type, options and access of the topmost one; what is not mounted at the moment keeps what was known of it."""
    config, place, table, record = mounted
    assert record in capture(config)
    owner = {"uid": place.stat().st_uid, "gid": place.stat().st_gid}
    how = {"source": "/dev/loop0", "type": "ext4", "options": "rw,nosuid,errors=continue", "mode": 0o750, **owner}
    assert json.loads(record.read_text()) == {str(place): how}
    table.write_text("")
    capture(config)
    assert json.loads(record.read_text()) == {str(place): how}


def test_an_upgrade_adds_to_a_mounts_record_what_an_older_release_did_not_know(mounted):
    """With ``keep`` what is recorded stays, whatever is mounted now; what is not recorded yet is added, once."""
    config, place, _, record = mounted
    record.parent.mkdir()
    record.write_text(json.dumps({str(place): {"source": "/dev/loop7", "type": "ext4", "options": "rw"}}))
    assert record in capture(config, keep=True)
    known = json.loads(record.read_text())[str(place)]
    assert (known["source"], known["options"], known["mode"]) == ("/dev/loop7", "rw", 0o750)
    place.chmod(0o700)
    assert record not in capture(config, keep=True)
    assert json.loads(record.read_text())[str(place)]["mode"] == 0o750
    assert record in capture(config)
    assert json.loads(record.read_text())[str(place)]["mode"] == 0o700

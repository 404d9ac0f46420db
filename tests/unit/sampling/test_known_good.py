import math
import os
import stat

import pytest

from orderd.config.schema import Config, ResolverConfig, SamplingConfig, ServiceConfig
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
    monkeypatch.setattr(known_good, "_dropin_paths", lambda unit: paths)
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
    assert set(written) == {root / "resolv.conf", root / "dropins" / f"{UNIT}.d" / "50-a.conf"}
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o644 for path in written)
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
    assert written == (dropins / "new.service.d" / "50-a.conf",)
    assert (dropins / f"{UNIT}.d" / "50-a.conf").read_text() == "[Service]\nRestart=no\n"

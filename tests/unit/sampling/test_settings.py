"""What of the host itself is recorded, and what differs from it: settings, names, logins, /etc/hosts."""

import json
import math
import os
import stat
from pathlib import Path

import msgspec
import pytest

from orderd.config.schema import Config, HostConfig, ResolverConfig, SamplingConfig
from orderd.domain.faults import Entity
from orderd.sampling.hosts import HostsCollector
from orderd.sampling.known_good import settings
from orderd.sampling.known_good.settings import RecordFile, addresses_of, capture, name_in
from orderd.sampling.settings import HOST, SettingsCollector

NAME = "host.drill.test"
HOSTS = f"127.0.0.1 localhost\n10.98.0.2 {NAME} host\n"
RESOLVER = Entity.parse("resolver:system")


@pytest.fixture
def etc(tmp_path, monkeypatch):
    """Return a small /etc and /proc/sys of the test's own."""
    etc, sys = tmp_path / "etc", tmp_path / "sys"
    for name, text in {
        "etc/hosts": HOSTS,
        "etc/hostname": "# installer\nnode7\n",
        "etc/ssh/sshd_config": "PermitRootLogin no\n",
        "etc/sudoers.d/90-site": "%deploy ALL=(ALL) ALL\n",
        "sys/net/core/somaxconn": "4096\n",
        "sys/net/ipv4/ip_local_port_range": "32768\t60999\n",
        "sys/kernel/secret": "1\n",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (etc / "sudoers.d" / "90-site").chmod(0o440)
    (sys / "kernel" / "secret").chmod(0o600)
    (etc / "sudoers.d" / "link").symlink_to("/etc/passwd")
    monkeypatch.setattr(settings, "PROC_SYS", sys)
    monkeypatch.setattr(settings, "HOSTS", etc / "hosts")
    monkeypatch.setattr(settings, "HOSTNAME", etc / "hostname")
    monkeypatch.setattr(settings, "FOLDERS", (etc / "sudoers.d", etc / "sysctl.d"))
    monkeypatch.setattr(settings, "FILES", (etc / "hosts", etc / "hostname", etc / "ssh" / "sshd_config", etc / "sudoers"))
    return etc


@pytest.fixture
def config(etc, tmp_path):
    (tmp_path / "known-good").mkdir()
    keys = ("net.core.somaxconn", "net.ipv4.ip_local_port_range", "kernel.secret", "net.core.nothing")
    return Config(
        host=HostConfig(settings=keys),
        resolver=ResolverConfig(name=NAME),
        sampling=SamplingConfig(known_good=str(tmp_path / "known-good")),
    )


def record(config, *, keep=False):
    root = Path(config.sampling.known_good)
    return capture(config, root, keep=keep), root


async def row(collector, clock, entity=HOST):
    return dict((await collector.collect(clock.now())).entities[entity])


@pytest.fixture
def compared(config, tmp_path, manual_clock):
    """Return a function that compares as the daemon would."""
    collector = SettingsCollector(RecordFile(Path(config.sampling.known_good)), tmp_path / "state.json")

    async def compare():
        return await row(collector, manual_clock)

    return compare


def test_what_everybody_may_know_is_recorded_for_everybody(config):
    """Settings that the daemon can read, both names, and what /etc/hosts answers."""
    _, root = record(config)
    found = json.loads((root / "settings.json").read_text())
    assert found["settings"] == {"net.core.somaxconn": "4096", "net.ipv4.ip_local_port_range": "32768 60999"}
    assert (found["hostname"], found["hostname_file"]) == (os.uname().nodename, "node7")
    assert found["resolver"] == {"name": NAME, "addresses": ["10.98.0.2"]}
    assert stat.S_IMODE((root / "settings.json").stat().st_mode) == 0o644


def test_the_files_behind_it_are_roots_alone(config, etc):
    """Regular files with mode and owner, links left out, and folders that there are."""
    _, root = record(config)
    index = json.loads((root / "host" / "index.json").read_text())
    assert set(index["files"]) == {
        *(str(etc / name) for name in ("hosts", "hostname", "ssh/sshd_config", "sudoers.d/90-site")),
    }
    assert set(index["folders"]) == {str(etc / "sudoers.d")}
    entry = index["files"][str(etc / "sudoers.d" / "90-site")]
    assert entry["mode"] == 0o440
    assert (root / "host" / entry["copy"]).read_text() == "%deploy ALL=(ALL) ALL\n"
    assert stat.S_IMODE((root / "host").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (root / "host").iterdir()} == {0o600}


def test_an_upgrade_keeps_what_was_recorded_and_adds_what_is_new(config, etc):
    """With ``keep`` what is broken just now is not taken for good; another setting and another name are added."""
    record(config)
    (settings.PROC_SYS / "net/core/somaxconn").write_text("1\n")
    (etc / "hostname").write_text("localhost\n")
    (etc / "hosts").write_text(f"10.98.0.100 {NAME}\n10.0.0.1 other.test\n")
    (etc / "ssh" / "sshd_config").write_text("broken\n")
    assert record(config, keep=True)[0] == []
    (settings.PROC_SYS / "net/core/more").write_text("7\n")
    more = msgspec.structs.replace(
        config, host=HostConfig(settings=("net.core.somaxconn", "net.core.more")), resolver=ResolverConfig(name="other.test")
    )
    written, root = record(more, keep=True)
    assert written == [root / "settings.json"]
    found = json.loads(written[0].read_text())
    assert found["settings"] == {"net.core.somaxconn": "4096", "net.core.more": "7"}
    assert (found["hostname_file"], found["resolver"]) == ("node7", {"name": "other.test", "addresses": ["10.0.0.1"]})
    record(more)
    assert json.loads(written[0].read_text())["settings"]["net.core.somaxconn"] == "1"


async def test_an_untouched_host_differs_in_nothing(config, compared):
    """Values are compared by their words, whatever is between them."""
    record(config)
    (settings.PROC_SYS / "net/ipv4/ip_local_port_range").write_text("32768 60999")
    found = await compared()
    assert (found["host_settings_changed_ratio"], found["host_name_changed_ratio"]) == (0, 0)


async def test_the_share_of_changed_settings_is_told(config, compared):
    """One of two is a half; one that is gone is not compared."""
    record(config)
    (settings.PROC_SYS / "net/core/somaxconn").write_text("1\n")
    assert (await compared())["host_settings_changed_ratio"] == 0.5
    (settings.PROC_SYS / "net/ipv4/ip_local_port_range").unlink()
    assert (await compared())["host_settings_changed_ratio"] == 1


@pytest.mark.parametrize("where", ["file", "file gone", "kernel"])
async def test_a_name_may_differ_in_two_places(config, compared, etc, monkeypatch, where):
    """The file that a boot reads, and the kernel's word."""
    record(config)
    assert (await compared())["host_name_changed_ratio"] == 0
    if where == "kernel":
        named = os.uname()
        monkeypatch.setattr("orderd.sampling.settings.os.uname", lambda: type(named)((named[0], "localhost", *named[2:])))
    elif where == "file":
        (etc / "hostname").write_text("localhost\n")
    else:
        (etc / "hostname").unlink()
    assert (await compared())["host_name_changed_ratio"] == 1


@pytest.mark.parametrize(
    "text", [None, "", "{", "[1]", '{"settings": {}}', '{"settings": 1, "hostname": "", "hostname_file": ""}']
)
async def test_without_a_record_signals_are_missing(config, compared, manual_clock, text):
    """No record, or one that cannot be read, is not the same as nothing changed."""
    if text is not None:
        (Path(config.sampling.known_good) / "settings.json").write_text(text)
    found = await compared()
    assert set(found) == {"host_login_broken_ratio"}
    hosts = await row(HostsCollector(NAME, RecordFile(Path(config.sampling.known_good))), manual_clock, RESOLVER)
    assert math.isnan(hosts["resolver_overridden_ratio"])


async def test_a_new_record_is_read(config, compared):
    """What a person records anew counts at the next look."""
    record(config)
    (settings.PROC_SYS / "net/core/somaxconn").write_text("1\n")
    assert (await compared())["host_settings_changed_ratio"] == 0.5
    record(config)
    assert (await compared())["host_settings_changed_ratio"] == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, math.nan),
        ("{}", math.nan),
        ("[1]", math.nan),
        ('{"sshd": ""}', 0),
        ('{"sshd": "", "sudo": "/etc/sudoers.d/90-site:1:27: syntax error"}', 1),
        ('{"sshd": "/etc/ssh/sshd_config: line 33: Bad configuration option: PermitRootLogins", "sudo": ""}', 1),
    ],
)
async def test_what_the_login_check_left_is_read(compared, tmp_path, text, expected):
    """Missing where nobody looked, 1 when one of the programs complained."""
    assert math.isnan((await compared())["host_login_broken_ratio"])
    if text is not None:
        (tmp_path / "state.json").write_text(text)
    assert (await compared())["host_login_broken_ratio"] == pytest.approx(expected, nan_ok=True)


async def test_a_line_that_was_not_recorded_overrides(config, etc, manual_clock):
    """An address that the record does not have; a comment, another name and a line that is gone are none."""
    record(config)
    collector = HostsCollector(NAME, RecordFile(Path(config.sampling.known_good)))

    async def overridden(text):
        (etc / "hosts").write_text(text)
        return (await row(collector, manual_clock, RESOLVER))["resolver_overridden_ratio"]

    assert await overridden(HOSTS) == 0
    assert await overridden(HOSTS + f"10.98.0.100 {NAME}\n") == 1
    assert await overridden(f"10.98.0.100 other {NAME.upper()}\n") == 1
    assert await overridden(HOSTS + f"#10.98.0.100 {NAME}\n10.98.0.100 not.{NAME}\n") == 0
    assert await overridden("") == 0


async def test_a_record_of_another_name_says_nothing(config, manual_clock):
    """Whoever configured another name has not recorded what it should be."""
    record(config)
    collector = HostsCollector("other.test", RecordFile(Path(config.sampling.known_good)))
    assert math.isnan((await row(collector, manual_clock, RESOLVER))["resolver_overridden_ratio"])


def test_names_and_addresses_are_read_as_others_read_them():
    """Comments and empty lines are none; capitals are the same; no name, no answer."""
    assert name_in("\n# a\n  node7  \nother\n") == "node7"
    assert name_in("") == ""
    assert addresses_of("a.test", "::1 A.test # b.test\n10.0.0.1\n10.0.0.2 x a.TEST\n") == {"::1", "10.0.0.2"}
    assert addresses_of("b.test", "::1 a.test # b.test\n") == set()
    assert addresses_of("", "10.0.0.1 a\n") == set()


@pytest.mark.parametrize("key", ["net/core/somaxconn", "../etc/passwd", "net..core", "somaxconn", "net.core.*"])
def test_a_name_that_is_no_setting_is_refused(key):
    """What the configuration names cannot lead out of /proc/sys."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"settings": [key]}, HostConfig)

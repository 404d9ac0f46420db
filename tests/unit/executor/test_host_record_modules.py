"""The modules that give a host its settings, its name and its host names back, called as Python on files of the test's own."""

import importlib
import json
import os
import stat
from pathlib import Path

import pytest

from repair_modules import importable

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="records have to be root's: run as root")
NAME = "host.drill.test"
HOSTS = f"127.0.0.1 localhost\n10.98.0.2 {NAME} host\n"


@pytest.fixture(scope="module", autouse=True)
def _modules():
    with importable():
        yield


@pytest.fixture
def host(tmp_path):
    """Return parameters, /etc and /proc/sys of a host that is as recorded."""
    etc, proc, record = tmp_path / "etc", tmp_path / "sys", tmp_path / "known-good" / "host"
    files = {"hosts": HOSTS, "hostname": "node7\n", "sysctl.d/50-own.conf": "net.core.somaxconn = 4096\nkernel.other = 1\n"}
    index = {}
    record.mkdir(parents=True)
    for place, (name, text) in enumerate(files.items()):
        path = etc / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o640)
        (record / str(place)).write_text(text)
        index[str(path)] = {"mode": 0o640, "uid": 0, "gid": 0, "copy": str(place)}
    (record / "index.json").write_text(json.dumps({"files": index, "folders": {}}))
    settings = {"net.core.somaxconn": "4096", "net.ipv4.ip_local_port_range": "32768 60999"}
    resolver = {"name": NAME, "addresses": ["10.98.0.2"]}
    known = {"settings": settings, "hostname": "node7", "hostname_file": "node7", "resolver": resolver}
    (record.parent / "settings.json").write_text(json.dumps(known))
    for key, value in (settings | {"kernel.other": "1"}).items():
        file = proc / key.replace(".", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(value.replace(" ", "\t") + "\n")
    params = {
        "known_good": str(record.parent),
        "quarantine": str(tmp_path / "quarantine" / "r1"),
        "proc": str(proc),
        "etc": str(etc),
        "name": NAME,
    }
    return params, etc, proc


def value(proc, key):
    return (proc / key.replace(".", "/")).read_text().split()


@pytest.fixture
def setting():
    return importlib.import_module("orderd_setting")


def test_settings_that_are_as_recorded_are_left_alone(setting, host, tmp_path):
    """Whatever is between the words of a value, and whatever else sysctl.d says."""
    params, etc, _ = host
    (etc / "sysctl.d" / "60-other.conf").write_text("kernel.other = 2\n# net.core.somaxconn = 1\n")
    assert setting.restore(params, dry_run=False) == []
    assert not (tmp_path / "quarantine").exists()


def test_a_setting_and_the_file_behind_it_are_put_right_and_given_back(setting, host):
    """What nobody recorded goes to quarantine, and comes back with the value when the repair is undone."""
    params, etc, proc = host
    bad = etc / "sysctl.d" / "90-site.conf"
    bad.write_text("net.core.somaxconn = 1\n")
    bad.chmod(0o600)
    (proc / "net/core/somaxconn").write_text("1")
    (proc / "kernel/other").write_text("2")
    expected = [str(bad), "net.core.somaxconn"]
    assert setting.restore(params, dry_run=True) == expected
    assert bad.exists()
    assert setting.restore(params, dry_run=False) == expected
    assert (bad.exists(), value(proc, "net.core.somaxconn"), value(proc, "kernel.other")) == (False, ["4096"], ["2"])
    assert setting.restore(params | {"quarantine": params["quarantine"] + "2"}, dry_run=False) == []
    assert setting.take_back(params, dry_run=False) == expected
    assert (bad.read_text(), stat.S_IMODE(bad.stat().st_mode)) == ("net.core.somaxconn = 1\n", 0o600)
    assert value(proc, "net.core.somaxconn") == ["1"]


def test_a_recorded_file_is_put_back_and_what_came_after_is_left_alone(setting, host):
    """The undo overwrites neither a file nor a value that is no longer the repair's."""
    params, etc, proc = host
    own = etc / "sysctl.d" / "50-own.conf"
    own.write_text("net.core.somaxconn = 7\n")
    (proc / "net/core/somaxconn").write_text("7")
    assert setting.restore(params, dry_run=False) == [str(own), "net.core.somaxconn"]
    assert own.read_text().startswith("net.core.somaxconn = 4096")
    assert stat.S_IMODE(own.stat().st_mode) == 0o640
    own.write_text("a person's")
    (proc / "net/core/somaxconn").write_text("512")
    assert setting.take_back(params, dry_run=False) == []
    assert (own.read_text(), value(proc, "net.core.somaxconn")) == ("a person's", ["512"])


def test_of_several_files_only_those_that_count_are_moved(setting, host):
    """One that a later file overrules changes nothing; a link leads to somebody else's file."""
    params, etc, _ = host
    folder = etc / "sysctl.d"
    (folder / "10-overruled.conf").write_text("net.core.somaxconn = 1\n")
    (folder / "70-linked.conf").symlink_to(folder / "10-overruled.conf")
    (folder / "80-not-read").write_text("net.core.somaxconn = 1\n")
    assert setting.restore(params, dry_run=True) == []
    (folder / "90-a.conf").write_text("net/core/somaxconn=2\n")
    (folder / "95-b.conf").write_text("-net.ipv4.ip_local_*=40000 40000\n")
    assert setting.restore(params, dry_run=True) == [str(folder / "90-a.conf"), str(folder / "95-b.conf")]


def test_a_setting_that_does_not_take_its_value_is_a_failure(setting, host, monkeypatch):
    """The kernel may cut a value without saying so."""
    params, _, proc = host
    (proc / "net/core/somaxconn").write_text("1")
    monkeypatch.setattr(setting, "value_of", lambda _proc, key: "1" if key == "net.core.somaxconn" else None)
    with pytest.raises(setting.SettingFailedError, match="does not become 4096"):
        setting.restore(params, dry_run=False)


@pytest.mark.parametrize(
    ("key", "path"),
    [("net.ipv4.x", "net/ipv4/x"), ("net/ipv4/x", "net/ipv4/x"), ("net.conf.eth0/1.x", "net/conf/eth0.1/x"), ("plain", "plain")],
)
def test_keys_are_read_as_sysctl_reads_them(setting, key, path):
    """Whichever of dot and slash comes first separates."""
    assert setting.as_path(key) == path


@pytest.fixture
def naming(monkeypatch):
    """Return the module, and the kernel's name in a list of one."""
    module, kernel = importlib.import_module("orderd_host_name"), ["node7"]
    monkeypatch.setattr(module.socket, "gethostname", lambda: kernel[0])
    monkeypatch.setattr(module.socket, "sethostname", lambda name: kernel.__setitem__(0, name))
    return module, kernel


def test_a_host_that_has_its_name_keeps_it(naming, host, tmp_path):
    """A comment in the file is no other name."""
    module, kernel = naming
    params, etc, _ = host
    (etc / "hostname").write_text("# by hand\nnode7\n")
    assert module.restore(params | {"path": str(etc / "hostname")}, dry_run=False) == []
    assert (kernel, (tmp_path / "quarantine").exists()) == (["node7"], False)


def test_a_lost_name_comes_back_and_is_taken_again(naming, host):
    """In both places, and only in those where it was lost."""
    module, kernel = naming
    params, etc, _ = host
    params |= {"path": str(etc / "hostname")}
    kernel[0] = "localhost"
    (etc / "hostname").write_text("localhost\n")
    places = [params["path"], "the kernel"]
    assert module.restore(params, dry_run=True) == places
    assert kernel == ["localhost"]
    assert module.restore(params, dry_run=False) == places
    assert ((etc / "hostname").read_text(), kernel) == ("node7\n", ["node7"])
    assert module.take_back(params, dry_run=False) == places
    assert ((etc / "hostname").read_text(), kernel) == ("localhost\n", ["localhost"])
    (etc / "hostname").write_text("node7\n")
    assert module.restore(params, dry_run=False) == ["the kernel"]


def test_a_name_that_somebody_gave_since_is_left_alone(naming, host):
    """The undo finds neither the file nor the kernel as the repair left them."""
    module, kernel = naming
    params, etc, _ = host
    params |= {"path": str(etc / "hostname")}
    kernel[0] = "localhost"
    (etc / "hostname").write_text("localhost\n")
    module.restore(params, dry_run=False)
    kernel[0] = "new"
    (etc / "hostname").write_text("new\n")
    assert module.take_back(params, dry_run=False) == []
    assert ((etc / "hostname").read_text(), kernel) == ("new\n", ["new"])


def test_a_name_file_that_is_gone_comes_back(naming, host):
    """A boot would give the host no name."""
    module, _ = naming
    params, etc, _ = host
    params |= {"path": str(etc / "hostname")}
    (etc / "hostname").unlink()
    assert module.restore(params, dry_run=False) == [params["path"]]
    assert (etc / "hostname").read_text() == "node7\n"


@pytest.fixture
def hosts():
    return importlib.import_module("orderd_hosts")


@pytest.mark.parametrize(
    ("line", "left"),
    [
        (f"10.98.0.100 {NAME}\n", ""),
        (f"10.98.0.100\t{NAME.upper()}  # by hand\n", ""),
        (f"10.98.0.100 other {NAME} more # {NAME}\n", f"10.98.0.100 other more # {NAME}\n"),
        (f"10.98.0.100 {NAME} {NAME}.", f"10.98.0.100 {NAME}."),
        (f"# 10.98.0.100 {NAME}\n", f"# 10.98.0.100 {NAME}\n"),
        (f"10.98.0.100 not.{NAME}\n", f"10.98.0.100 not.{NAME}\n"),
        (f"10.98.0.2 {NAME}\n", f"10.98.0.2 {NAME}\n"),
    ],
)
def test_only_the_name_is_taken_out(hosts, host, line, left):
    """A line that names nothing else goes; other names, comments and recorded addresses stay; the undo puts it all back."""
    params, etc, _ = host
    params |= {"path": str(etc / "hosts")}
    (etc / "hosts").write_text(HOSTS + line)
    assert hosts.restore(params, dry_run=True) is (line != left)
    assert hosts.restore(params, dry_run=False) is (line != left)
    assert (etc / "hosts").read_text() == HOSTS + left
    assert stat.S_IMODE((etc / "hosts").stat().st_mode) == 0o640
    assert hosts.restore(params, dry_run=False) is False
    assert hosts.take_back(params, dry_run=False) is (line != left)
    assert (etc / "hosts").read_text() == HOSTS + line


def test_host_names_that_somebody_changed_since_are_left_alone(hosts, host):
    """The undo overwrites nothing."""
    params, etc, _ = host
    params |= {"path": str(etc / "hosts")}
    (etc / "hosts").write_text(f"10.98.0.100 {NAME}\n")
    hosts.restore(params, dry_run=False)
    (etc / "hosts").write_text("a person's")
    assert hosts.take_back(params, dry_run=False) is False
    assert (etc / "hosts").read_text() == "a person's"


@pytest.mark.parametrize("name", ["", "other.test"])
def test_a_record_of_another_name_is_refused(hosts, host, name):
    """Nobody knows which addresses that one may have."""
    params, etc, _ = host
    with pytest.raises(hosts.RecordRefusedError, match="orderd known-good"):
        hosts.restore(params | {"path": str(etc / "hosts"), "name": name}, dry_run=False)


@pytest.mark.parametrize("broken", ["record gone", "record writable", "copies gone"])
def test_a_record_that_is_not_roots_alone_is_refused(setting, host, broken):
    """No value is given as root that somebody else could have written."""
    params, _, proc = host
    record = Path(params["known_good"])
    (proc / "net/core/somaxconn").write_text("1")
    if broken == "record gone":
        (record / "settings.json").unlink()
    elif broken == "record writable":
        (record / "settings.json").chmod(0o666)
    else:
        (record / "host" / "index.json").unlink()
    with pytest.raises(setting.RecordRefusedError):
        setting.restore(params, dry_run=False)
    assert value(proc, "net.core.somaxconn") == ["1"]

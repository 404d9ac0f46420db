import pytest

from ordertrainer.ground import preflight
from ordertrainer.ground.errors import GroundError, MissingToolsError, NotRootError


@pytest.fixture
def root(monkeypatch):
    """A root that lacks lxcfs, and an apt that only notes what it is asked for."""
    asked = []
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(preflight, "missing_packages", lambda: ["lxcfs", "nftables"])
    monkeypatch.setattr(preflight, "_check_layout", lambda: None)
    done = type("Done", (), {"returncode": 0, "stdout": ""})
    monkeypatch.setattr("shutil.which", lambda *_arguments, **_options: "/usr/bin/there")
    monkeypatch.setattr(preflight, "_apt", lambda argv: asked.append(argv) or done)
    return asked


def test_who_is_not_root_gets_one_line_that_says_what_to_do(monkeypatch):
    """Without root nothing is looked at or installed."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(NotRootError, match="needs root: run sudo make drill"):
        preflight.check()


def test_no_apt_refuses_with_the_list(root, monkeypatch):
    """NO_APT=1 names the missing packages and installs none."""
    monkeypatch.setenv("NO_APT", "1")
    with pytest.raises(MissingToolsError, match="lxcfs nftables"):
        preflight.check()
    assert root == []


def test_packages_are_named_before_they_are_installed(root, monkeypatch):
    """The names are said first, then apt is asked for exactly those."""
    monkeypatch.delenv("NO_APT", raising=False)
    preflight.check(root.append)
    assert root[0] == "installing Debian packages: lxcfs nftables"
    assert root[1][-2:] == ["lxcfs", "nftables"]


def test_a_machine_without_apt_is_told_in_one_line(root, monkeypatch):
    """On another distribution the packages are named, and nothing is run."""
    monkeypatch.delenv("NO_APT", raising=False)
    monkeypatch.setattr("shutil.which", lambda *_arguments, **_options: None)
    with pytest.raises(MissingToolsError, match="lxcfs nftables; there is no apt-get here") as refused:
        preflight.check(root.append)
    assert "\n" not in str(refused.value)
    assert root == []


def test_a_failed_installation_is_told_in_one_line(root, monkeypatch):
    """What apt-get said last is the reason; that is where it says what is wrong."""
    monkeypatch.delenv("NO_APT", raising=False)
    failed = type("Failed", (), {"returncode": 100, "stdout": "Reading lists\nE: Unable to locate package lxcfs\n"})
    monkeypatch.setattr(preflight, "_apt", lambda _argv: failed)
    with pytest.raises(MissingToolsError) as refused:
        preflight.check(root.append)
    assert str(refused.value) == "apt-get could not install lxcfs nftables: E: Unable to locate package lxcfs"


def test_a_root_of_several_filesystems_is_refused(monkeypatch):
    """A clone sees the root filesystem only, so a machine with its own /usr is told so."""
    monkeypatch.setattr(preflight, "mount_points", lambda: ["/", "/usr", "/home"])
    with pytest.raises(GroundError, match="/usr: separate filesystems"):
        preflight._check_layout()

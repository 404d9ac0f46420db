"""Certificates, checks, packages and logs on the host's own Python: what is seen of them, and how exactly they are undone."""

from __future__ import annotations

import fcntl
import shutil
import ssl
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from socket import SHUT_RDWR, create_server

import pytest

HOST = Path(__file__).parents[3] / "playbooks" / "faults" / "common" / "host"
MADE = {"undo": "made", "like": "certificate.pem"}
SERVED = {"undo": "served", "unit": "nginx.service", "like": "certificate.pem"}
PACKAGE = {"undo": "package", "name": "site-tools"}
OTHERS = "Package: base\nStatus: install ok installed\n\n"
OURS = "Package: site-tools\nStatus: install ok installed\n\n"
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")


@pytest.fixture
def on_host(monkeypatch):
    """Import a module of the host's part as the host does."""
    monkeypatch.syspath_prepend(str(HOST))
    before = set(sys.modules)
    yield __import__
    for name in set(sys.modules) - before:
        if str(HOST) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def home(on_host, monkeypatch, tmp_path):
    """The directory of the experiment."""
    home = tmp_path / "experiment"
    home.mkdir()
    monkeypatch.setattr(on_host("records"), "HOME", home)
    return home


@pytest.fixture
def undo(on_host, home):
    """The undos, as the host has them."""
    assert home.exists()
    return on_host("undo")


def certificate(directory, days):
    """Make a key and a certificate that is good for some days, or was until yesterday."""
    key, file = directory / "key.pem", directory / f"{days}.pem"
    kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key)
    made = ("-key", key) if key.exists() else kind
    subprocess.run(["openssl", "req", "-new", "-subj", "/CN=a", *made, "-out", directory / "request"], check=True)
    sign = ["openssl", "x509", "-req", "-in", directory / "request", "-signkey", key, "-days", str(days), "-out", file]
    subprocess.run(sign, check=True, stderr=subprocess.DEVNULL)
    return key, file


@contextmanager
def served(key, file):
    """Serve a certificate on loopback and yield the address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    with create_server(("127.0.0.1", 0)) as server:

        def serve():
            with suppress(OSError):
                while True:
                    caller, _ = server.accept()
                    with caller, suppress(OSError):
                        context.wrap_socket(caller, server_side=True).close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}"
        finally:
            server.shutdown(SHUT_RDWR)
            thread.join()


@needs_openssl
def test_a_certificate_that_has_run_out_is_seen_in_the_handshake(on_host, tmp_path):
    """One that is good is not, and where one has run out before the fault nothing is armed."""
    sights = on_host("sights")
    with served(*certificate(tmp_path, 3)) as address:
        sight = {"see": "certificate_expired", "address": address}
        assert sights.capture(sight) is None
        assert not sights.seen(sight, None)
    with served(*certificate(tmp_path, -1)) as address:
        sight = {"see": "certificate_expired", "address": address}
        assert sights.seen(sight, None)
        with pytest.raises(sights.Refused, match="already"):
            sights.capture(sight)


def test_a_server_that_serves_no_certificate_is_no_place_to_start(on_host):
    """Nobody listens: refused before anything is touched."""
    sights = on_host("sights")
    with pytest.raises(sights.Refused, match="no certificate is served"):
        sights.capture({"see": "certificate_expired", "address": "127.0.0.1:1"})


@needs_openssl
def test_a_server_is_reloaded_only_while_it_serves_what_the_fault_made(undo, home, tmp_path, monkeypatch):
    """Once it serves another certificate, or does not run, it is left alone."""
    did, state = [], {"ActiveState": "active"}
    monkeypatch.setattr(undo.upkeep, "show", lambda *_: state)
    monkeypatch.setattr(undo.upkeep, "run", lambda *argv: did.append(argv))
    key, file = certificate(tmp_path, -1)
    with served(key, file) as address:
        step = SERVED | {"address": address}
        assert "left alone" in undo.revert(step, None, "")
        shutil.copy(file, home / "certificate.pem")
        assert undo.revert(step, None, "") == "nginx.service: reloaded"
        state["ActiveState"] = "failed"
        assert "left alone" in undo.revert(step, None, "")
        state["ActiveState"] = "active"
        shutil.copy(certificate(tmp_path, 3)[1], home / "certificate.pem")
        assert "left alone" in undo.revert(step, None, "")
    assert did == [("systemctl", "reload", "nginx.service")]


def test_a_file_that_holds_what_the_fault_made_is_put_back(undo, home, tmp_path):
    """With its content and its mode; the copy in the experiment's directory says what the fault made."""
    path = tmp_path / "server.crt"
    path.write_text("good")
    path.chmod(0o640)
    step = MADE | {"path": str(path)}
    before = undo.capture(step)
    for file in (path, home / "certificate.pem"):
        file.write_text("bad")
    path.chmod(0o600)
    undo.revert(step, before, "")
    assert path.read_text() == "good"
    assert path.stat().st_mode & 0o7777 == 0o640


def test_a_file_that_was_renewed_or_never_replaced_is_left_alone(undo, home, tmp_path):
    """Without a copy the fault never came so far; with another content somebody has put it right."""
    path = tmp_path / "server.crt"
    path.write_text("good")
    step = MADE | {"path": str(path)}
    before = undo.capture(step)
    path.write_text("renewed")
    assert "left alone" in undo.revert(step, before, "")
    (home / "certificate.pem").write_text("bad")
    assert "left alone" in undo.revert(step, before, "")
    assert path.read_text() == "renewed"


def test_what_is_no_plain_file_is_not_replaced(undo, tmp_path):
    """A link would be replaced by a file, and nothing would be what it was."""
    link = tmp_path / "link"
    link.symlink_to("/etc/hostname")
    for path in (link, tmp_path / "absent"):
        with pytest.raises(undo.Refused, match="no plain file"):
            undo.capture(MADE | {"path": str(path)})


def test_a_lock_is_seen_without_being_taken(on_host, tmp_path):
    """Another process that holds it is seen, and can be let in afterwards."""
    lock = tmp_path / "lock"
    lock.touch()
    sights, sight = on_host("sights"), {"see": "lock_held", "path": str(lock)}
    assert not sights.seen(sight, None)
    with lock.open("w") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        holds = f"import sys; sys.path.insert(0, {str(HOST)!r}); import sights; print(sights.seen({sight!r}, None))"
        said = subprocess.run([sys.executable, "-c", holds], capture_output=True, text=True, check=True)
        assert said.stdout == "True\n"
    with lock.open("w") as file:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.fixture
def dpkg(undo, home, tmp_path, monkeypatch):
    """A package database, and a dpkg that takes our package out of it."""
    database = tmp_path / "dpkg"
    database.mkdir()
    (database / "status").write_text(OTHERS)
    (database / "status-old").write_text("older\n")

    def run(*argv):
        assert argv[:2] == ("dpkg", "--purge")
        shutil.copy(database / "status", database / "status-old")
        (database / "status").write_text((database / "status").read_text().replace(OURS, ""))

    monkeypatch.setattr(undo.upkeep, "DPKG", database)
    monkeypatch.setattr(undo.upkeep, "STATUS", home / "dpkg-status")
    monkeypatch.setattr(undo.upkeep, "STATUS_OLD", home / "dpkg-status-old")
    monkeypatch.setattr(undo.upkeep, "run", run)
    return database


def test_a_package_is_purged_and_dpkg_remembers_what_it_did_before(undo, dpkg):
    """Nothing of the package is in the database, nor in the copy that dpkg keeps of its last state."""
    before = undo.capture(PACKAGE)
    (dpkg / "status").write_text(OTHERS + OURS)
    assert undo.revert(PACKAGE, before, "") == "site-tools: purged"
    assert (dpkg / "status").read_text() == OTHERS
    assert (dpkg / "status-old").read_text() == "older\n"
    assert undo.revert(PACKAGE, before, "") == "site-tools: gone already"


@pytest.mark.parametrize(("package", "left"), [("site-tools", False), ("other", True)])
def test_what_a_stopped_dpkg_left_of_the_package_is_removed(undo, dpkg, package, left):
    """Its unpacked scripts go; those of another package, which somebody installs just now, stay."""
    before = undo.capture(PACKAGE)
    (dpkg / "tmp.ci").mkdir()
    (dpkg / "tmp.ci" / "control").write_text(f"Package: {package}\nVersion: 1.1\n")
    undo.revert(PACKAGE, before, "")
    assert (dpkg / "tmp.ci").exists() is left


def test_what_somebody_installed_meanwhile_stays_in_dpkgs_memory(undo, dpkg):
    """The copy of the last state is put back only when nothing else has come or gone."""
    before = undo.capture(PACKAGE)
    theirs = OTHERS + "Package: other\n\n"
    (dpkg / "status").write_text(theirs + OURS)
    undo.revert(PACKAGE, before, "")
    assert (dpkg / "status").read_text() == theirs
    assert (dpkg / "status-old").read_text() == theirs + OURS


def test_a_package_that_the_host_has_is_not_replaced(undo, dpkg):
    """Its name is taken: refused before anything is touched."""
    (dpkg / "status").write_text(OURS)
    with pytest.raises(undo.Refused, match="taken"):
        undo.capture(PACKAGE)


@pytest.fixture
def log(undo, tmp_path, monkeypatch):
    """A log that nobody writes to."""
    log = tmp_path / "access.log"
    log.write_text("one\n")
    monkeypatch.setattr(undo.upkeep, "main_process", lambda _: (0, 0))
    return log


def test_a_rotated_log_becomes_one_file_again(undo, log):
    """The first file, with what was written to the second one at its end."""
    step = {"undo": "rotated", "path": str(log), "unit": "nginx.service"}
    before = undo.capture(step)
    log.rename(f"{log}.1")
    log.write_text("two\n")
    undo.revert(step, before, "")
    assert log.read_text() == "one\ntwo\n"
    assert log.stat().st_ino == before
    assert not Path(f"{log}.1").exists()
    assert "left alone" in undo.revert(step, before, "")


def test_a_log_that_was_rotated_once_more_is_left_alone(undo, log):
    """What lies aside is not what the fault moved there."""
    step = {"undo": "rotated", "path": str(log), "unit": "nginx.service"}
    before = undo.capture(step)
    log.rename(f"{log}.2")
    for name, text in ((f"{log}.1", "two\n"), (log, "three\n")):
        Path(name).write_text(text)
    assert "left alone" in undo.revert(step, before, "")
    assert log.read_text() == "three\n"

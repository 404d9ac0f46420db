"""The identity on disk."""

import os
import stat
import threading
from datetime import UTC, datetime, timedelta

import pytest

from fleet import Fleet, put
from orderd.domain.peers import Role
from orderd.errors import IdentityError
from orderd.identity import store
from orderd.identity.store import About, load, save


@pytest.fixture
def fleet(tmp_path):
    """Return an authority."""
    return Fleet(tmp_path / "data")


@pytest.fixture
def member(fleet):
    """Return an identity."""
    return fleet.member(Role.HOST, "h1")


def test_what_is_put_in_force_is_read_back(tmp_path, member):
    """Key, certificate, authority, name, trainer and dates come back as they were put in."""
    found = put(tmp_path / "id", member, "trainer:7443")
    assert (found.key, found.certificate, found.authority) == (member.key, member.certificate, member.authority)
    assert (found.name, found.trainer) == (member.name, "trainer:7443")
    assert found.not_before < datetime.now(UTC).timestamp() < found.not_after
    assert timedelta(seconds=found.lifetime_s) > timedelta(hours=23)


def test_the_key_is_for_its_owner_alone(tmp_path, member):
    """Neither the key nor the folder can be read by others, whatever the umask."""
    before = os.umask(0)
    try:
        put(tmp_path / "id", member)
    finally:
        os.umask(before)
    key = tmp_path / "id" / "current" / "key.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "id").stat().st_mode) == 0o700


def test_a_key_that_others_may_read_is_refused(tmp_path, member):
    """A key with wider permissions is not used, and the message says what to do."""
    put(tmp_path / "id", member)
    (tmp_path / "id" / "current" / "key.pem").chmod(0o640)
    with pytest.raises(IdentityError, match="others may read"):
        load(tmp_path / "id")


def test_no_identity_says_how_to_get_one(tmp_path):
    """Without an identity the message names both commands."""
    with pytest.raises(IdentityError, match=r"not enrolled.*ordertrainer token.*orderctl enrol"):
        load(tmp_path / "id")


@pytest.mark.parametrize("file", ["key.pem", "certificate.pem", "authority.pem", "about.json"])
@pytest.mark.parametrize("content", [None, b"", b"\xff" * 70_000])
def test_a_half_of_an_identity_is_refused(tmp_path, member, file, content):
    """A file that is missing, empty or far too large makes the whole identity unusable."""
    put(tmp_path / "id", member)
    path = tmp_path / "id" / "current" / file
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(IdentityError, match="cannot be used"):
        load(tmp_path / "id")


@pytest.mark.parametrize("step", ["_write", "_sync"])
@pytest.mark.parametrize("fails_at", range(5))
def test_a_write_that_fails_leaves_the_old_identity_in_force(tmp_path, fleet, monkeypatch, step, fails_at):
    """Wherever writing stops, one set is read whole: the old one and nothing else when it was said to have failed."""
    member = put(tmp_path / "id", fleet.member(Role.HOST, "h1"))
    real, calls = getattr(store, step), []

    def failing(*arguments):
        calls.append(arguments)
        if len(calls) == fails_at + 1:
            raise OSError(28, "No space left on device")
        return real(*arguments)

    monkeypatch.setattr(store, step, failing)
    new = fleet.member(Role.HOST, "h1")
    files = {"key.pem": new.key, "certificate.pem": new.certificate, "authority.pem": new.authority}
    try:
        save(tmp_path / "id", files, About(name=str(new.name), trainer="t:1"))
        expected = new
    except IdentityError:
        expected = member
        assert len(list((tmp_path / "id").iterdir())) == 2
    found = load(tmp_path / "id")
    assert (found.key, found.certificate) == (expected.key, expected.certificate)


def test_a_reader_never_sees_half_of_two_identities(tmp_path, fleet):
    """While identities are replaced as fast as the disk allows, every read gives a key with its own certificate."""
    members = [fleet.member(Role.HOST, f"h{number}") for number in range(4)]
    pairs = {m.key: m.certificate for m in members}
    put(tmp_path / "id", members[0])
    ended = threading.Event()

    def replace():
        for number in range(60):
            put(tmp_path / "id", members[number % 4])
        ended.set()

    thread = threading.Thread(target=replace)
    thread.start()
    reads = 0
    while not ended.is_set():
        found = load(tmp_path / "id")
        assert pairs[found.key] == found.certificate
        reads += 1
    thread.join()
    assert reads > 10


def test_the_key_is_not_in_a_log_line(member):
    """The repr of an identity does not show its key."""
    assert "PRIVATE" not in repr(member)

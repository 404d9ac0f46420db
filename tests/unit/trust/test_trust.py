"""Signatures, keys, terms and the version floor."""

import sys

import pytest

from orderd.errors import TrustError
from orderd.trust import Floor, Purpose, Signature, check_term, decode_signature, encode_signature, verify_elsewhere
from orderd.trust.keys import load_private, load_public, make_pair
from orderd.trust.sign import sign, verify

NOW = 1_795_000_000.0  # 2026-11-18


@pytest.fixture
def pair(tmp_path):
    """A private key file and the folder that trusts its public half."""
    private = tmp_path / "keys" / "models.pem"
    trust = tmp_path / "trust"
    trust.mkdir()
    (trust / "models.pem").write_bytes(make_pair(private).read_bytes())
    return private, trust


def test_a_signature_names_the_key_that_made_it(pair):
    """What was signed is verified, here and in a throwaway process, and the id of the key comes back."""
    private, trust = pair
    signature = sign(b"payload", private, Purpose.MODEL)
    assert verify(b"payload", signature, trust, Purpose.MODEL) == signature.key_id
    assert verify_elsewhere(b"payload", encode_signature(signature), trust, Purpose.MODEL) == signature.key_id


@pytest.mark.parametrize("payload", [b"", b"payloae", b"payload ", b"payloa"])
def test_other_bytes_are_refused(pair, payload):
    """A signature fits the bytes it was made over and no others."""
    private, trust = pair
    raw = encode_signature(sign(b"payload", private, Purpose.MODEL))
    with pytest.raises(TrustError, match="does not fit"):
        verify_elsewhere(payload, raw, trust, Purpose.MODEL)


def test_a_model_signature_never_counts_for_playbooks(pair):
    """Even where one key were trusted for both, a signature made for models is none for playbooks."""
    private, trust = pair
    signature = sign(b"payload", private, Purpose.MODEL)
    with pytest.raises(TrustError, match="does not fit"):
        verify(b"payload", signature, trust, Purpose.PLAYBOOKS)


def test_an_unknown_key_is_refused_by_its_id(pair, tmp_path):
    """A key that is not in the trust directory is named."""
    make_pair(tmp_path / "other" / "models.pem")
    signature = sign(b"payload", tmp_path / "other" / "models.pem", Purpose.MODEL)
    with pytest.raises(TrustError, match=f"{signature.key_id}, which is not trusted here"):
        verify_elsewhere(b"payload", encode_signature(signature), pair[1], Purpose.MODEL)


def test_a_borrowed_key_id_does_not_help(pair, tmp_path):
    """A signature by another key that carries a trusted key's id is refused."""
    private, trust = pair
    make_pair(tmp_path / "other" / "models.pem")
    stranger = sign(b"payload", tmp_path / "other" / "models.pem", Purpose.MODEL)
    trusted = sign(b"x", private, Purpose.MODEL).key_id
    with pytest.raises(TrustError, match="does not fit"):
        verify(b"payload", Signature(key_id=trusted, signature=stranger.signature), trust, Purpose.MODEL)


@pytest.mark.parametrize("raw", [b"", b"{}", b"\xff", b'{"key_id":"x","signature":""}', b"x" * 5000])
def test_what_is_no_signature_is_refused(pair, raw):
    """A broken signature file is named as such and verifies nothing."""
    with pytest.raises(TrustError, match=r"no signature|5000"):
        decode_signature(raw, "manifest.sig")
    with pytest.raises(TrustError):
        verify_elsewhere(b"payload", raw, pair[1], Purpose.MODEL)


def test_without_keys_nothing_is_trusted(pair, tmp_path):
    """An empty or missing trust directory refuses, and says what to do."""
    raw = encode_signature(sign(b"payload", pair[0], Purpose.MODEL))
    (tmp_path / "none").mkdir()
    for folder in ("none", "absent"):
        with pytest.raises(TrustError, match="install the fleet's public keys"):
            verify_elsewhere(b"payload", raw, tmp_path / folder, Purpose.MODEL)


def test_a_trusted_key_that_others_could_write_is_refused(pair):
    """A public key, or its folder, that a group may write is no anchor."""
    private, trust = pair
    (trust / "models.pem").chmod(0o664)
    with pytest.raises(TrustError, match="writable by it alone"):
        load_public(trust)
    (trust / "models.pem").chmod(0o644)
    trust.chmod(0o775)
    with pytest.raises(TrustError, match="writable by it alone"):
        load_public(trust)
    assert private.stat().st_mode & 0o777 == 0o600


def test_a_private_key_that_others_may_read_is_not_used(pair):
    """A leaked mode is refused before anything is signed with it."""
    pair[0].chmod(0o640)
    with pytest.raises(TrustError, match="chmod 0600"):
        load_private(pair[0])


def test_a_key_is_never_overwritten(pair):
    """Making a pair where there is one is refused, and the old one is still there."""
    before = pair[0].read_bytes()
    with pytest.raises(TrustError, match="never overwritten"):
        make_pair(pair[0])
    assert pair[0].read_bytes() == before


def test_verifying_elsewhere_leaves_no_crypto_library_here(pair):
    """The program that asks imports nothing of cryptography."""
    import subprocess

    done = subprocess.run(
        [sys.executable, "-I", "-c", "import orderd.trust, sys; print([m for m in sys.modules if 'cryptography' in m])"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_terms_are_judged_by_a_clock_that_may_be_wrong():
    """No term never expires; a past one is refused; a clock from before this release is not believed, and said to be wrong."""
    check_term("", 0.0, "m")
    check_term("2026-12-31T00:00:00Z", NOW, "m")
    with pytest.raises(TrustError, match="expired on 2026-11-17"):
        check_term("2026-11-17T00:00:00Z", NOW, "m")
    with pytest.raises(TrustError, match="1970-01-01T00:00:00Z, which cannot be: set it"):
        check_term("2026-12-31T00:00:00Z", 0.0, "m")
    with pytest.raises(TrustError, match="no time"):
        check_term("tomorrow", NOW, "m")


def test_the_floor_only_rises(tmp_path):
    """An older serial is refused and changes nothing; the one before the newest may come back, by its hash alone."""
    floor = Floor(tmp_path / "state" / "floor.json")
    floor.check(0, "a" * 64, "m")
    floor.accept(5)
    floor.accept(9, previous_serial=5, previous_sha256="b" * 64)
    floor.accept(7)
    assert floor.read().serial == 9
    assert floor.read().least == 5
    floor.check(9, "c" * 64, "m")
    floor.check(5, "b" * 64, "m")
    with pytest.raises(TrustError, match="serial 5 is older than 9"):
        floor.check(5, "d" * 64, "m")
    with pytest.raises(TrustError, match="serial 8 is older than 9"):
        floor.check(8, "", "m")


@pytest.mark.parametrize("content", [b"", b"{", b'{"serial": -1}', b'{"serial": 3, "x": 1}', b"\xff\xfe"])
def test_a_damaged_floor_is_refused_loudly(tmp_path, content):
    """A floor file that cannot be understood is not a floor of zero: everything is refused, and the file stays as it is."""
    floor = Floor(tmp_path / "floor.json")
    floor.file.write_bytes(content)
    for attempt in (lambda: floor.check(99, "a" * 64, "m"), lambda: floor.accept(99)):
        with pytest.raises(TrustError, match="damaged"):
            attempt()
    assert floor.file.read_bytes() == content


def test_a_floor_that_cannot_be_kept_is_an_error(tmp_path):
    """Where the floor cannot be written, accepting fails."""
    (tmp_path / "file").write_text("")
    with pytest.raises(TrustError, match="version floor"):
        Floor(tmp_path / "file" / "floor.json").accept(3)

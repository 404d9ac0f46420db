"""The authority, its files and its tokens."""

import stat
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from orderd.domain.peers import PeerName, Role
from orderd.errors import OrderdError
from ordertrainer.serve.authority import open_authority, read_request
from ordertrainer.serve.errors import ServeError
from ordertrainer.serve.joining import make
from ordertrainer.serve.tokens import Grant, JoinRefusedError, Members

HOST = "ab" * 16
OPERATOR = Grant(role=Role.OPERATOR, who="alice")


def request(key, algorithm=None) -> bytes:
    """Return a certificate request, DER."""
    built = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, algorithm)
    return built.public_bytes(serialization.Encoding.DER)


def test_the_authority_is_made_once_however_many_begin_at_once(tmp_path):
    """Twelve programs that find no authority end up with the same one."""
    start = threading.Barrier(12)

    def begin(_number):
        start.wait()
        return open_authority(tmp_path, "fleet").pem

    with ThreadPoolExecutor(12) as pool:
        assert len(set(pool.map(begin, range(12)))) == 1
    assert not list((tmp_path / "authority").glob(".*"))


def test_the_key_is_for_its_owner_alone_and_kept(tmp_path):
    """The key's file is 0600, is the same after a restart, and is refused once others may read it."""
    first = open_authority(tmp_path, "fleet")
    path = tmp_path / "authority" / "authority.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert open_authority(tmp_path).pem == first.pem
    assert b"PRIVATE" not in (tmp_path / "authority" / "certificate.pem").read_bytes()
    path.chmod(0o644)
    with pytest.raises(ServeError, match="others may read"):
        open_authority(tmp_path)


def test_a_fleet_keeps_its_name(tmp_path):
    """Another --fleet on the same data is refused, and so is a name no certificate could carry."""
    open_authority(tmp_path, "north")
    with pytest.raises(ServeError, match="called 'north', not 'south'"):
        open_authority(tmp_path, "south")
    with pytest.raises(ServeError, match="no name of a fleet"):
        open_authority(tmp_path / "other", "No Such/Name")


def test_a_certificate_says_what_the_authority_says(tmp_path):
    """Name, addresses, uses and dates are the authority's; of the request only the key counts."""
    key = ec.generate_private_key(ec.SECP256R1())
    authority = open_authority(tmp_path, utc=lambda: 1_800_000_000.0)
    name = PeerName(fleet="fleet", role=Role.HOST, who=HOST)
    found = x509.load_pem_x509_certificate(
        authority.issue(read_request(request(key, hashes.SHA256())), name, addresses=("web1", "10.0.0.5")).encode()
    )
    assert found.public_key() == key.public_key()
    assert found.not_valid_after_utc.timestamp() == 1_800_086_400.0
    assert found.not_valid_before_utc.timestamp() == 1_800_000_000.0 - 300
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [str(name)]
    assert names.get_values_for_type(x509.DNSName) == ["web1"]
    assert not found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


@pytest.mark.parametrize(
    "der",
    [
        b"",
        b"\x30\x00",
        b"\xff" * 5000,
        request(ec.generate_private_key(ec.SECP384R1()), hashes.SHA256()),
        request(ed25519.Ed25519PrivateKey.generate()),
        request(rsa.generate_private_key(65537, 2048), hashes.SHA256()),
        request(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())[:-4] + bytes(4),
    ],
    ids=["empty", "no request", "huge", "P-384", "Ed25519", "RSA", "not its own signature"],
)
def test_a_request_that_is_not_ours_is_refused(der):
    """Only a P-256 key whose holder signed the request is certified; anything else names the field."""
    with pytest.raises(ValueError, match="certificate_request"):
        read_request(der)


def test_a_secret_is_kept_as_its_hash(tmp_path):
    """Nothing in the data directory holds the secret of a token."""
    secret = Members(tmp_path).make(OPERATOR)
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes()


def test_one_secret_lets_one_in_over_processes_and_threads(tmp_path):
    """Eight stores over one file redeem one secret at once: one gets a name, seven are told."""
    secret = Members(tmp_path).make(OPERATOR)
    stores = [Members(tmp_path) for _ in range(8)]
    start = threading.Barrier(8)

    def redeem(store):
        start.wait()
        try:
            return store.redeem(secret, "fleet", "", 60.0)
        except JoinRefusedError as error:
            return str(error)

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(redeem, stores))
    assert sum(isinstance(outcome, tuple) for outcome in outcomes) == 1
    assert sum("used before" in outcome for outcome in outcomes if isinstance(outcome, str)) == 7


def test_a_token_ends_after_a_quarter_of_an_hour(tmp_path):
    """At 15 minutes it is good, a second later it is not."""
    now = [1000.0]
    members = Members(tmp_path, utc=lambda: now[0])
    early, late = members.make(OPERATOR), members.make(OPERATOR)
    now[0] += 900
    assert members.redeem(early, "fleet", "", 60.0)
    now[0] += 1
    with pytest.raises(JoinRefusedError, match="ended 1 s ago"):
        members.redeem(late, "fleet", "", 60.0)


@pytest.mark.parametrize(
    ("grant", "words"),
    [
        (Grant(role=Role.OPERATOR, who=""), "--name is missing"),
        (Grant(role=Role.OPERATOR, who="../admin/x"), "--name"),
        (Grant(role=Role.OPERATOR, who="a", addresses=("x",)), "--address is for hosts only"),
        (Grant(role=Role.HOST, who="web1"), "no host id"),
        (Grant(role=Role.HOST, who="", addresses=("trainer.orderd.internal",)), "the fleet's own"),
        (Grant(role=Role.HOST, who="", addresses=("a b",)), "neither a DNS name nor an IP address"),
        (Grant(role=Role.HOST, who="", addresses=("*.example",)), "neither a DNS name nor an IP address"),
        (Grant(role=Role.TRAINER, who="serve"), "the trainer's own name"),
    ],
)
def test_a_token_for_what_no_certificate_should_say_is_not_made(tmp_path, grant, words):
    """The message names the option and what is allowed."""
    with pytest.raises((ServeError, OrderdError), match=words):
        make(tmp_path, grant, places=("t:1", "t:2"))

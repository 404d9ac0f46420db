"""The two dates of a certificate, read without a crypto library."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from orderd.identity.validity import validity

KEY = ec.generate_private_key(ec.SECP256R1())
MOMENTS = st.datetimes(datetime(1950, 1, 1), datetime(2200, 1, 1)).map(lambda t: t.replace(microsecond=0, tzinfo=UTC))  # noqa: DTZ001


def certificate(begins, ends, issuer="x") -> bytes:
    """Return a certificate in PEM."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)])
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(KEY.public_key())
    built = built.serial_number(x509.random_serial_number()).not_valid_before(begins).not_valid_after(ends)
    return built.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@settings(max_examples=60, deadline=None)
@given(
    begins=MOMENTS,
    length=st.integers(0, 10**9),
    issuer=st.text(min_size=1, max_size=60).filter(lambda name: len(name.encode()) <= 64),
)
def test_the_dates_are_those_a_crypto_library_reads(begins, length, issuer):
    """For any dates, on both sides of 2050 where the format changes, both readers agree."""
    pem = certificate(begins, begins + timedelta(seconds=length), issuer)
    found = x509.load_pem_x509_certificate(pem)
    assert validity(pem) == (found.not_valid_before_utc.timestamp(), found.not_valid_after_utc.timestamp())


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data):
    """Whatever lies between the lines of a PEM, nothing but ValueError is raised."""
    pem = b"-----BEGIN CERTIFICATE-----\n" + base64.b64encode(data) + b"\n-----END CERTIFICATE-----\n"
    with pytest.raises(ValueError, match="certificate"):
        validity(pem)


@settings(max_examples=300, deadline=None)
@given(place=st.integers(0, 200), value=st.integers(0, 255))
def test_a_changed_certificate_is_read_or_refused(place, value):
    """A byte changed anywhere in the header never does more than raise ValueError."""
    der = bytearray(base64.b64decode(b"".join(GOOD.splitlines()[1:-1])))
    der[place] = value
    pem = b"-----BEGIN CERTIFICATE-----\n" + base64.b64encode(bytes(der)) + b"\n-----END CERTIFICATE-----\n"
    try:
        begins, ends = validity(pem)
    except ValueError:
        return
    assert isinstance(begins, float)
    assert isinstance(ends, float)


GOOD = certificate(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))


@pytest.mark.parametrize("pem", [b"", b"-----BEGIN CERTIFICATE-----", GOOD[:-200], GOOD[len(GOOD) // 2 :]])
def test_what_holds_no_certificate_is_refused(pem):
    """Nothing, and any half of a file, is a ValueError."""
    with pytest.raises(ValueError, match="certificate"):
        validity(pem)

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderd.sampling.dns_wire import answers, query

NAME = "host.drill.test"


def test_query_is_what_the_library_would_send():
    """Our twelve lines write the same bytes as dnspython."""
    expected = dns.message.make_query(NAME, "A", id=4711)
    assert query(NAME, 4711) == expected.to_wire()


@pytest.mark.parametrize(("code", "count"), [(dns.rcode.NOERROR, 1), (dns.rcode.NXDOMAIN, 0), (dns.rcode.SERVFAIL, 0)])
def test_answers_are_read_as_the_library_wrote_them(code, count):
    """Response code and number of answers survive the round trip."""
    asked = dns.message.make_query(NAME.upper(), "A", id=7)
    response = dns.message.make_response(asked)
    response.set_rcode(code)
    if count:
        response.answer.append(dns.rrset.from_text(f"{NAME}.", 60, "IN", "A", "10.99.0.1"))
    assert answers(response.to_wire(), query(NAME, 7)) == (code, count)


def test_another_answer_is_none():
    """Wrong id, wrong name, or a question instead of an answer: not ours."""
    response = dns.message.make_response(dns.message.make_query(NAME, "A", id=7)).to_wire()
    assert answers(response, query(NAME, 8)) is None
    assert answers(response, query("h0st.drill.test", 7)) is None
    assert answers(query(NAME, 7), query(NAME, 7)) is None


@given(st.binary(max_size=600))
def test_any_bytes_are_survived(data):
    """Whatever a server sends is an answer or none, never an error."""
    assert answers(data, query(NAME, 7)) is None or data[:2] == b"\0\7"


@pytest.mark.parametrize("name", ["", "a..b", "x" * 64 + ".test"])
def test_what_is_no_name_is_refused(name):
    """Empty or overlong labels have no wire form."""
    with pytest.raises(ValueError, match="no domain name"):
        query(name, 1)

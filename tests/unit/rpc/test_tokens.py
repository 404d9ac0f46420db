"""Page and resume tokens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderd.rpc.tokens import filters_of, page_after, page_token, resume_point, resume_token
from orderd.v1 import decision_pb2, host_pb2


def digest(**fields) -> str:
    """Return the digest of a listing's filters."""
    return filters_of(decision_pb2.ListDecisionsRequest(**fields))


def test_a_token_leads_back_to_its_place():
    """A token of a listing with filters gives the id to go on from."""
    filters = digest(failure="disk_full", action="repair")
    assert page_after(page_token("d1", filters), filters) == "d1"


def test_no_token_is_the_beginning():
    """An empty token means the newest decision, and now."""
    assert page_after("", digest()) == ""
    assert resume_point("") is None


def test_page_size_and_token_are_no_filters():
    """They may differ from page to page."""
    assert digest(page_size=5, page_token="x", state="closed") == digest(state="closed")


@pytest.mark.parametrize(
    "fields", [{"failure": "disk_full"}, {"state": "closed"}, {"reason": "held"}, {"since_utc_ns": 1}, {"until_utc_ns": 1}]
)
def test_a_token_of_another_listing_is_refused(fields):
    """Changing any filter between pages is an error, not a wrong page."""
    with pytest.raises(ValueError, match=r"^page_token.*keep the filters"):
        page_after(page_token("d1", digest()), digest(**fields))


def test_a_token_of_another_method_is_refused():
    """A token of a list of decisions is none of a list of tickets."""
    with pytest.raises(ValueError, match=r"^page_token"):
        page_after(page_token("d1", digest()), filters_of(host_pb2.ListTicketsRequest()))


@given(st.text(min_size=1, max_size=60))
def test_an_invented_token_is_refused(token):
    """Text that we did not make raises ValueError that names the field."""
    with pytest.raises(ValueError, match=r"^page_token"):
        page_after(token, digest())
    with pytest.raises(ValueError, match=r"^resume_after"):
        resume_point(token)


def test_a_resume_token_leads_back_to_its_change():
    """Number and decision survive."""
    point = resume_point(resume_token(17, "d1"))
    assert (point.change, point.decision_id) == (17, "d1")


@pytest.mark.parametrize("number", [-1, 1 << 70])
def test_a_change_that_cannot_be_is_refused(number):
    """A number below zero, or beyond what a journal counts to."""
    with pytest.raises(ValueError, match=r"^resume_after"):
        resume_point(resume_token(number, "d1"))

"""Page tokens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderd.rpc.tokens import Place, from_token, to_token


def test_a_token_leads_back_to_its_place():
    """A token of a listing with filters gives the id to go on from."""
    assert from_token(to_token(Place("d1", "disk_full", "repair")), "disk_full", "repair") == "d1"


def test_no_token_is_the_beginning():
    """An empty token means the newest decision."""
    assert from_token("", "disk_full", "") == ""


def test_a_token_of_another_listing_is_refused():
    """Changing a filter between pages is an error, not a wrong page."""
    with pytest.raises(ValueError, match=r"^page_token.*keep the filters"):
        from_token(to_token(Place("d1", "", "")), "disk_full", "")


@given(st.text(min_size=1, max_size=60))
def test_an_invented_token_is_refused(token):
    """Text that we did not make raises ValueError that names the field."""
    with pytest.raises(ValueError, match=r"^page_token"):
        from_token(token, "", "")

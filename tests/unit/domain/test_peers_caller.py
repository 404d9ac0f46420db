"""Who calls."""

import pytest

from orderd.domain.peers import Caller, Role


@pytest.mark.parametrize(
    ("name", "local", "key"),
    [
        ("alice (uid 1000)", True, "uid 1000"),
        ("uid 1000", True, "uid 1000"),
        ("uid 0 (uid 1000)", True, "uid 1000"),
        ("spiffe://fleet/operator/alice", False, "spiffe://fleet/operator/alice"),
        ("spiffe://fleet/operator/uid 7", False, "spiffe://fleet/operator/uid 7"),
    ],
)
def test_a_caller_is_the_same_whether_or_not_its_name_was_found(name, local, key):
    """A repeated request is known by the uid, which the kernel tells, and not by a name that a slow database may not."""
    assert Caller(name=name, role=Role.OPERATOR, local=local).key == key

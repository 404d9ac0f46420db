"""Roles and names of callers."""

import pytest

from orderd.domain.peers import PeerName, Role, host_id

PEOPLE = (Role.READER, Role.OPERATOR, Role.ADMIN)


@pytest.mark.parametrize("needed", PEOPLE)
@pytest.mark.parametrize("role", list(Role))
def test_only_people_of_at_least_that_role_may(role, needed):
    """Among people a higher role may do what a lower one may; hosts, trainers and strangers are no people."""
    assert role.may(needed) == (role in PEOPLE and role >= needed)


@pytest.mark.parametrize("role", list(Role))
def test_what_needs_no_role_is_open_to_nobody(role):
    """Role.NONE in a table is a mistake, and lets nobody in."""
    assert not role.may(Role.NONE)


@pytest.mark.parametrize("role", [Role.TRAINER, Role.HOST, Role.STRANGER])
def test_roles_beside_the_people_are_for_themselves(role):
    """What a trainer, a host or a stranger may do, no admin may do in their place."""
    assert role.may(role)
    assert not Role.ADMIN.may(role)


def test_a_name_reads_back():
    """A name written as a URI and read again is the same name."""
    name = PeerName(fleet="my-fleet.example", role=Role.HOST, who="ab" * 16)
    assert PeerName.parse(str(name)) == name


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "spiffe://fleet/host/",
        "spiffe://fleet/root/alice",
        "spiffe://fleet/stranger/alice",
        "spiffe://fleet/none/alice",
        "spiffe://Fleet/host/a",
        "spiffe://fleet/operator/alice/admin",
        "spiffe://fleet/operator/alice\n",
        "spiffe://fleet//alice",
        "https://fleet/operator/alice",
        "spiffe://fleet/operator/" + "a" * 65,
        "spiffe://fleet/operator/../admin",
    ],
)
def test_what_is_no_name_is_refused(uri):
    """Only FLEET/ROLE/NAME with a role that certificates may carry is a name."""
    with pytest.raises(ValueError, match="no name of a fleet"):
        PeerName.parse(uri)


def test_the_host_id_does_not_show_the_machine_id():
    """Two machine ids give two host ids, neither of which contains its machine id."""
    one, other = host_id("a" * 32 + "\n"), host_id("b" * 32)
    assert one != other
    assert "aaaa" not in one

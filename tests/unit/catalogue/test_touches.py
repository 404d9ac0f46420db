"""The grammar of touches, and what its refusals say."""

import pytest

from orderd.catalogue.touches import why_refused
from orderd.domain.faults import EntityKind


@pytest.mark.parametrize(
    ("touch", "target"),
    [
        ("process", EntityKind.PROCESS),
        ("config", EntityKind.UNIT),
        ("unit {target}", EntityKind.UNIT),
        ("unit postgresql@*.service", EntityKind.UNIT),
        ("file {target}/**/*.log", EntityKind.MOUNT),
        ("file /etc/systemd/system/{target}.d/*", EntityKind.UNIT),
        ("mount {target}", EntityKind.MOUNT),
        ("link {target}", EntityKind.NIC),
        ("listener tcp *:80", EntityKind.UNIT),
    ],
)
def test_what_can_be_compared_is_allowed(touch, target):
    """Kinds of the inventory with a pattern, and process."""
    assert why_refused(touch, target) == ""


@pytest.mark.parametrize(
    ("touch", "target", "said"),
    [
        ("/etc/resolv.conf", EntityKind.RESOLVER, "one of 'unit NAME'"),
        ("process {target}", EntityKind.PROCESS, "have no names"),
        ("config", EntityKind.MOUNT, "'config' for a unit"),
        ("processes that write them", EntityKind.MOUNT, "one of 'unit NAME'"),
        ("file {target}/x", EntityKind.PROCESS, "no {target}"),
        ("file {target}/x", EntityKind.UNIT, "one of"),
        ("file relative", EntityKind.UNIT, "one of"),
        ("file /etc/../root", EntityKind.UNIT, "without '..'"),
        ("unit *", EntityKind.UNIT, "excuse everything"),
        ("file /**/*", EntityKind.UNIT, "excuse everything"),
        ("link *", EntityKind.NIC, "excuse everything"),
        ("listener tcp *:*", EntityKind.UNIT, "excuse everything"),
        ("unit {target} and more", EntityKind.UNIT, "one of"),
        ("unit", EntityKind.UNIT, "one of"),
        ("", EntityKind.UNIT, "one of"),
    ],
)
def test_what_could_not_be_compared_is_refused_with_what_is_allowed(touch, target, said):
    """A touch that would never match, or always, says why it is refused."""
    assert said in why_refused(touch, target)

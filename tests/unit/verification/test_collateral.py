"""What a repair is blamed for, and what it is not."""

import pytest

from orderd.domain.clock import Instant
from orderd.domain.faults import Entity
from orderd.domain.inventory import Inventory, matches
from orderd.verification.collateral import COLLATERAL_MAX, compare

NGINX = Entity.parse("unit:nginx.service")
RESOLVER = Entity.parse("resolver:system")


def unit(active="active", load="loaded", wanted="yes", invocation="a", restarts="?"):
    """Return a unit's state as the inventory tells it."""
    return f"active={active} sub=x load={load} wanted={wanted} invocation={invocation} restarts={restarts}"


def changed(thing, before, after, *, touches=("unit {target}",), target=NGINX, meanwhile=()):
    """Compare two inventories that differ in one thing."""
    taken = [
        Inventory(at=Instant(mono_ns=0, utc_ns=0), things={} if state is None else {thing: state}) for state in (before, after)
    ]
    return compare(*taken, touches=touches, target=target, meanwhile=meanwhile)


@pytest.mark.parametrize(
    ("thing", "before", "after", "said"),
    [
        ("unit redis.service", unit(), unit("inactive", invocation=""), "was stopped"),
        ("unit redis.service", unit(), None, "was stopped"),
        ("unit redis.service", unit(), unit("failed"), "failed"),
        ("unit redis.service", unit(), unit(invocation="b", restarts="0"), "was restarted"),
        ("unit redis.service", unit(), unit(load="masked"), "was masked"),
        ("unit redis.service", unit("inactive", load="masked"), unit("inactive"), "is not masked any more"),
        ("file /etc/resolv.conf", "sha256=1", "sha256=2", "was changed"),
        ("file /etc/systemd/system/redis.service.d/a.conf", "sha256=1", None, "was removed"),
        ("file /etc/sysctl.d/99.conf", None, "sha256=1", "was made"),
        ("mount /srv/data", "type=ext4 access=rw", None, "is not mounted any more"),
        ("mount /srv/data", "type=ext4 access=ro", "type=ext4 access=rw", "can be written now"),
        ("link eth0", "up=yes mtu=1500", "up=no mtu=1500", "was set down"),
        ("link eth0", "up=yes mtu=1500", "up=yes mtu=1400", "has another MTU"),
    ],
)
def test_what_somebody_must_have_done_is_collateral(thing, before, after, said):
    """A wanted unit stopped, restarted, masked or failed; a watched file or mount that differs."""
    assert changed(thing, before, after) == (f"{thing}: {said}",)


@pytest.mark.parametrize(
    ("thing", "before", "after"),
    [
        ("unit nginx.service", unit("failed"), unit(invocation="b", restarts="0")),
        ("unit redis.service", unit(), unit(invocation="b", restarts="3")),
        ("unit redis.service", unit(), unit(invocation="b", restarts="?")),
        ("unit redis.service", unit("activating"), unit("inactive")),
        ("unit redis.service", unit("inactive", invocation=""), unit(invocation="b")),
        ("unit packagekit.service", unit(), unit("inactive")),
        ("unit hostnamed.service", unit(wanted="no"), unit("inactive")),
        ("unit orderd-repair-d1.scope", unit(), None),
        ("unit session-3.scope", unit(), None),
        ("unit user@0.service", unit(), None),
        ("unit logrotate.service", unit(), unit("inactive")),
        ("unit apt-daily.service", None, unit()),
        ("mount /mnt/auto", None, "type=nfs access=rw"),
        ("mount /mnt/auto", "type=autofs access=rw", None),
        ("mount /srv/data", "type=ext4 access=rw", "type=ext4 access=ro"),
        ("link veth1", None, "up=no mtu=1500"),
        ("link veth1", "up=yes mtu=1500", None),
        ("link eth0", "up=no mtu=1500", "up=yes mtu=1500"),
        ("listener tcp 0.0.0.0:80", None, "uid=0"),
        ("listener tcp 0.0.0.0:80", "uid=0", None),
    ],
)
def test_what_may_have_happened_by_itself_is_no_collateral(thing, before, after):
    """The target, systemd's own restarts, timers, logins, orderd's scopes, what starts, what nothing wants."""
    assert changed(thing, before, after) == ()


def test_a_listener_is_missed_where_no_unit_and_no_process_was_touched():
    """A repair of the resolver has no reason to silence a port."""
    touches = ("file /etc/resolv.conf",)
    assert changed("listener udp 127.0.0.53:53", "uid=0", None, touches=touches, target=RESOLVER)
    assert not changed("listener udp 127.0.0.53:53", "uid=0", None, touches=(*touches, "process"), target=RESOLVER)


def test_what_the_contract_names_and_what_others_do_is_excused():
    """Touches with the target filled in, other repairs' touches, and everything while the whole host is changed."""
    drop_in = "file /etc/systemd/system/nginx.service.d/90-bad.conf"
    assert changed(drop_in, "sha256=1", None, touches=("file /etc/systemd/system/{target}.d/*",)) == ()
    assert changed(drop_in, "sha256=1", None) != ()
    redis = ("unit redis.service", unit(), unit("inactive"))
    assert changed(*redis) != ()
    assert changed(*redis, meanwhile=("unit redis.service",)) == ()
    assert changed(*redis, meanwhile=["*"]) == ()
    assert changed("file /etc/hosts", "sha256=1", "sha256=2", meanwhile=["*"]) == ()


def test_what_is_named_is_bounded():
    """However much changed, the record stays readable."""
    before = Inventory(at=Instant(mono_ns=0, utc_ns=0), things={f"unit u{n:03}.service": unit() for n in range(100)})
    after = Inventory(at=Instant(mono_ns=1, utc_ns=1), things={})
    found = compare(before, after, touches=(), target=NGINX)
    assert len(found) == COLLATERAL_MAX + 1
    assert found[-1] == "and 84 more"


@pytest.mark.parametrize(
    ("pattern", "thing", "means"),
    [
        ("file /srv/**/*.log", "file /srv/a.log", True),
        ("file /srv/**/*.log", "file /srv/a/b/c.log", True),
        ("file /srv/*.log", "file /srv/a/b.log", False),
        ("unit *.service", "unit a.service", True),
        ("unit a.service", "unit aXservice", False),
        ("unit ?.service", "unit a.service", True),
        ("file /etc/hosts", "file /etc/hosts\nx", False),
    ],
)
def test_patterns_mean_what_the_readme_says(pattern, thing, means):
    """A star stays within one part of a path, two stars do not, and nothing else is special."""
    assert matches(pattern, thing) is means

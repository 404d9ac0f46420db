import sqlite3

import pytest

from orderd.domain.clock import Instant
from ordertrainer.serve.errors import ServeError
from ordertrainer.serve.leases import KNOWN_S, Leases, Terms


class Clocks:
    """Both clocks, moved by hand, the monotonic one forwards only."""

    def __init__(self):
        self.mono_s, self.utc_s = 1_000.0, 1_700_000_000.0

    def now(self):
        return Instant(mono_ns=int(self.mono_s * 1e9), utc_ns=int(self.utc_s * 1e9))

    def advance(self, seconds):
        self.mono_s += seconds
        self.utc_s += seconds


@pytest.fixture
def clock():
    return Clocks()


@pytest.fixture
def opened(tmp_path, clock):
    """Open the file as often as a test likes, as a trainer that is started again does; hosts are known on request."""
    made = []

    def make(hosts=0, known=(), **terms):
        leases = Leases(tmp_path / "budget.sqlite", Terms(**terms), clock=clock)
        leases.saw([f"h{i:03}" for i in range(hosts)])
        leases.saw(known)
        made.append(leases)
        return leases

    yield make
    for leases in made:
        leases._file.close()


def granted(leases, hosts, team=""):
    """Return which of the hosts got a lease, asking in order."""
    return [host for host in hosts if leases.acquire(host, team).lease_id]


@pytest.mark.parametrize(
    ("hosts", "share", "limit"), [(0, 0.1, 1), (1, 0.1, 1), (19, 0.1, 1), (20, 0.1, 2), (100, 0.29, 29), (50, 0.0, 1)]
)
def test_no_more_than_the_share_hold_leases(opened, hosts, share, limit):
    """The share of known hosts is rounded down, and one host may always be repaired."""
    leases = opened(hosts, repair_share=share)
    assert len(granted(leases, [f"h{i:03}" for i in range(max(hosts, 5))])) == limit


def test_a_refusal_says_how_many_and_when_to_ask_again(opened):
    """A refused host is told the numbers and a pause between 1 and 15 s, and takes nothing."""
    leases = opened(30)
    granted(leases, ["h000", "h001", "h002"])
    answer = leases.acquire("h003", "")
    assert (answer.lease_id, answer.detail) == ("", "3 of 30 hosts under repair, 3 may be")
    assert 1 <= answer.duration_s <= 15


def test_a_host_that_asks_twice_has_one_lease(opened):
    """Asking again renews; it neither takes a second share nor leaves the old id good for a release that comes late."""
    leases = opened(20)
    first, second = leases.acquire("h000", ""), leases.acquire("h000", "")
    assert leases.describe().startswith("1 of 20")
    assert not leases.release("h000", first.lease_id)
    assert leases.release("h000", second.lease_id)
    assert leases.describe().startswith("0 of 20")


def test_nobody_releases_the_lease_of_another(opened):
    """A lease is released by its own host and its own id only."""
    leases = opened(20)
    lease = leases.acquire("h000", "").lease_id
    assert not leases.release("h001", lease)
    assert not leases.release("h000", "")
    assert leases.describe().startswith("1 of 20")


def test_leases_end_by_themselves_and_renewing_prolongs_them(opened, clock):
    """A lease is over after lease_s, and one that was renewed lives on."""
    leases = opened(20, lease_s=60.0)
    granted(leases, ["h000", "h001"])
    clock.advance(40)
    leases.acquire("h000", "")
    assert granted(leases, ["h002"]) == []
    clock.advance(30)
    assert granted(leases, ["h002", "h003"]) == ["h002"]


def test_a_rack_is_never_under_repair_as_a_whole(opened):
    """At most the group's share of a topology group holds leases, while the rest of the fleet may."""
    leases = opened(100)
    rack = [f"h{i:03}" for i in range(8)]
    for host in rack:
        lease = leases.acquire(host, "rack-1")
        leases.release(host, lease.lease_id)
    assert granted(leases, rack, "rack-1") == ["h000", "h001"]
    assert leases.acquire("h005", "rack-1").detail == "2 of 8 hosts of rack-1 under repair, 2 may be"
    assert granted(leases, ["h050", "h051"], "rack-2") == ["h050"]


def test_strangers_make_no_share_larger(opened):
    """Hosts that only ask are not known: neither the fleet nor a group grows by them."""
    leases = opened(10)
    strangers = [f"s{i:03}" for i in range(200)]
    assert granted(leases, strangers, "rack-1") == ["s000"]
    assert leases.describe() == "1 of 10 hosts under repair, 1 may be"


def test_a_host_that_was_silent_for_a_day_is_not_known(opened, clock):
    """The share follows the hosts that sent telemetry within the last day."""
    leases = opened(40)
    clock.advance(KNOWN_S / 2)
    leases.saw([f"h{i:03}" for i in range(20)])
    clock.advance(KNOWN_S / 2 + 1)
    leases.keep()
    assert leases.describe() == "0 of 20 hosts under repair, 2 may be"


def test_enrolled_hosts_are_known(tmp_path, clock):
    """A host that was enrolled counts before it ever sent a sample, and once."""
    leases = Leases(tmp_path / "b", Terms(), clock=clock, enrolled=lambda: {f"e{i}" for i in range(20)})
    leases.saw(["e1", "e2"])
    assert leases.describe() == "0 of 20 hosts under repair, 2 may be"
    leases.close()


def test_granted_leases_count_after_the_trainer_was_killed(opened, clock):
    """A trainer that comes back counts every lease it granted, and knows the hosts it knew."""
    leases = opened(30)
    leases.keep()
    granted(leases, ["h000", "h001", "h002"])
    clock.advance(50)
    again = opened()
    assert again.describe() == "3 of 30 hosts under repair, 3 may be"
    assert granted(again, ["h003"]) == []
    clock.advance(71)
    assert granted(again, ["h003"]) == ["h003"]


def test_a_renewed_lease_is_renewed_after_a_kill_too(opened, clock):
    """The host that held a lease asks a restarted trainer again and keeps it, though the fleet is full."""
    granted(opened(5), ["h000"])
    again = opened()
    assert granted(again, ["h001", "h000"]) == ["h000"]


@pytest.mark.parametrize("jump_s", [-10 * 365 * 86_400.0, -3600.0, 3600.0])
def test_a_jump_of_the_clock_prolongs_no_lease(opened, clock, jump_s):
    """Whatever UTC did while the trainer was down, a lease lasts no longer than it was given; while it runs, not even shorter."""
    leases = opened(5, lease_s=60.0)
    granted(leases, ["h000"])
    clock.utc_s += jump_s
    assert granted(leases, ["h001"]) == []
    again = opened()
    assert granted(again, ["h001"]) == ([] if jump_s < 0 else ["h001"])
    clock.advance(61)
    assert granted(again, ["h001", "h002"]) == ["h001"]


def test_rows_of_leases_that_are_over_go(opened, clock):
    """The file does not grow with the hosts that were ever repaired."""
    leases = opened(1_000, lease_s=10.0)
    for i in range(300):
        leases.acquire(f"h{i:03}", "")
        clock.advance(1)
    leases.keep()
    assert leases._file.execute("SELECT count(*) FROM lease").fetchone()[0] <= 10


def test_a_lease_that_cannot_be_written_is_not_granted(opened):
    """On a full disk nobody gets a lease that a restart would forget."""
    leases = opened(20)
    leases._file.execute("PRAGMA query_only = ON")
    with pytest.raises(OSError, match=r"budget\.sqlite"):
        leases.acquire("h000", "")
    assert leases.describe().startswith("0 of 20")


def test_a_damaged_file_names_itself_and_the_remedy(tmp_path):
    """A file that SQLite cannot read, or of a newer version, is one sentence with what to do."""
    path = tmp_path / "budget.sqlite"
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(ServeError, match=r"budget\.sqlite: .*move it away, wait 120 s"):
        Leases(path, Terms())
    path.unlink()
    file = sqlite3.connect(path)
    file.execute("PRAGMA user_version = 99")
    file.close()
    with pytest.raises(ServeError, match="newer ordertrainer"):
        Leases(path, Terms())


@pytest.mark.parametrize(
    ("terms", "option"),
    [({"repair_share": 1.1}, "--repair-share"), ({"group_share": -0.1}, "--group-share"), ({"lease_s": 1.0}, "--lease-s")],
)
def test_terms_that_make_no_sense_are_refused_by_option(tmp_path, terms, option):
    """Each option is refused by name, value and what is allowed."""
    with pytest.raises(ServeError, match=f"{option} .*: allowed are"):
        Leases(tmp_path / "b", Terms(**terms))

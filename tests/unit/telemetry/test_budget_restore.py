from orderd.app import _repaired_lately
from orderd.domain.clock import Instant
from orderd.record import Journal


def test_repairs_of_the_last_hour_are_told_to_the_budget(tmp_path, make_record):
    """At the start the journal's repairs of the last hour are found, on this boot's clock, and older ones are not."""
    journal = Journal.open(tmp_path / "journal.sqlite")
    decision = make_record("d" * 26).decision
    journal.record(decision)
    soon = Instant(mono_ns=10**9, utc_ns=decision.at.utc_ns + 600 * 10**9)
    late = Instant(mono_ns=10**9, utc_ns=decision.at.utc_ns + 3_700 * 10**9)
    assert [(soon.mono_ns - at.mono_ns) // 10**9 for at in _repaired_lately(journal, soon)] == [600]
    assert _repaired_lately(journal, late) == []
    journal.close()

from dataclasses import replace

from orderd.telemetry.pending import BATCHES_AHEAD, DECISIONS_MAX, DECISIONS_PER_BATCH, Pending


def test_a_batch_holds_no_more_than_it_may(make_samples):
    """take() returns at most batch_samples samples, oldest first, and keeps the rest."""
    pending = Pending(4)
    for sample in make_samples(6):
        pending.add_sample(sample)
    first, _ = pending.take()
    assert [s.at.mono_ns for s in first] == [s.at.mono_ns for s in make_samples(4)]
    assert (pending.samples, pending.any.is_set(), pending.full.is_set()) == (2, True, False)


def test_pending_is_bounded_when_nobody_takes(make_samples):
    """Offers without a running uplink forget the oldest samples and count them."""
    pending = Pending(2)
    dropped = sum(pending.add_sample(sample) for sample in make_samples(50))
    assert pending.samples == 2 * BATCHES_AHEAD
    assert dropped == 50 - 2 * BATCHES_AHEAD


def test_a_decision_replaces_what_was_offered_of_it_before(make_record):
    """Only the newest state of a decision is sent."""
    pending = Pending(2)
    old, new = make_record("d1"), replace(make_record("d1"), steps=())
    pending.add_decision(old)
    pending.add_decision(new)
    assert pending.take()[1] == (new,)


def test_decisions_are_bounded(make_record):
    """A flood of decisions forgets the oldest, and comes out in batches of bounded size."""
    pending = Pending(2)
    for i in range(DECISIONS_MAX + 3):
        pending.add_decision(make_record(f"d{i}"))
    batches = []
    while pending.any.is_set():
        batches.append(pending.take()[1])
    assert [len(batch) for batch in batches] == [DECISIONS_PER_BATCH] * (DECISIONS_MAX // DECISIONS_PER_BATCH)
    assert batches[0][0].decision.decision_id == "d3"

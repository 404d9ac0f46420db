import random

import pytest

from orderd.telemetry.spool import Spool


@pytest.fixture
def incompressible():
    """Bytes no compressor makes smaller."""
    return lambda size: random.Random(size).randbytes(size)


def test_spool_forgets_the_oldest_first_and_counts_it(incompressible):
    """A full spool drops its oldest batches, says how many samples that were, and keeps the newest."""
    spool = Spool(2_500)
    dropped = [spool.append(incompressible(1_000), samples=10) for _ in range(4)]
    assert dropped == [0, 0, 10, 10]
    assert (spool.samples, spool.after(0).sequence) == (20, 3)


def test_spool_never_grows_past_its_bound(incompressible):
    """Whatever is appended, the compressed bytes stay within the bound."""
    spool = Spool(10_000)
    for size in range(100, 3_000, 37):
        spool.append(incompressible(size), samples=1)
        assert spool.size_bytes <= 10_000


def test_one_batch_larger_than_the_spool_is_still_held(incompressible):
    """A bound smaller than a batch does not silence the host."""
    spool = Spool(100)
    assert spool.append(incompressible(1_000), samples=3) == 0
    assert spool.samples == 3


def test_acknowledging_forgets_everything_up_to_the_number(incompressible):
    """An acknowledgement covers all earlier batches and gives back their bytes."""
    spool = Spool(1 << 20)
    for _ in range(5):
        spool.append(incompressible(500), samples=2)
    assert spool.acknowledge(3) == 6
    assert (spool.samples, spool.after(0).sequence, spool.next_sequence) == (4, 4, 6)
    assert spool.acknowledge(5) == 4
    assert spool.size_bytes == 0


def test_messages_come_out_as_they_went_in(incompressible):
    """Compression in the spool is not seen from outside."""
    message = incompressible(700) + bytes(5_000)
    spool = Spool(1 << 20)
    spool.append(message, samples=1)
    assert spool.after(0).message() == message
    assert spool.size_bytes < 1_500

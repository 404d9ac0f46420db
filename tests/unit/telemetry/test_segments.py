import random
import zlib

import pytest

from orderd.errors import TelemetryError
from orderd.telemetry.segments import MAGIC, SEGMENTS, Batch, Segments


def batch(place, size=1_000, samples=10):
    """Return a batch of bytes no compressor makes smaller."""
    return Batch(place=place, sequence=place, samples=samples, packed=random.Random(place).randbytes(size))


def filled(directory, count, bytes_max=1 << 20, **kwargs):
    """Return a queue with batches at 1 to count."""
    segments = Segments(directory, bytes_max)
    for place in range(1, count + 1):
        segments.append(batch(place, **kwargs))
    return segments


def places(segments):
    """Return what waits, oldest first."""
    return [found.place for found in segments.read(0, 10_000)]


def paths(directory):
    """Return the segments' files, oldest first."""
    return sorted(directory.glob("*.spool"))


def test_the_oldest_go_first_and_are_counted(tmp_path):
    """A full queue forgets whole segments from its old end and says how many samples that were; the newest are always there."""
    segments, forgotten = Segments(tmp_path, 1 << 20), 0
    for place in range(1, 3_001):
        forgotten += segments.append(batch(place))
    left = places(segments)
    assert left == list(range(left[0], 3_001))
    assert forgotten == 10 * (left[0] - 1) > 0
    assert segments.samples == 10 * len(left)
    assert segments.size_bytes > (1 << 20) * (SEGMENTS - 2) // SEGMENTS


def test_the_files_never_grow_past_the_bound(tmp_path):
    """Whatever is appended, the files together stay within the bound."""
    segments = Segments(tmp_path, 1 << 17)
    for place in range(1, 400):
        segments.append(batch(place, size=50 + 37 * place % 5_000))
        assert sum(path.stat().st_size for path in paths(tmp_path)) <= 1 << 17


def test_a_batch_larger_than_the_bound_is_not_kept(tmp_path):
    """A batch that does not fit into an empty queue is counted as forgotten and takes nothing else with it."""
    segments = filled(tmp_path, 3, bytes_max=1 << 14)
    assert segments.append(batch(4, size=1 << 15, samples=7)) == 7
    assert places(segments) == [1, 2, 3]


def test_a_new_run_finds_what_an_old_one_left(tmp_path):
    """After an end without any goodbye the batches are there, with their numbers, and the acknowledged ones are not."""
    segments = filled(tmp_path, 100, bytes_max=1 << 20)
    assert segments.forget(41) == 410
    segments.close()
    again = Segments(tmp_path, 1 << 20)
    found = again.read(0, 10_000)
    assert [b.sequence for b in found] == list(range(42, 101))
    assert [b.packed for b in found] == [batch(b.sequence).packed for b in found]
    assert again.samples == 590


def test_a_number_that_was_used_is_not_used_again(tmp_path):
    """When everything was delivered, the next run's segment is not mistaken for one that the trainer has."""
    segments = filled(tmp_path, 5)
    segments.forget(5)
    segments.close()
    for run in range(3):
        segments = Segments(tmp_path, 1 << 20)
        assert len(places(segments)) == run
        segments.append(batch(1_000 + run))
        segments.close()


def test_a_torn_tail_is_cut_and_nothing_else(tmp_path):
    """Wherever a kill tears the newest record, all older ones are there and nothing is called damaged."""
    filled(tmp_path, 5, size=40).close()
    whole = paths(tmp_path)[0].read_bytes()
    for cut in range(1, 60):
        paths(tmp_path)[0].write_bytes(whole[:-cut])
        segments = Segments(tmp_path, 1 << 20)
        assert places(segments) == [1, 2, 3, 4]
        assert segments.damage == []
        segments.close()


def test_a_damaged_segment_is_skipped_and_said(tmp_path):
    """A flipped byte costs the rest of its own segment, names file and byte, and no other segment."""
    filled(tmp_path, 300, bytes_max=1 << 20).close()
    first = paths(tmp_path)[0]
    block = bytearray(first.read_bytes())
    block[len(MAGIC) + 5_000] ^= 1
    first.write_bytes(block)
    segments = Segments(tmp_path, 1 << 20)
    found = [b.sequence for b in segments.read(0, 10_000)]
    assert found[:4] == [1, 2, 3, 4]
    assert found[4:] == list(range(found[4], 301))
    assert found[4] > 20
    assert str(first) in segments.damage[0]
    assert "bytes were skipped" in segments.damage[0]


def test_damage_while_running_costs_one_batch(tmp_path):
    """A record that goes bad under a running orderd is passed over, counted and said; the ones behind it are delivered."""
    segments = filled(tmp_path, 10)
    path = paths(tmp_path)[0]
    block = bytearray(path.read_bytes())
    block[len(block) // 2] ^= 1
    path.write_bytes(block)
    assert len(places(segments)) == 9
    assert segments.lost == 10
    assert "was skipped" in segments.damage[0]


@pytest.mark.parametrize("junk", [b"", b"x", b"not a segment at all", MAGIC, MAGIC + bytes(200), MAGIC + b"\xff" * 200])
def test_files_that_are_no_segments_do_no_harm(tmp_path, junk):
    """Whatever lies under a segment's name, the start succeeds and the real segments are read."""
    filled(tmp_path, 5).close()
    (tmp_path / "0000000000.spool").write_bytes(junk)
    (tmp_path / "9999999990.spool").write_bytes(junk)
    (tmp_path / "cursor").write_bytes(junk)
    segments = Segments(tmp_path, 1 << 20)
    assert len(places(segments)) == 5
    segments.append(batch(50))
    assert len(places(segments)) == 6


def test_two_orderds_do_not_share_a_spool(tmp_path):
    """A second process, or a second run before the first ended, is told so."""
    segments = Segments(tmp_path, 1 << 20)
    with pytest.raises(TelemetryError, match="another orderd"):
        Segments(tmp_path, 1 << 20)
    segments.close()
    Segments(tmp_path, 1 << 20).close()


def test_a_write_that_fails_in_the_middle_leaves_no_half_record(tmp_path, monkeypatch):
    """After ENOSPC in mid-record the batches before and after it are whole."""
    import errno
    import os

    segments = filled(tmp_path, 3)
    real = os.pwrite

    def half(fd, block, offset):
        real(fd, bytes(block)[: len(block) // 2], offset)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", half)
    with pytest.raises(OSError, match="No space"):
        segments.append(batch(4, size=9_000))
    monkeypatch.undo()
    segments.append(batch(4, size=10))
    assert paths(tmp_path)[0].stat().st_size == segments.size_bytes
    segments.close()
    again = Segments(tmp_path, 1 << 20)
    assert (places(again), again.damage) == ([1, 2, 3, 4], [])


def test_the_index_in_memory_is_small(tmp_path):
    """A full spool of 64 MiB costs less than 1 MiB of memory."""
    import tracemalloc

    packed = zlib.compress(random.Random(1).randbytes(3_000))
    tracemalloc.start()
    segments = Segments(tmp_path, 64 << 20)
    for place in range(1, 22_000):
        segments.append(Batch(place=place, sequence=place, samples=10, packed=packed))
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert segments.size_bytes > 60 << 20
    assert used < 1 << 20

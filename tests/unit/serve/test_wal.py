import errno
import os

import pytest

from ordertrainer.serve.errors import ForeignSchemaError
from ordertrainer.serve.wal import SegmentWriter, read_segment

DIGEST = "a" * 64


def written(path, payloads):
    """Write a closed segment."""
    writer = SegmentWriter(path, DIGEST)
    writer.append(payloads)
    writer.close()
    return path


def test_records_come_back_in_order(tmp_path):
    """What was appended is read back, empty payloads included."""
    payloads = [b"one", b"", b"three" * 100]
    assert list(read_segment(written(tmp_path / "1.wal", payloads), DIGEST)) == payloads


def test_a_torn_last_record_is_dropped_wherever_it_was_cut(tmp_path):
    """A segment cut at any byte yields exactly the records that are whole."""
    path = written(tmp_path / "1.wal", [b"first", b"second"])
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        records = list(read_segment(path, DIGEST))
        assert records == [b"first", b"second"][: len(records)]
        assert len(records) < 2


def test_a_damaged_record_ends_the_segment(tmp_path):
    """A flipped bit is noticed; nothing behind it is believed."""
    path = written(tmp_path / "1.wal", [b"first", b"second", b"third"])
    damaged = bytearray(path.read_bytes())
    damaged[damaged.index(b"second")] ^= 1
    path.write_bytes(damaged)
    assert list(read_segment(path, DIGEST)) == [b"first"]


def test_a_foreign_segment_is_refused_with_both_digests(tmp_path):
    """A segment of another schema is an error that names both digests."""
    path = written(tmp_path / "1.wal", [b"x"])
    with pytest.raises(ForeignSchemaError) as refused:
        list(read_segment(path, "b" * 64))
    assert "a" * 64 in str(refused.value)
    assert "b" * 64 in str(refused.value)


def test_a_failed_append_leaves_no_trace(tmp_path, monkeypatch):
    """After ENOSPC in the middle of a record the segment goes on as if nothing had been appended."""
    writer = SegmentWriter(tmp_path / "1.wal", DIGEST)
    writer.append([b"before"])
    real = os.pwrite

    def full(fd, block, offset):
        real(fd, bytes(block)[:5], offset)
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="no space"):
        writer.append([b"lost" * 10])
    monkeypatch.setattr(os, "pwrite", real)
    writer.append([b"after"])
    writer.close()
    assert list(read_segment(tmp_path / "1.wal", DIGEST)) == [b"before", b"after"]

import os

import pyarrow.parquet as pq
import pytest

from orderd.domain.schema import schema_digest
from ordertrainer.serve.errors import ForeignSchemaError, StoreLockedError
from ordertrainer.serve.layout import Layout
from ordertrainer.serve.store import Store


def rows(root, table="samples"):
    """Return every row of a table, segments in order."""
    tables = [pq.read_table(path) for path in sorted(root.glob(f"{table}/host=*/*.parquet"))]
    return [row for t in tables for row in t.to_pylist()]


def crash(store):
    """End a store the way kill -9 does: nothing is closed in order."""
    os.close(store._lock_fd)


def test_closing_turns_everything_into_parquet(tmp_path, batch):
    """After close() every sample is in Parquet with its values, and no segment is left."""
    store = Store(tmp_path)
    store.append([batch(1), batch(2)])
    store.close()
    found = rows(tmp_path)
    assert [row["mono_ns"] for row in found] == [second * 10**9 for second in (2, 3, 4, 5)]
    assert found[1]["cpu_user_ratio"] == pytest.approx(0.03)
    entities = rows(tmp_path, "entities")
    assert [(e["sample"], e["entity"]) for e in entities[:3]] == [
        (0, "unit:nginx.service"),
        (0, "mount:/"),
        (1, "unit:nginx.service"),
    ]
    assert entities[3]["mount_used_ratio"] == pytest.approx(0.003)
    assert Layout(root=tmp_path).segments() == []


def test_a_batch_that_comes_again_is_dropped(tmp_path, batch):
    """The same (host, boot, sequence) is stored once, in one append, in two, and after a restart."""
    store = Store(tmp_path)
    assert store.append([batch(1), batch(1)]) == 1
    assert store.append([batch(1), batch(2)]) == 1
    store.close()
    store = Store(tmp_path)
    assert store.append([batch(1), batch(2), batch(3)]) == 1
    store.close()
    assert len(rows(tmp_path)) == 6


def test_another_boot_counts_from_one_again(tmp_path, batch):
    """Numbers are per boot of orderd: a restarted host is not mistaken for a repetition."""
    store = Store(tmp_path)
    assert store.append([batch(1), batch(2), batch(1, boot_id="boot2")]) == 3
    store.close()


def test_what_was_appended_survives_a_crash(tmp_path, batch):
    """Batches that were durable before a kill are there after the next start, once."""
    store = Store(tmp_path)
    store.append([batch(1), batch(2)])
    crash(store)
    store = Store(tmp_path)
    assert store.append([batch(2)]) == 0
    store.append([batch(3)])
    crash(store)
    Store(tmp_path).close()
    assert [row["sequence"] for row in rows(tmp_path)] == [1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize("step", ["write_parquet", "save_state", "remove_segment"])
def test_a_crash_during_compaction_loses_and_repeats_nothing(tmp_path, batch, monkeypatch, step):
    """Killed before any step of a compaction, the next start ends with every sample exactly once."""

    class Killed(BaseException):
        pass

    def kill(*_args, **_kwargs):
        raise Killed

    store = Store(tmp_path)
    store.append([batch(1), batch(1, host_id="host-b")])
    store.rotate()
    with monkeypatch.context() as patch:
        if step == "write_parquet":
            patch.setattr("ordertrainer.serve.compact._write", kill)
        elif step == "save_state":
            patch.setattr("ordertrainer.serve.received.State.save", kill)
        else:
            patch.setattr("pathlib.Path.unlink", kill)
        with pytest.raises(Killed):
            store.compact_closed()
    crash(store)
    store = Store(tmp_path)
    assert store.append([batch(1), batch(1, host_id="host-b")]) == 0
    store.close()
    assert len(rows(tmp_path)) == 4


def test_appending_goes_on_while_closed_segments_are_compacted(tmp_path, batch):
    """A segment that is still written is never compacted or removed."""
    store = Store(tmp_path, segment_bytes_max=1)
    for sequence in (1, 2, 3):
        store.append([batch(sequence)])
    assert store.compact_closed() == 2
    assert len(Layout(root=tmp_path).segments()) == 1
    store.close()
    assert len(rows(tmp_path)) == 6


def test_segment_numbers_are_never_used_twice(tmp_path, batch):
    """A restart does not overwrite the Parquet files of earlier segments."""
    for sequence in (1, 2, 3):
        store = Store(tmp_path)
        store.append([batch(sequence)])
        store.close()
    assert len(list(tmp_path.glob("samples/host=host-a/*.parquet"))) == 3


def test_a_second_trainer_is_refused(tmp_path):
    """Two processes never write into one directory; the message says what to do."""
    store = Store(tmp_path)
    with pytest.raises(StoreLockedError, match="choose another directory"):
        Store(tmp_path)
    store.close()


def test_a_directory_of_another_schema_is_refused_with_both_digests(tmp_path):
    """Samples of two signal lists never mix in one directory."""
    (tmp_path / "state.json").write_text('{"schema_digest": "%s"}' % ("f" * 64))
    with pytest.raises(ForeignSchemaError) as refused:
        Store(tmp_path)
    assert "f" * 64 in str(refused.value)
    assert schema_digest() in str(refused.value)

import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ordertrainer.serve.errors import ForeignSchemaError, ServeError
from ordertrainer.serve.store import Store


@pytest.mark.parametrize("damage", [b"", b"{", b'{"schema_digest": 7}', b"\xff\xfe", b'{"other": 1}', bytes(100)])
def test_a_damaged_state_names_the_file_and_the_remedy(tmp_path, batch, damage):
    """Whatever became of state.json, the trainer says which file and what to do, in one sentence of its own."""
    store = Store(tmp_path)
    store.append([batch(1)])
    store.close()
    (tmp_path / "state.json").write_bytes(damage)
    with pytest.raises(ServeError, match=r"state\.json is damaged: .*Move it away and start again"):
        Store(tmp_path)


def test_the_remedy_loses_and_doubles_nothing(tmp_path, batch):
    """With state.json moved away the trainer knows what it has: old files stay, old batches are dropped, new ones are kept."""
    store = Store(tmp_path)
    for number in range(1, 6):
        store.append([batch(number), batch(number, host_id="host-b", boot_id=f"boot{number}")])
        store.rotate()
    store.close()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.parquet")}
    (tmp_path / "state.json").unlink()
    again = Store(tmp_path)
    assert again.append([batch(5), batch(2), batch(3, host_id="host-b", boot_id="boot3")]) == 0
    assert again.append([batch(6)]) == 1
    again.close()
    assert {path: path.read_bytes() for path in before} == before
    rows = [
        n for path in sorted(tmp_path.glob("samples/host=host-a/*.parquet")) for n in pq.read_table(path)["sequence"].to_pylist()
    ]
    assert rows == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]


def test_a_directory_of_other_signals_is_not_taken_over(tmp_path, batch, monkeypatch):
    """Without state.json the Parquet files themselves say which signals they hold."""
    from ordertrainer.serve import store as module

    with monkeypatch.context() as patch:
        patch.setattr(module, "schema_digest", lambda: "f" * 64)
        store = Store(tmp_path)
        store.append([batch(1)])
        store.close()
    (tmp_path / "state.json").unlink()
    with pytest.raises(ForeignSchemaError):
        Store(tmp_path)


def test_a_damaged_parquet_file_is_named_when_the_state_is_made_anew(tmp_path, batch):
    """A Parquet file that cannot be read is one sentence with its name."""
    store = Store(tmp_path)
    store.append([batch(1)])
    store.close()
    (tmp_path / "state.json").unlink()
    path = next(tmp_path.glob("samples/*/*.parquet"))
    path.write_bytes(b"PAR1 not really PAR1")
    with pytest.raises(ServeError, match=str(path)):
        Store(tmp_path)


def test_a_directory_of_the_first_version_is_read(tmp_path):
    """What version 0.1 wrote, with a segment left by a kill, is taken over whole: counted, compacted, readable as samples."""
    from ordertrainer.dataset.samples import iter_samples
    from ordertrainer.serve.layout import Layout

    shutil.copytree(Path(__file__).parents[2] / "data" / "trainer-v0", tmp_path / "data")
    store = Store(tmp_path / "data")
    layout = Layout(root=tmp_path / "data")
    assert store._state.received == {"host-a": {"boot1": 5}}
    store.close()
    taken = list(iter_samples(layout, "host-a"))
    assert [t.sample.at.mono_ns // 10**9 for t in taken] == [2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
    assert pq.read_table(layout.parquet("decisions", "host-a", 1))["state"].to_pylist() == ["resolved"]

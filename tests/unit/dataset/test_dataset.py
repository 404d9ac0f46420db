import math

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from orderd.domain.faults import FAILURES, KINDS, EntityKind, Failure
from orderd.domain.schema import SCHEMAS, digest_of, schema_digest
from orderd.domain.signals import ENTITY_INDEX, ENTITY_SIGNALS
from orderd.domain.window import History
from ordertrainer.dataset import IGNORE, DatasetError, append_label, digest, iter_windows, load_examples, read_labels
from ordertrainer.serve.layout import Layout

KINDS_OF_HOST = (EntityKind.UNIT, EntityKind.UNIT, EntityKind.MOUNT, EntityKind.PROCESS)
DOWN = {"unit_active_ratio": 0.0, "probe_ok_ratio": 0.0}


@pytest.fixture
def killed(data, host):
    """A data set of one run: nginx down from 21 s to 30 s."""
    return data([host.sample(s, {host.nginx: DOWN} if 21 <= s < 31 else {}) for s in range(5, 45)], [host.run()])


def test_examples_are_the_windows_the_daemon_saw(killed, host):
    """What comes out of Parquet is bit for bit the window that History cut from the samples that went in."""
    history, expected = History(), {}
    for second in range(5, 45):
        window = history.add(host.sample(second, {host.nginx: DOWN} if 21 <= second < 31 else {}))
        expected[window.at.mono_ns] = window
    found = list(iter_windows(killed))
    assert len(found) == 19
    for each in found:
        assert each.window.entities == expected[each.window.at.mono_ns].entities
        assert each.window.rows.tobytes() == expected[each.window.at.mono_ns].rows.tobytes()
        assert each.window.host.tobytes() == expected[each.window.at.mono_ns].host.tobytes()


def test_arrays_say_what_failed_and_what_is_padding(killed):
    """The arrays carry class, kind, presence and the run; nothing is injected in the steady time before the fault."""
    examples = load_examples(killed, "train")
    assert examples.rows.shape[:2] == (19, 4)
    assert examples.wrong.tolist() == [0.0] * 10 + [1.0] * 9
    assert (examples.failure[:10] == 0).all()
    assert set(examples.failure[10:, 0]) == {FAILURES.index(Failure.SERVICE_DOWN)}
    assert examples.kind[0].tolist() == [
        KINDS.index(k) for k in (EntityKind.UNIT, EntityKind.UNIT, EntityKind.MOUNT, EntityKind.PROCESS)
    ]
    assert examples.fault.tolist() == [""] * 10 + ["service_kill"] * 9
    assert math.isnan(examples.intensity[0])
    assert examples.intensity[-1] == 0.5
    assert examples.rows[-1, 0, 0, ENTITY_INDEX["unit_active_ratio"]] == 0.0
    assert np.isnan(examples.rows[-1, 0, 0, ENTITY_INDEX["mount_used_ratio"]])


def test_fewer_entities_are_padded_and_never_judged(data, host):
    """Where an entity is absent its place is padding: not present, IGNORE, NaN."""
    samples = [host.sample(s, without=(host.spinner,) if s < 15 else ()) for s in range(10, 20)]
    examples = load_examples(data(samples, [host.run(fault="", failure=Failure.OK, entity="", intensity=None)]))
    assert examples.present[:, 3].tolist() == [False] * 5 + [True] * 5
    assert (examples.failure[:5, 3] == IGNORE).all()
    assert np.isnan(examples.rows[:5, 3]).all()


def test_a_restarted_orderd_begins_with_an_empty_memory(data, host):
    """History is cut anew at every run of orderd, as the daemon does."""
    boots = [("boot1", [host.sample(s) for s in range(10, 15)]), ("boot2", [host.sample(s) for s in range(15, 20)])]
    windows = list(iter_windows(data([], [host.run()], boots=boots)))
    assert not math.isnan(windows[4].window.series(0, 0)[1])
    assert math.isnan(windows[5].window.series(0, 0)[1])


def test_splits_are_by_run(data, host):
    """A split holds its own runs and nothing of the others."""
    labels = [
        host.run(),
        host.run(run_id="run-2", split="test", began_mono_ns=40 * 10**9, armed_mono_ns=50 * 10**9, landed_mono_ns=50 * 10**9,
                 ended_mono_ns=50 * 10**9, clean_mono_ns=50 * 10**9),
    ]  # fmt: skip
    root = data([host.sample(s, {host.nginx: DOWN} if 21 <= s < 31 else {}) for s in range(5, 60)], labels)
    assert set(load_examples(root, "train").run_id) == {"run-1"}
    assert set(load_examples(root, "test").run_id) == {"run-2"}
    assert len(load_examples(root)) == 29


def test_samples_of_another_schema_are_refused_with_both_digests(killed, monkeypatch):
    """A data set collected with another list of signals is an error that names the file and both digests."""
    monkeypatch.setattr("ordertrainer.dataset.samples.known_schema", lambda digest: None)
    monkeypatch.setattr("ordertrainer.dataset.samples.schema_digest", lambda: "f" * 64)
    with pytest.raises(DatasetError) as refused:
        load_examples(killed)
    assert schema_digest() in str(refused.value)
    assert "f" * 64 in str(refused.value)


def test_samples_of_an_older_schema_are_read_with_what_they_lack_missing(killed):
    """Columns that nobody measured then are missing, and the runs are still worth learning from."""
    newer = [signal.name for signal in ENTITY_SIGNALS[SCHEMAS[0].entity :]]
    for path in killed.glob("entities/host=*/*.parquet"):
        table = pq.ParquetFile(path).read()
        older = table.drop_columns(newer).replace_schema_metadata(
            {**table.schema.metadata, b"schema_digest": digest_of(SCHEMAS[0]).encode()}
        )
        pq.write_table(older, path)
    examples = load_examples(killed)
    assert len(examples) > 0
    rows = examples.rows[..., SCHEMAS[0].entity :]
    assert np.isnan(rows).all()
    assert not np.isnan(examples.rows).all()


def test_a_directory_that_is_still_written_is_refused(killed):
    """Segments that are not Parquet yet are never silently missing from a data set."""
    Layout(root=killed).segment(99).write_bytes(b"")
    with pytest.raises(DatasetError, match="stop the trainer"):
        load_examples(killed)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "labels.jsonl:2"),
        ('{"run_id": "x"}', "missing required field"),
        ('{"run_id": "x", "surprise": 1}', "labels.jsonl:2"),
    ],
)
def test_a_broken_label_is_refused_by_line(killed, line, words):
    """A line that is no label stops everything, with file and line."""
    with (killed / "labels.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(DatasetError, match=words):
        read_labels(killed)


def test_a_label_whose_times_contradict_each_other_is_refused(host):
    """A revert before the landing is no run."""
    with pytest.raises(ValueError, match="out of order"):
        host.run(ended_mono_ns=15 * 10**9)


def test_two_runs_of_one_id_are_refused(killed, host):
    """A run that was written twice would count twice."""
    append_label(killed, host.run())
    with pytest.raises(DatasetError, match="twice"):
        read_labels(killed)


def test_the_digest_changes_with_every_file_and_with_nothing_else(killed, host):
    """digest() is stable over reads and differs after one more label."""
    before = digest(killed)
    load_examples(killed)
    assert digest(killed) == before
    append_label(killed, host.run(run_id="run-2"))
    assert digest(killed) != before


def test_the_summary_counts_runs_and_windows(killed):
    """`ordertrainer dataset DIR` prints one line a fault."""
    import typer

    from ordertrainer.dataset.cli import dataset

    app = typer.Typer()
    app.command()(dataset)
    result = CliRunner().invoke(app, [str(killed)])
    assert result.exit_code == 0, result.output
    line = next(line for line in result.output.splitlines() if "service_kill" in line)
    assert [word for word in line.replace("│", " ").split() if word.isdigit()] == ["1", "0", "0", "19", "9", "0"]

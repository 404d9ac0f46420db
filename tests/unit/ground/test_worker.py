import importlib.util

import pytest

from ordertrainer.ground.paths import WORKLOAD_DIR

SOURCE = WORKLOAD_DIR / "rootfs/usr/local/lib/drill/worker.py"


@pytest.fixture(scope="module")
def program():
    """The workload's worker, as a module."""
    spec = importlib.util.spec_from_file_location("drill_worker", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def put(directory, text):
    """Append to the queue."""
    with (directory / "queue").open("a") as queue:
        queue.write(text)


def test_whole_lines_are_moved_and_counted_once(program, tmp_path):
    """A line without its end waits for it; nothing is done twice."""
    worker = program.Worker(tmp_path)
    put(tmp_path, "one\ntwo\nthr")
    worker.step()
    put(tmp_path, "ee\n")
    worker.step()
    worker.step()
    assert (tmp_path / "done").read_text() == "one\ntwo\nthree\n"
    assert worker.answer(b"PING\n").startswith(b"PONG 3 0.0")


def test_a_truncated_queue_is_read_from_its_start(program, tmp_path):
    """What is written after a truncation is done, not skipped."""
    worker = program.Worker(tmp_path)
    put(tmp_path, "a long first line\n")
    worker.step()
    (tmp_path / "queue").write_text("new\n")
    worker.step()
    assert (tmp_path / "done").read_text() == "a long first line\nnew\n"


def test_a_restart_goes_on_where_it_stopped(program, tmp_path):
    """The checkpoint in the heartbeat survives the process."""
    put(tmp_path, "one\n")
    program.Worker(tmp_path).step()
    put(tmp_path, "two\n")
    again = program.Worker(tmp_path)
    again.step()
    assert again.done == 2
    assert (tmp_path / "done").read_text() == "one\ntwo\n"


def test_a_worker_that_cannot_write_says_so_and_tries_again(program, tmp_path, monkeypatch):
    """After more than a second without a successful write the answer is FAIL; it is PONG again after the next one."""
    now = [100.0]
    monkeypatch.setattr(program.time, "monotonic", lambda: now[0])
    worker = program.Worker(tmp_path)
    beat, worker._beat = worker._beat, lambda: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    worker.step()
    now[0] += 1.2
    assert worker.answer(b"PING").startswith(b"FAIL 0 1.2")
    worker._beat = beat
    worker.step()
    assert worker.answer(b"PING").startswith(b"PONG 0 0.0")


def test_a_heartbeat_takes_a_new_block_every_time(program, tmp_path):
    """A heartbeat that reused blocks would go on working on a full disk."""
    worker = program.Worker(tmp_path)
    worker._beat()
    before = (tmp_path / "heartbeat").stat().st_size
    worker._beat()
    grown = (tmp_path / "heartbeat").stat().st_size - before
    assert grown == before > 0

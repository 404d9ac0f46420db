"""A fault's process and those it starts are one fault: the prober tells who they are."""

import pytest

from ordertrainer.drill import probe_program
from ordertrainer.drill.probe_program import Expected


@pytest.fixture
def table(tmp_path, monkeypatch):
    """Return a process table that changes with every look, and what was said of it."""
    said, looks = [], []

    def show(*pids, name="leaky"):
        proc = tmp_path / "proc"
        for old in proc.iterdir() if proc.exists() else ():
            for file in old.iterdir():
                file.unlink()
            old.rmdir()
        for pid in pids:
            (proc / str(pid)).mkdir(parents=True, exist_ok=True)
            (proc / str(pid) / "comm").write_text(f"{name}\n")
            (proc / str(pid) / "stat").write_text(f"{pid} ({name}) R " + " ".join(["0"] * 18 + [str(pid * 10)] + ["0"] * 20))

    show(1, name="init")
    expected = Expected(str(tmp_path), "leaky")

    def sleep(_seconds):
        if not looks:
            expected.wanted = False
        else:
            show(*looks.pop(0))

    monkeypatch.setattr(probe_program.time, "sleep", sleep)
    monkeypatch.setattr(probe_program, "start", lambda *_: None)
    monkeypatch.setattr(probe_program, "emit", lambda record: said.append((record["c"], record["w"])))
    return expected, looks, said


def test_workers_are_told_once_each_when_they_have_lasted(table):
    """The first is the process itself; a worker that is gone at the next look is nobody, and a pid that comes back is new."""
    expected, looks, said = table
    looks += [(7,), (7, 8), (7, 8, 9), (7, 8), (7, 10), (7, 10), (7, 10)]
    expected.follow()
    assert said == [
        ("leaky:key", "7:70"),
        ("leaky:namesakes", "7:70"),
        ("leaky:namesakes", "8:80"),
        ("leaky:namesakes", "10:100"),
    ]

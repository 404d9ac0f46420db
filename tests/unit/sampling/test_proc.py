import subprocess
from pathlib import Path

import pytest

from orderd.sampling.proc import ProcessTable, Stat, parse_stat

LINE = (
    b"123 (we (i) rd\n) 9 S) T 1 123 123 0 -1 4194560 1000 0 0 0 250 50 0 0 20 0 7 0 4242 10000000 2500 "
    b"18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0\n"
)


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


def test_parse_stat_reads_a_command_that_holds_anything():
    """A process may call itself ``) R 1``: fields count from the last parenthesis."""
    assert parse_stat(LINE) == Stat(state="T", kernel=False, utime=250, stime=50, threads=7, start=4242, rss=2500)


@pytest.mark.parametrize("text", [b"", b"12 (a", LINE[:40]])
def test_parse_stat_refuses_what_is_cut_short(text):
    """A short read is an error, never zeros."""
    with pytest.raises(ValueError, match=r"stat line|not found"):
        parse_stat(text)


def test_parse_stat_knows_kernel_threads():
    """PF_KTHREAD marks them, wherever their pids are."""
    assert parse_stat(LINE.replace(b"4194560", b"2129984")).kernel


def test_table_sees_a_process_come_and_go():
    """A new process is in the next scan, a dead one is not, and its descriptor is closed."""
    table = ProcessTable()
    before = open_files()
    with subprocess.Popen(["/bin/sleep", "60"]) as child:
        assert child.pid in dict(table.scan())
        assert table.count >= 2
        child.kill()
        child.wait()
    assert child.pid not in dict(table.scan())
    assert table.stat(child.pid) is None
    table.close()
    assert open_files() == before


def test_table_leaves_out_init_and_whatever_reads_as_pid_zero(tmp_path):
    """Signals to pid 0 or below would hit ourselves, and init is nobody's runaway."""
    for pid in ("0", "1", "123"):
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "stat").write_bytes(LINE)
    table = ProcessTable(str(tmp_path))
    assert [pid for pid, _ in table.scan()] == [123]
    table.close()


def test_table_sees_what_changed_of_a_process_that_stayed(tmp_path):
    """A process that was stopped reads as stopped in the very next scan, and as running in the one after."""
    file = tmp_path / "123" / "stat"
    file.parent.mkdir()
    table, seen = ProcessTable(str(tmp_path)), []
    for state in (b"S", b"S", b"T", b"S"):
        file.write_bytes(LINE.replace(b") T 1 ", b") " + state + b" 1 "))
        seen += [stat.state for _, stat in table.scan()]
    assert seen == ["S", "S", "T", "S"]
    table.close()

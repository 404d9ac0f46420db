import math

import pytest

from orderd.sampling.pressure import PressureCollector, pressure_file, stalled_us

TEXT = b"some avg10=1.41 avg60=2.23 avg300=0.78 total=8569543\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=17\n"


def test_stalled_us_reads_the_total_of_some():
    """The total of "some" counts, not an average and not "full"."""
    assert stalled_us(TEXT) == 8569543


def test_stalled_us_refuses_other_text():
    """Text without a total is an error, never zero pressure."""
    with pytest.raises(ValueError, match="not a pressure file"):
        stalled_us(b"nothing")


def make(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(TEXT)


def test_a_container_reads_its_own_cgroup(tmp_path):
    """In a container /proc/pressure is the whole machine's and must not be read."""
    make(tmp_path, "proc/pressure/cpu", "run/systemd/container", "sys/fs/cgroup/unified/cpu.pressure")
    assert pressure_file("cpu", tmp_path) == tmp_path / "sys/fs/cgroup/unified/cpu.pressure"


def test_a_container_without_its_own_pressure_has_none(tmp_path):
    """Missing is better than somebody else's."""
    make(tmp_path, "proc/pressure/cpu", "run/systemd/container")
    assert pressure_file("cpu", tmp_path) is None


def test_a_machine_reads_proc(tmp_path):
    """Outside containers the machine's own files count."""
    make(tmp_path, "proc/pressure/io", "sys/fs/cgroup/io.pressure")
    assert pressure_file("io", tmp_path) == tmp_path / "proc/pressure/io"


async def test_pressure_is_stall_time_over_elapsed_time(tmp_path, manual_clock):
    """Half a second of stall in two seconds is a quarter; the first sample has none."""
    file = tmp_path / "cpu"
    collector = PressureCollector(lambda resource: file if resource == "cpu" else None)
    file.write_bytes(b"some avg10=0 avg60=0 avg300=0 total=1000000\n")
    assert math.isnan((await collector.collect(manual_clock.now())).host["pressure_cpu_ratio"])
    manual_clock.advance(2)
    file.write_bytes(b"some avg10=0 avg60=0 avg300=0 total=1500000\n")
    host = (await collector.collect(manual_clock.now())).host
    assert host["pressure_cpu_ratio"] == 0.25
    assert math.isnan(host["pressure_io_ratio"])

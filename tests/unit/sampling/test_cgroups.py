import pytest

from orderd.sampling.cgroups import Cgroups, parse_group


@pytest.mark.parametrize("layout", ["", "systemd", "unified"])
def test_processes_are_found_in_every_layout(tmp_path, layout):
    """Unified, legacy and hybrid: systemd's slices are where they are; pid 0 of another namespace is ignored."""
    (tmp_path / "cpu").mkdir()
    group = tmp_path / layout / "system.slice/nginx.service"
    group.mkdir(parents=True)
    (group / "cgroup.procs").write_text("0\n12\n34\n")
    cgroups = Cgroups(tmp_path)
    assert cgroups.pids("/system.slice/nginx.service") == [12, 34]
    assert cgroups.pids("/system.slice/gone.service") == []
    assert cgroups.pids("") == cgroups.pids("/") == []
    cgroups.close()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0::/system.slice/a.service\n", "/system.slice/a.service"),
        ("9:cpu:/\n1:name=systemd:/system.slice/b.service\n0::/\n", "/system.slice/b.service"),
        ("9:cpu,cpuacct:/x\n0::/system.slice/c:d.service\n", "/system.slice/c:d.service"),
        ("", ""),
    ],
)
def test_parse_group_prefers_the_hierarchy_systemd_names(text, expected):
    """name=systemd where there is one, else the unified hierarchy; a colon in the path stays."""
    assert parse_group(text) == expected

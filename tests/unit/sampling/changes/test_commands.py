"""What a command line means to do to units."""

import pytest

from orderd.sampling.changes.commands import Aim, read_command


@pytest.mark.parametrize(
    ("line", "aim", "units"),
    [
        ("systemctl stop nginx", Aim.HALT, ("nginx.service",)),
        ("/usr/bin/systemctl --no-block stop nginx.service redis", Aim.HALT, ("nginx.service", "redis.service")),
        ("systemctl mask --now nginx", Aim.HALT, ("nginx.service",)),
        ("sudo -u root systemctl restart nginx", Aim.CHANGE, ("nginx.service",)),
        ("systemctl -s 9 --job-mode fail stop nginx", Aim.HALT, ("nginx.service",)),
        ("systemctl edit --full nginx", Aim.CHANGE, ("nginx.service",)),
        ("systemctl set-property nginx CPUQuota=5%", Aim.CHANGE, ("nginx.service",)),
        ("systemctl unmask nginx", Aim.RETURN, ("nginx.service",)),
        (
            "busctl call NAME /PATH org.freedesktop.systemd1.Manager StopUnit ss nginx.service fail",
            Aim.HALT,
            ("nginx.service",),
        ),
    ],
)
def test_a_command_is_read(line, aim, units):
    """Verb and units are found, whatever options stand between them."""
    command = read_command(line.split())
    assert (command.aim, command.units) == (aim, units)


@pytest.mark.parametrize(
    "line",
    [
        "systemctl status nginx",
        "systemctl is-active nginx",
        "systemctl --user stop nginx",
        "systemctl -H other stop nginx",
        "systemctl --machine=c1 stop nginx",
        "systemctl",
        "sudo -i",
        "vim nginx",
        "busctl list",
        "",
    ],
)
def test_what_does_nothing_to_units_of_this_host_is_passed_over(line):
    """Questions, other hosts, other managers, and programs that are no systemctl."""
    assert read_command(line.split()) is None


def test_names_patterns_and_aliases_are_about_a_unit():
    """A unit may be called by its name, a pattern, or another of its names; no other unit is meant."""
    assert read_command(["systemctl", "stop", "ngin*"]).names("nginx.service")
    assert read_command(["systemctl", "stop", "redis"]).names("redis-server.service", ["redis.service"])
    assert not read_command(["systemctl", "stop", "nginx2"]).names("nginx.service")

"""The module that lets sshd and sudo read their configuration again, with a program of the test's own that reads files."""

import importlib
import json
import os
import stat
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from repair_modules import importable

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="records have to be root's: run as root")
# Complains of every file with the word `bad` in it, as sshd and visudo do: by path and line; and of a mode that is too open.
CHECK = """#!/bin/sh
cd "$(dirname "$0")/etc" || exit 9
{
    [ -e main ] || echo "cannot open"
    for file in main main.d/*.conf; do
        [ -e "$file" ] || continue
        grep -n bad "$file" | sed "s|^|$PWD/$file:|"
        [ "$(stat -Lc %a "$file")" != 666 ] || echo "$PWD/$file: permissions"
    done
    [ "$(stat -c %a main.d)" != 777 ] || echo "$PWD/main.d is world writable"
} >"$0.said"
if grep -qs quiet main; then echo something >"$0.said"; fi
cat "$0.said" >&2
[ ! -s "$0.said" ]
"""


@pytest.fixture(scope="module", autouse=True)
def _modules():
    with importable():
        yield


@pytest.fixture
def login():
    return importlib.import_module("orderd_login")


@pytest.fixture
def host(login, tmp_path):
    """Return the folder of the configuration, the program, and what stands for the Ansible module."""
    etc, record, check = tmp_path / "etc", tmp_path / "known-good" / "host", tmp_path / "check"
    check.write_text(CHECK)
    check.chmod(0o755)
    (etc / "main.d").mkdir(parents=True)
    record.mkdir(parents=True)
    index = {}
    for place, name in enumerate(("main", "main.d/50-own.conf")):
        (etc / name).write_text(f"good {name}\n")
        (etc / name).chmod(0o640)
        (record / str(place)).write_text(f"good {name}\n")
        index[str(etc / name)] = {"mode": 0o640, "uid": 0, "gid": 0, "copy": str(place)}
    folders = {str(etc / "main.d"): {"mode": 0o755, "uid": 0, "gid": 0}}
    (record / "index.json").write_text(json.dumps({"files": index, "folders": folders}))

    def run_command(command, **_):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    params = {"known_good": str(record.parent), "quarantine": str(tmp_path / "quarantine" / "r1")}
    program = login.Program([str(check)], str(etc / "main"), str(etc / "main.d"), r"[^.].*\.conf")
    return etc, program, SimpleNamespace(params=params, check_mode=False, run_command=run_command)


def everything(etc):
    return {str(path): (path.lstat().st_mode, path.read_text() if path.is_file() else "") for path in sorted(etc.rglob("*"))}


def test_a_program_that_is_satisfied_is_not_the_case(login, host, tmp_path):
    """Whatever differs from the record, and when it is not installed."""
    etc, program, module = host
    (etc / "main").write_text("other, and fine\n")
    with pytest.raises(login.NotTheCaseError):
        login.restore(module, program)
    program.command = ["/nothing/here"]
    with pytest.raises(login.NotTheCaseError):
        login.restore(module, program)
    assert (etc / "main").read_text() == "other, and fine\n"
    assert not (tmp_path / "quarantine").exists()


def test_what_it_complains_of_is_put_back_and_the_rest_is_left_alone(login, host):
    """A recorded file comes back with its mode; another one that merely differs stays, and what was there is kept."""
    etc, program, module = host
    (etc / "main").write_text("bad\n")
    (etc / "main.d" / "50-own.conf").write_text("other, and fine\n")
    module.check_mode = True
    assert login.restore(module, program) == [str(etc / "main")]
    assert (etc / "main").read_text() == "bad\n"
    module.check_mode = False
    assert login.restore(module, program) == [str(etc / "main")]
    assert ((etc / "main").read_text(), stat.S_IMODE((etc / "main").stat().st_mode)) == ("good main\n", 0o640)
    assert (etc / "main.d" / "50-own.conf").read_text() == "other, and fine\n"
    assert (Path(module.params["quarantine"]) / str(etc / "main").lstrip("/")).read_text() == "bad\n"


def test_several_things_are_put_right_one_after_the_other(login, host):
    """A file that nobody recorded is moved away; one that is gone, a mode and the folder's mode come back."""
    etc, program, module = host
    (etc / "main").unlink()
    (etc / "main.d" / "90-site.conf").write_text("bad\n")
    (etc / "main.d" / "91-fine.conf").write_text("fine\n")
    (etc / "main.d" / "50-own.conf").chmod(0o666)
    (etc / "main.d").chmod(0o777)
    names = ("main", "main.d", "main.d/50-own.conf", "main.d/90-site.conf")
    assert sorted(login.restore(module, program)) == [str(etc / name) for name in names]
    assert {path.name for path in (etc / "main.d").iterdir()} == {"50-own.conf", "91-fine.conf"}
    assert (etc / "main").read_text() == "good main\n"
    assert stat.S_IMODE((etc / "main.d").stat().st_mode) == 0o755
    assert stat.S_IMODE((etc / "main.d" / "50-own.conf").stat().st_mode) == 0o640


def test_steps_that_help_nothing_are_taken_back(login, host):
    """A complaint that names nobody: everything that differs is tried, one at a time, and only what helped stays."""
    etc, program, module = host
    (etc / "main").write_text("quiet\n")
    (etc / "main.d" / "50-own.conf").write_text("other, and fine\n")
    (etc / "main.d" / "10-fine.conf").write_text("fine\n")
    assert login.restore(module, program) == [str(etc / "main")]
    assert (etc / "main.d" / "50-own.conf").read_text() == "other, and fine\n"
    assert (etc / "main.d" / "10-fine.conf").read_text() == "fine\n"


@pytest.mark.parametrize("trick", ["record is bad", "link"])
def test_what_cannot_be_put_right_is_left_as_it_was(login, host, trick):
    """A record that the program cannot read either, or a link in a file's place: a person has to look."""
    etc, program, module = host
    (etc / "main.d" / "90-site.conf").write_text("bad\n")
    (etc / "main").write_text("bad and other\n")
    if trick == "record is bad":
        (etc.parent / "known-good" / "host" / "0").write_text("bad as recorded\n")
    else:
        (etc / "elsewhere").write_text("bad\n")
        (etc / "main").unlink()
        (etc / "main").symlink_to(etc / "elsewhere")
    before = everything(etc)
    with pytest.raises((login.LoginFailedError, login.RecordRefusedError), match="a person has to look"):
        login.restore(module, program)
    assert everything(etc) == before


def test_a_path_is_not_taken_for_one_that_begins_with_it(login):
    """A complaint of a file in the folder names neither the folder nor the file beside it."""
    complaint = "/etc/sudoers.d/90-site:1:27: syntax error"
    assert login.is_named("/etc/sudoers.d/90-site", complaint)
    assert not login.is_named("/etc/sudoers", complaint)
    assert not login.is_named("/etc/sudoers.d", complaint)
    assert not login.is_named("/etc/sudoers.d/90", complaint)
    assert login.is_named("/etc/sudoers", "/etc/sudoers: bad permissions, should be mode 0440")
    assert login.is_named("/etc/sudoers", "parse error in /etc/sudoers near line 3.")


@pytest.mark.parametrize(
    ("program", "name", "expected"),
    [
        ("sudo", "90-site", True),
        ("sudo", "90-site~", False),
        ("sudo", "90.dpkg-old", False),
        ("sshd", "10-a.conf", True),
        ("sshd", "10-a.bak", False),
        ("sshd", ".a.conf", False),
    ],
)
def test_only_files_that_are_read_are_suspects(login, program, name, expected):
    """As sudoers(5) and sshd_config(5) say which files of the folder count."""
    assert login.PROGRAMS[program].reads(f"/etc/x.d/{name}") is expected


def test_what_only_a_running_server_could_have_is_no_complaint(login, host):
    """The privilege separation directory is made when sshd is first started."""
    _, program, module = host
    module.run_command = lambda *_, **__: (255, "", "Missing privilege separation directory: /run/sshd\n")
    assert program.complaint(module) == ""

#!/usr/bin/python
"""Ansible module: puts configuration right that sshd or sudo cannot read. Touches the files of one of the two, and only those.

The program itself is asked, before and after every step. What it complains of is put back as it was recorded, or moved to
quarantine when nobody recorded it; a step that changes nothing of what it says is taken back, and so is everything when it is
not satisfied in the end. Nothing is reloaded: who is logged in stays.
"""

import os
import re

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.orderd_files import (
    access_of,
    check_replaceable,
    content_of,
    give_back,
    keep,
    move_away,
    put,
    set_access,
)
from ansible.module_utils.orderd_host_record import host_files
from ansible.module_utils.orderd_known_good import RecordRefusedError
from ansible.module_utils.orderd_space import NOT_THE_CASE

DOCUMENTATION = """
module: orderd_login
short_description: restore the configuration of sshd or sudo
options:
  program: {type: str, choices: [sshd, sudo], required: true, description: which one}
  known_good: {type: str, required: true, description: folder of the known-good record}
  quarantine: {type: str, required: true, description: folder of this repair for what is replaced}
"""

SYSTEMCTL = "/usr/bin/systemctl"
LOOKS_AGAIN = "orderd-login-check.service"
# sshd was never started since the boot: that says nothing of its configuration.
PASSING = "Missing privilege separation directory"
NAMES_OTHER = r"(?![\w/-]|\.\w)"


class NotTheCaseError(Exception):
    """The program can read its configuration, or is not there."""


class LoginFailedError(Exception):
    """It could not be put right."""


class Program:
    """One of the two: its own check, its file, its folder, and which names it reads there."""

    def __init__(self, command, file, folder, read):
        self.command, self.file, self.folder = command, file, folder
        self._read = re.compile(read)

    def complaint(self, module):
        """Return what it has to say against its configuration, empty when it is satisfied."""
        status, output, error = module.run_command(self.command, environ_update={"LC_ALL": "C"})
        said = error.strip() or output.strip()
        return "" if status == 0 or PASSING in said else said or f"exit status {status}"

    def reads(self, path):
        """Tell whether it would read a file of its folder."""
        return self._read.fullmatch(os.path.basename(path)) is not None


PROGRAMS = {
    "sshd": Program(["/usr/sbin/sshd", "-t"], "/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d", r"[^.].*\.conf"),
    "sudo": Program(["/usr/sbin/visudo", "-c"], "/etc/sudoers", "/etc/sudoers.d", r"[^.]*[^.~]"),
}


def suspects(program, copies):
    """Return path -> what to do with it, of everything that is not as recorded."""
    recorded = [path for path in copies.files if path == program.file or os.path.dirname(path) == program.folder]
    found = {path: "put" for path in recorded if not _is_as_recorded(path, copies)}
    if program.folder in copies.folders and access_of(program.folder) not in (None, copies.access(program.folder)):
        found[program.folder] = "access"
    there = sorted(os.listdir(program.folder)) if os.path.isdir(program.folder) else []
    paths = [os.path.join(program.folder, name) for name in there]
    return found | {path: "move" for path in paths if path not in copies.files and program.reads(path)}


def _is_as_recorded(path, copies):
    return content_of(path) == copies.content(path) and access_of(path) == copies.access(path)


def is_named(path, complaint):
    """Tell whether a complaint names a path, and not another one that begins with it."""
    return re.search(re.escape(path) + NAMES_OTHER, complaint) is not None


class Step:
    """One path put right, in a way that can be taken back."""

    def __init__(self, path, what, copies, quarantine):
        self.path, self.what, self.copies, self.quarantine = path, what, copies, quarantine
        self.before = access_of(path)
        self.was_there = os.path.lexists(path)

    def take(self):
        """Put it right."""
        if self.what == "access":
            set_access(self.path, self.copies.access(self.path))
        elif self.what == "move":
            move_away(self.quarantine, self.path)
        else:
            check_replaceable(self.path)
            keep(self.quarantine, self.path)
            put(self.path, self.copies.content(self.path), self.copies.access(self.path))

    def take_back(self):
        """Make it what it was."""
        if self.what == "access":
            set_access(self.path, self.before)
        elif self.was_there:
            give_back(self.quarantine, self.path, self.copies.content(self.path) if self.what == "put" else None)
        else:
            os.unlink(self.path)


def restore(module, program):
    """Put right what the program complains of.

    Returns:
        The paths.

    Raises:
        NotTheCaseError: it complains of nothing.
        LoginFailedError: it goes on complaining; everything is as it was.
    """
    complaint = program.complaint(module) if os.path.exists(program.command[0]) else ""
    if not complaint:
        raise NotTheCaseError
    copies, taken = host_files(module.params["known_good"]), []
    if module.check_mode:
        found = suspects(program, copies)
        return sorted(path for path in found if is_named(path, complaint)) or sorted(found)
    try:
        put_right(module, program, copies, taken)
    except BaseException:
        for step in reversed(taken):
            step.take_back()
        raise
    return [step.path for step in taken]


def put_right(module, program, copies, taken):
    """Take steps until the program is satisfied; those that changed what it says are added to ``taken``."""
    left, complaint = suspects(program, copies), program.complaint(module)
    while complaint and left:
        path = next((each for each in sorted(left) if is_named(each, complaint)), min(left))
        step = Step(path, left.pop(path), copies, module.params["quarantine"])
        step.take()
        says_now = program.complaint(module)
        if says_now == complaint:
            step.take_back()
        else:
            taken.append(step)
        complaint = says_now
    if complaint:
        raise LoginFailedError(f"{complaint.splitlines()[0]}: nothing that is recorded mends it, a person has to look")


def main():
    """Restore, and have what watches the two look again: it may have told of what is over."""
    module = AnsibleModule(
        argument_spec={
            "program": {"type": "str", "choices": sorted(PROGRAMS), "required": True},
            "known_good": {"type": "str", "required": True},
            "quarantine": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    name = module.params["program"]
    try:
        paths = restore(module, PROGRAMS[name])
    except NotTheCaseError:
        paths = []
    except (RecordRefusedError, LoginFailedError, OSError, KeyError, ValueError) as error:
        module.fail_json(msg=str(error))
    if not module.check_mode:
        module.run_command([SYSTEMCTL, "start", LOOKS_AGAIN])
    nothing = f"{NOT_THE_CASE}{name} can read its configuration, or is not installed"
    module.exit_json(changed=bool(paths), msg=", ".join(paths) or nothing, paths=paths)


if __name__ == "__main__":
    main()

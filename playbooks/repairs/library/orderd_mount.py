#!/usr/bin/python
"""Ansible module: makes a declared mount usable again. Touches that mount; ``checked`` also the services that use it.

``read_write`` does nothing where fstab wants it read-only, where the device is, or where the file system counted errors: writing
on would make it worse. ``mounted`` mounts what systemd, fstab or the known-good record says. ``checked`` stops the services that
use a file system which failed, unmounts it, has fsck mend what it mends by itself, mounts it again and starts them. ``detached``
takes only a mount away that does not answer; it never asks it anything itself, because whoever asks hangs too.
"""

import ctypes
import json
import os
import shutil
import signal
import stat
import time

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.orderd_known_good import RecordRefusedError, check_trusted
from ansible.module_utils.orderd_process import units_of
from ansible.module_utils.orderd_space import NOT_THE_CASE

DOCUMENTATION = """
module: orderd_mount
short_description: remount, mount or detach one mount
options:
  path: {type: str, required: true, description: mount point}
  state: {type: str, choices: [read_write, mounted, checked, detached], required: true, description: how it shall be}
  known_good: {type: str, default: "", description: folder of the known-good record}
"""

MOUNTINFO = "/proc/1/mountinfo"
FSTAB = "/etc/fstab"
ERRORS = "/sys/fs/{type}/{name}/errors_count"
MNT_FORCE, MNT_DETACH, UMOUNT_NOFOLLOW = 1, 2, 8
SILENT_S = 2.0
POLL_S = 0.02
FAILED = frozenset({"emergency_ro", "shutdown"})
MOUNTS = "mounts.json"
MENDED = (0, 1)
NEVER_STOPPED = ("orderd", "systemd-", "dbus", "ssh")
BUSY_TRIES = 20
BUSY_PAUSE_S = 0.2


class NotTheCaseError(Exception):
    """This is not what is wrong with the mount."""


class MountFailedError(Exception):
    """It was tried and did not work."""


def _plain(text):
    """Undo the escapes of mountinfo and fstab."""
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text


def topmost(path, text=None):
    """Return the topmost mount at a path as device number, file system type, source and both lists of options; None without."""
    found = None
    if text is None:
        with open(MOUNTINFO, errors="surrogateescape") as stream:
            text = stream.read()
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        fields, rest = before.split(" "), after.split(" ")
        if _plain(fields[4]) == path:
            found = {
                "device": fields[2],
                "options": fields[5].split(","),
                "type": rest[0],
                "source": _plain(rest[1]),
                "super": rest[2].split(","),
            }
    return found


def wanted(path, text=None):
    """Return the options that fstab gives a path, None when it is not there."""
    if text is None:
        with open(FSTAB) as stream:
            text = stream.read()
    for line in text.splitlines():
        _source, place, _type, options = (*line.split()[:4], "", "", "", "")[:4]
        if options and not line.lstrip().startswith("#") and _plain(place) in (path, f"{path}/"):
            return options.split(",")
    return None


def is_read_only(mount):
    """Tell whether nobody can write to a mount, for its own options or its file system's."""
    return "ro" in mount["options"] or "ro" in mount["super"] or has_failed(mount)


def has_failed(mount):
    """Tell whether the kernel has given a file system up."""
    return bool(FAILED & set(mount["super"]))


def check_may_be_written(path, mount, options):
    """Refuse mounts that are read-only for a reason.

    Raises:
        NotTheCaseError: the reason.
    """
    if options is not None and "ro" in options:
        raise NotTheCaseError(f"{path} is read-only because {FSTAB} says so")
    if _read(f"/sys/dev/block/{mount['device']}/ro") == "1":
        raise NotTheCaseError(f"the device of {path} cannot be written")
    errors = errors_of(mount)
    if has_failed(mount):
        raise NotTheCaseError(f"the file system of {path} failed: it has to be checked first")
    if errors:
        raise NotTheCaseError(f"the file system of {path} counted {errors} errors: it has to be checked first")


def errors_of(mount):
    """Return how many errors a file system has counted; 0 where it does not count."""
    name = os.path.basename(os.path.realpath(f"/sys/dev/block/{mount['device']}"))
    return int(_read(ERRORS.format(type=mount["type"], name=name)) or 0)


def _read(path):
    try:
        with open(path) as stream:
            return stream.read().strip()
    except OSError:
        return ""


def read_write(module, path):
    """Remount read-write.

    Returns:
        Whether anything had to change.
    """
    mount = topmost(path)
    if mount is None:
        raise NotTheCaseError(f"nothing is mounted at {path}")
    if not is_read_only(mount):
        return False
    check_may_be_written(path, mount, wanted(path))
    if not module.check_mode:
        run(module, ["/usr/bin/mount", "-o", "remount,rw", path])
        if is_read_only(topmost(path)):
            raise MountFailedError(f"{path} is still read-only")
    return True


def mounted(module, path):
    """Mount what is declared for a path.

    Returns:
        Whether anything had to change.
    """
    if topmost(path) is not None:
        return False
    command = how_to_mount(module, path)
    if not command:
        raise NotTheCaseError(f"neither systemd nor {FSTAB} nor the known-good record says what is mounted at {path}")
    if not module.check_mode:
        run(module, command)
        if topmost(path) is None:
            raise MountFailedError(f"nothing is mounted at {path} still")
    return True


def how_to_mount(module, path):
    """Return the command that mounts what belongs at a path, empty when nobody knows.

    By systemd where it knows how: a file system that is a program would end with this repair. By the record only a device of this
    host.
    """
    unit = run(module, ["/usr/bin/systemd-escape", "--path", "--suffix=mount", path]).strip()
    if run(module, ["/usr/bin/systemctl", "show", "--property=FragmentPath", "--value", "--", unit]).strip():
        return ["/usr/bin/systemctl", "start", "--", unit]
    if wanted(path) is not None:
        return ["/usr/bin/mount", path]
    how = recorded(module.params.get("known_good") or "", path)
    if not how or not stat.S_ISBLK(os.stat(how["source"]).st_mode):
        return []
    options = ",".join(word for word in how["options"].split(",") if word not in FAILED)
    return ["/usr/bin/mount", "-t", how["type"], "-o", options, "--", how["source"], path]


def recorded(known_good, path):
    """Return how the known-good record says that a path was mounted, None when it does not say."""
    file = os.path.join(known_good, MOUNTS)
    if not known_good or not os.path.exists(file):
        return None
    check_trusted(file)
    with open(file) as stream:
        return json.load(stream).get(path)


def checked(module, path):
    """Have a file system that failed checked, and mount it again; the services that use it are stopped meanwhile.

    Returns:
        Whether anything had to change.
    """
    mount = topmost(path)
    if mount is None or not (has_failed(mount) or errors_of(mount)):
        raise NotTheCaseError(f"the file system of {path} has not failed")
    again, check = how_to_mount(module, path), shutil.which(f"fsck.{mount['type']}")
    if not again or check is None or not os.path.exists(mount["source"]):
        raise NotTheCaseError(f"{path} cannot be mounted again from here, or there is no fsck.{mount['type']}")
    users = users_of(path)
    units = sorted({unit for _pid, unit in users})
    for pid, unit in users:
        if not unit or unit.startswith(NEVER_STOPPED):
            raise MountFailedError(f"{path} is used by process {pid} of {unit or 'no service'}: a person has to look")
    if module.check_mode:
        return True
    try:
        for unit in units:
            run(module, ["/usr/bin/systemctl", "stop", "--", unit])
        unmounted(module, path)
        mend(module, check, mount["source"])
    finally:
        # Whatever went wrong, what was stopped is started again, on what could be mounted.
        if topmost(path) is None:
            module.run_command(again)
        for unit in units:
            module.run_command(["/usr/bin/systemctl", "start", "--no-block", "--", unit])
    if topmost(path) is None:
        raise MountFailedError(f"nothing is mounted at {path} any more")
    return True


def users_of(path):
    """Return (pid, service) of every process that has something below a path open; the service is empty for none.

    Names alone are looked at: to ask a file system that failed would fail too.
    """
    below = path.rstrip("/") + "/"
    pids = [pid for pid in filter(str.isdigit, os.listdir("/proc")) if any(f"{each}/".startswith(below) for each in _links(pid))]
    return [(int(pid), next((unit for unit in units_of(int(pid)) if unit.endswith(".service")), "")) for pid in pids]


def _links(pid):
    try:
        places = [f"/proc/{pid}/cwd", f"/proc/{pid}/root", *(f"/proc/{pid}/fd/{fd}" for fd in os.listdir(f"/proc/{pid}/fd"))]
    except OSError:
        return
    for place in places:
        try:
            yield os.readlink(place)
        except OSError:
            continue


def unmounted(module, path):
    """Unmount, with patience for whoever is just letting go."""
    for _ in range(BUSY_TRIES):
        status, output, error = module.run_command(["/usr/bin/umount", path])
        if status == 0 and topmost(path) is None:
            return
        time.sleep(BUSY_PAUSE_S)
    raise MountFailedError(f"{path} cannot be unmounted: " + (error or output).strip())


def mend(module, check, source):
    """Have fsck mend what it mends without asking; more than that is for a person."""
    for _ in range(BUSY_TRIES):
        status, output, error = module.run_command([check, "-p", source])
        if status in MENDED:
            return
        if "in use" not in output + error:
            break
        time.sleep(BUSY_PAUSE_S)
    raise MountFailedError(f"{check} -p {source} returned {status}: " + (output + error).strip()[-300:])


def run(module, command):
    """Run a command; fail with its words."""
    status, output, error = module.run_command(command)
    if status != 0:
        raise MountFailedError(" ".join(command) + ": " + (error or output).strip())
    return output


def answers(path, silent_s=SILENT_S):
    """Tell whether a file system answers in time; a process of its own asks, because it may hang for ever."""
    pid = os.fork()
    if pid == 0:
        try:
            os.statvfs(path)
        except OSError:
            pass  # an error is an answer
        finally:
            os._exit(0)
    give_up = time.monotonic() + silent_s
    while time.monotonic() < give_up:
        if os.waitpid(pid, os.WNOHANG)[0]:
            return True
        time.sleep(POLL_S)
    os.kill(pid, signal.SIGKILL)
    return False


def detached(module, path):
    """Take the topmost mount at a path away if it hangs; whoever waits for it is given an error where the kernel can.

    Returns:
        Whether anything had to change.
    """
    if topmost(path) is None:
        return False
    if answers(path):
        raise NotTheCaseError(f"the file system at {path} answers")
    if not module.check_mode:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.umount2(os.fsencode(path), MNT_FORCE | MNT_DETACH | UMOUNT_NOFOLLOW) != 0:
            raise MountFailedError(f"{path}: {os.strerror(ctypes.get_errno())}")
    return True


ACTS = {"read_write": read_write, "mounted": mounted, "checked": checked, "detached": detached}


def main():
    """Bring the mount into the wanted state."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "str", "required": True},
            "state": {"type": "str", "choices": sorted(ACTS), "required": True},
            "known_good": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    path, state = module.params["path"], module.params["state"]
    try:
        changed = ACTS[state](module, path)
    except NotTheCaseError as error:
        module.exit_json(changed=False, msg=f"{NOT_THE_CASE}{error}")
    except (MountFailedError, RecordRefusedError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=changed, msg="{}: {}".format(path, state.replace("_", "-") if changed else "as it should be"))


if __name__ == "__main__":
    main()

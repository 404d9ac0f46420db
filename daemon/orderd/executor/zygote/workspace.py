"""A repair's own tmpfs: mounted, filled with hash-checked copies, unmounted. Touches mounts and the disk.

Everything a repair needs and writes lies here, in memory, so that a full or dying disk does not stop it, and nothing of it stays.
"""

import ctypes
import errno
import os
import re
import shutil
import socket
import string
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from orderd.catalogue.manifest import sha256
from orderd.executor.messages import Code, Job

_MS_NOSUID: Final = 2
_MS_NODEV: Final = 4
_SAFE_PART: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_VARIABLE: Final = re.compile(r"[a-z][a-z0-9_]*")
_PLAIN: Final = frozenset(string.printable[:94]) - {'"', "\\"} | {" "}
_STUB: Final = Path(__file__).with_name("stub.py")
_FOLDERS: Final = ("project", "library", "module_utils", "home", "tmp", "bin", "artifacts")
_libc: Final = ctypes.CDLL(None, use_errno=True)


class WorkspaceError(Exception):
    """The workspace could not be made, or what was to be run is not what was hashed."""

    def __init__(self, code: Code, detail: str) -> None:
        super().__init__(detail)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """The folder of one repair.

    Attributes:
        root: mount point of its tmpfs.
        playbook: the copied playbook to run.
        variables: the file of values for it.
    """

    root: Path
    playbook: Path
    variables: Path

    @classmethod
    def prepare(cls, job: Job) -> Self:
        """Mount and fill the workspace of a job.

        Raises:
            WorkspaceError: it cannot be mounted, or a file differs from its hash.
        """
        root = Path(job.work_dir) / job.job_id
        try:
            root.mkdir(mode=0o700, parents=True)
            if job.tmpfs_bytes:
                _mount_tmpfs(root, job.tmpfs_bytes)
            os.chdir(root)  # keeps the tmpfs busy for as long as any process of the repair lives
            for folder in _FOLDERS:
                (root / folder).mkdir(mode=0o700)
            _copy_checked(job, root)
            _write_stub(root / "bin" / "ansible-playbook")
            variables = _write_variables(job, root / "variables.yml")
        except OSError as error:
            raise WorkspaceError(Code.WORKSPACE_FAILED, f"{error.filename or root}: {error.strerror}") from error
        return cls(root=root, playbook=root / "project" / Path(job.playbook).name, variables=variables)

    def environment(self) -> dict[str, str]:
        """Return the environment variables that keep Ansible inside the workspace."""
        root, scratch = str(self.root), str(self.root / "tmp")
        return {
            "PATH": f"{root}/bin:{os.environ['PATH']}",
            "HOME": f"{root}/home",
            "TMPDIR": scratch,
            "ANSIBLE_HOME": f"{root}/home/.ansible",
            "ANSIBLE_LOCAL_TEMP": scratch,
            "ANSIBLE_REMOTE_TEMP": scratch,
            "ANSIBLE_ASYNC_DIR": f"{scratch}/async",
            "ANSIBLE_LIBRARY": f"{root}/library",
            "ANSIBLE_MODULE_UTILS": f"{root}/module_utils",
        }

    def listen_for_stub(self) -> socket.socket:
        """Return the socket the stub will connect to."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.bind(f"{self.root}/cli.sock")
        listener.listen(1)
        return listener


def remove(root: Path) -> bool:
    """Unmount and remove a workspace.

    Returns:
        False when a process is still in it; call again later.
    """
    if _libc.umount2(os.fsencode(root), 0) != 0 and ctypes.get_errno() == errno.EBUSY:
        return False
    shutil.rmtree(root, ignore_errors=True)
    return True


def _mount_tmpfs(root: Path, size_bytes: int) -> None:
    options = f"size={size_bytes},nr_inodes=8192,mode=0700".encode()
    if _libc.mount(b"orderd-repair", os.fsencode(root), b"tmpfs", _MS_NOSUID | _MS_NODEV, options) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(root))


def _copy_checked(job: Job, root: Path) -> None:
    """Copy the job's files; the bytes that are hashed are the bytes that were written, so there is no gap to change them in."""
    for path, digest in job.files.items():
        folder, _, name = path.partition("/")
        if _SAFE_PART.fullmatch(folder) is None or _SAFE_PART.fullmatch(name) is None:
            raise WorkspaceError(Code.HASH_MISMATCH, f"{path}: not a file of a catalogue folder")
        content = (Path(job.source_dir) / folder / name).read_bytes()
        if sha256(content) != digest:
            raise WorkspaceError(Code.HASH_MISMATCH, f"{job.source_dir}/{path}: differs from the manifest")
        target = root / (folder if folder in {"library", "module_utils"} else "project") / name
        target.write_bytes(content)
    if job.playbook not in job.files:
        raise WorkspaceError(Code.HASH_MISMATCH, f"{job.playbook}: not in the manifest")


def _write_stub(target: Path) -> None:
    target.write_text(f"#!{sys.executable} -IS\n{_STUB.read_text(encoding='utf-8')}", encoding="utf-8")
    target.chmod(0o700)


def _write_variables(job: Job, target: Path) -> Path:
    """Write the values for ``-e @file``, so that Ansible never templates them.

    The tag is on the whole mapping: on a single scalar it would also undo the quotes, and ``"yes"`` would arrive as true.
    """
    variables = {**job.variables, "ansible_python_interpreter": sys.executable}
    entries = [f"{_checked_key(key)}: {_quoted(value)}" for key, value in sorted(variables.items())]
    target.write_text("!unsafe {\n" + ",\n".join(entries) + "\n}\n", encoding="ascii")
    return target


def _checked_key(key: str) -> str:
    if _VARIABLE.fullmatch(key) is None:
        raise WorkspaceError(Code.BAD_REQUEST, f"variable {key!r}: not a variable name")
    return key


def _quoted(value: str | tuple[str, ...]) -> str:
    """Return a value in YAML, with every character escaped that could mean anything but itself."""
    if isinstance(value, str):
        return '"' + "".join(c if c in _PLAIN else f"\\U{ord(c):08X}" for c in value) + '"'
    return "[" + ", ".join(_quoted(item) for item in value) + "]"

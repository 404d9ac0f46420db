"""Runs Python modules of local tasks in a forked child, instead of building, unpacking and executing a zip. Touches processes.

The child runs the module exactly as Ansible's own AnsiballZ wrapper does, with ``runpy`` as ``__main__`` and with the same
serialisation profile; only the zip and the second interpreter are left out. That is 0.4 s of the 0.5 s a warm task takes. Tasks
that need more than that (become, async, another connection, an environment of their own, a module that is no Python file) take
the stock path. tests/integration/test_executor_equivalence.py holds both paths to the same results.
"""

# Ansible has no public seam where a module is run, and types its fields as whatever a playbook may hold.
# pyright: reportPrivateUsage=false, reportArgumentType=false

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any, Final

from ansible.module_utils._internal._ansiballz import _loader
from ansible.module_utils.common.json import Direction, get_module_encoder
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import module_loader, module_utils_loader
from ansible.vars.clean import remove_internal_keys

_PROFILE: Final = "legacy"
_NEW_STYLE: Final = b"AnsibleModule("
_stock_execute_module: Final = ActionBase._execute_module


def run_modules_in_forks(library: str, module_utils: str) -> None:
    """Install the fast path in this process, and make a repair's own modules importable in it.

    Args:
        library: folder of the repair's copied modules.
        module_utils: folder of what those modules share.
    """
    module_loader.add_directory(library)
    module_utils_loader.add_directory(module_utils)
    importlib.import_module("ansible.modules").__path__.append(library)
    importlib.import_module("ansible.module_utils").__path__.append(module_utils)
    ActionBase._execute_module = _execute_module  # type: ignore[method-assign]


def _execute_module(  # noqa: PLR0917  the signature is Ansible's
    self: ActionBase,
    module_name: str | None = None,
    module_args: dict[str, Any] | None = None,
    tmp: object = None,
    task_vars: dict[str, Any] | None = None,
    persist_files: bool = False,  # noqa: FBT001, FBT002
    delete_remote_tmp: object = None,
    wrap_async: bool = False,  # noqa: FBT001, FBT002
    ignore_unknown_opts: bool = False,  # noqa: FBT001, FBT002
) -> dict[str, Any]:
    """Stand in for ``ActionBase._execute_module`` with the same signature."""
    name = module_name or self._task.action
    fqn = None if wrap_async or _needs_stock(self) else _importable_name(self, name)
    if fqn is None:
        return _stock_execute_module(
            self, module_name, module_args, tmp, task_vars, persist_files, delete_remote_tmp, wrap_async, ignore_unknown_opts
        )
    arguments = self._task.args if module_args is None else module_args
    self._update_module_args(name, arguments, task_vars or {}, ignore_unknown_opts=ignore_unknown_opts)
    payload = json.dumps({"ANSIBLE_MODULE_ARGS": arguments}, cls=get_module_encoder(_PROFILE, Direction.CONTROLLER_TO_MODULE))
    return _result(self, *_run_forked(fqn, payload.encode()))


def _needs_stock(action: ActionBase) -> bool:
    task = action._task
    return bool(
        task.async_val or any(task.environment or ()) or action._connection.transport != "local" or action._play_context.become
    )


def _importable_name(action: ActionBase, name: str) -> str | None:
    """Return the dotted name under ``ansible.modules``, None when only the stock path can run it."""
    context = action._shared_loader_obj.module_loader.find_plugin_with_context(
        name, mod_type=".py", collection_list=action._task.collections
    )
    path = context.plugin_resolved_path
    if not context.resolved or path is None or not path.endswith(".py"):
        return None
    folders = importlib.import_module("ansible.modules").__path__
    file = Path(path)
    if str(file.parent) not in folders or _NEW_STYLE not in file.read_bytes():
        return None
    return f"ansible.modules.{file.stem}"


def _run_forked(fqn: str, payload: bytes) -> tuple[str, str, int]:
    """Run a module in a forked child.

    Returns:
        What it wrote to stdout and stderr, and its exit status.
    """
    out_read, out_write = os.pipe()
    error_file = os.memfd_create("module-stderr")
    pid = os.fork()
    if pid == 0:
        _become_module(fqn, payload, out_write, error_file)
    os.close(out_write)
    with os.fdopen(out_read, "rb") as stream:
        out = stream.read()
    _pid, status = os.waitpid(pid, 0)
    with os.fdopen(error_file, "rb") as stream:
        stream.seek(0)
        error = stream.read()
    return out.decode(errors="surrogateescape"), error.decode(errors="surrogateescape"), os.waitstatus_to_exitcode(status)


def _become_module(fqn: str, payload: bytes, out: int, error: int) -> None:
    """Turn this forked process into the module; never returns."""
    status = 1
    try:
        null = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((null, 0), (out, 1), (error, 2)):
            os.dup2(source, target)
        sys.stdin, sys.stdout, sys.stderr = (os.fdopen(fd, mode, closefd=False) for fd, mode in ((0, "r"), (1, "w"), (2, "w")))
        sys.argv = [fqn]
        _loader.run_module(json_params=payload, profile=_PROFILE, module_fqn=fqn, modlib_path="", extensions={})
    except SystemExit as exit_:
        status = exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
    except BaseException as failure:  # noqa: BLE001  nothing may escape into the code of the process we were forked from
        sys.stderr.write(f"{type(failure).__name__}: {failure}\n")
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _result(action: ActionBase, out: str, error: str, status: int) -> dict[str, Any]:
    """Turn a module's output into a task result, as the end of the stock method does."""
    data = action._parse_returned_data({"stdout": out, "stderr": error, "rc": status}, _PROFILE)
    if data.pop("_ansible_suppress_tmpdir_delete", False):
        action._cleanup_remote_tmp = False
    remove_internal_keys(data)
    for stream in ("stdout", "stderr"):
        if stream in data and f"{stream}_lines" not in data:
            data[f"{stream}_lines"] = (data[stream] or "").splitlines()
    return data

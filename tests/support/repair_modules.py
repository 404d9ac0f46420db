"""Makes the Ansible modules of repairs importable as Python, as Ansible would. Touches sys.path and ansible.module_utils."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ansible.module_utils

REPAIRS = Path(__file__).parents[2] / "playbooks" / "repairs"


@contextlib.contextmanager
def importable() -> Iterator[None]:
    """Let tests import the modules for as long as this lasts."""
    shared = str(REPAIRS / "module_utils")
    sys.path.insert(0, str(REPAIRS / "library"))
    ansible.module_utils.__path__.append(shared)
    try:
        yield
    finally:
        ansible.module_utils.__path__.remove(shared)
        sys.path.remove(str(REPAIRS / "library"))


def module(*, check_mode: bool = False, commands: dict[str, tuple[int, str, str]] | None = None, **params: Any) -> Any:
    """Return what stands for an AnsibleModule; commands are answered by their program's name, and remembered in ``ran``."""
    ran: list[list[str]] = []

    def run_command(command: list[str], **_: Any) -> tuple[int, str, str]:
        ran.append(command)
        return (commands or {}).get(Path(command[0]).name, (0, "", ""))

    return SimpleNamespace(params=params, check_mode=check_mode, run_command=run_command, ran=ran)

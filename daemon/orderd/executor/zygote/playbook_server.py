"""Runs the ansible-playbook command line in a forked, warm process inside the repair's scope. Touches processes and sockets.

Forked from the repair process before it calls ansible_runner; serves exactly one command line, that of the stub.
"""

import os
import socket
import sys
import traceback
from array import array
from typing import Final, NoReturn

REQUEST_BYTES_MAX: Final = 256 * 1024
_STDIO_FDS: Final = 3


def fork_playbook_server(listener: socket.socket, library: str, module_utils: str) -> int:
    """Fork the server.

    Args:
        listener: a bound SEQPACKET socket, on which the stub will connect.
        library: the repair's own Ansible modules.
        module_utils: what they share.

    Returns:
        The server's process id, in the process that called.
    """
    pid = os.fork()
    if pid == 0:
        _serve(listener, library, module_utils)
    return pid


def _serve(listener: socket.socket, library: str, module_utils: str) -> NoReturn:
    status = 250
    try:
        from orderd.executor.zygote.modules import run_modules_in_forks

        run_modules_in_forks(library, module_utils)
        connection, _address = listener.accept()
        listener.close()
        arguments = _take_over(connection)
        status = _run_command_line(arguments)
        connection.send(status.to_bytes(4, "big"))
    except BaseException:  # noqa: BLE001  nothing may escape into the code this process was forked from
        traceback.print_exc()
    finally:
        os._exit(status)


def _take_over(connection: socket.socket) -> list[str]:
    """Become the stub: its directory, environment and stdio.

    Returns:
        Its arguments.
    """
    received, ancillary, _flags, _address = connection.recvmsg(REQUEST_BYTES_MAX, socket.CMSG_SPACE(_STDIO_FDS * 4))
    count, directory, *rest = received.split(b"\0")
    arguments, environment = rest[: int(count)], rest[int(count) :]
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(_pair(entry) for entry in environment)
    for target, descriptor in enumerate(_descriptors(ancillary)):
        os.dup2(descriptor, target)
        os.close(descriptor)
    return [os.fsdecode(argument) for argument in arguments]


def _pair(entry: bytes) -> tuple[str, str]:
    name, _, value = os.fsdecode(entry).partition("=")
    return name, value


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> "array[int]":
    descriptors = array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(content[: len(content) - len(content) % descriptors.itemsize])
    return descriptors


def _run_command_line(arguments: list[str]) -> int:
    """Run ansible-playbook as its own entry point does.

    Returns:
        Its exit status.
    """
    from ansible.cli.playbook import PlaybookCLI

    _read_settings_again()
    try:
        PlaybookCLI.cli_executor(["ansible-playbook", *arguments])
        status = 0
    except SystemExit as exit_:
        status = exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
    sys.stdout.flush()
    sys.stderr.flush()
    return status & 0xFF


def _read_settings_again() -> None:
    """Evaluate Ansible's settings in the environment of this repair: the constants were made when the zygote started."""
    from ansible import constants
    from ansible.plugins.loader import callback_loader

    for name in constants.config.get_configuration_definitions():
        constants.set_constant(name, constants.config.get_config_value(name, variables=vars(constants)))
    for directory in filter(None, os.environ.get("ANSIBLE_CALLBACK_PLUGINS", "").split(":")):
        callback_loader.add_directory(directory)

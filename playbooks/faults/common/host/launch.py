"""Starts a process that misbehaves: detached, in a unit of its own, under a name that says nothing.

Touches: a transient unit. The program is handed to it as data on its stdin, so that no file of it lies on the host.
"""

from __future__ import annotations

import base64
import json
import re
import sys

from failures import Refused
from machine import main_process, run

NAME = re.compile(r"[a-z][a-z0-9-]{0,14}")  # what the kernel keeps of a process name

# Its own name first, for whoever reads `ps` or `top`; then the program, as given.
PRELUDE = "import pathlib; pathlib.Path('/proc/self/comm').write_text({name})\n"


def launch(name: str, arguments: str) -> dict:
    """Start the program on stdin and return which process it is.

    Args:
        name: of the unit and of the process.
        arguments: a JSON list of what the program finds in sys.argv.
    """
    if NAME.fullmatch(name) is None:
        raise Refused(f"name = {name!r}; allowed: {NAME.pattern}")
    program = PRELUDE.format(name=json.dumps(name)) + sys.stdin.read()
    run(*_systemd_run(name, program), *(str(argument) for argument in json.loads(arguments)))
    pid, start = main_process(f"{name}.service")
    if not start:
        raise OSError(f"{name}: ended as soon as it was started")
    return {"entity": f"process:{pid}:{start}"}


def _systemd_run(name: str, program: str) -> list[str]:
    data = base64.b64encode(program.encode()).decode()
    properties = ("OOMScoreAdjust=1000", "TasksMax=1024", "TimeoutStopSec=3", f"StandardInputData={data}", "StandardInput=data")
    options = [f"--property={each}" for each in properties]
    return ["systemd-run", "--quiet", "--collect", f"--unit={name}", *options, "/usr/bin/python3", "-"]

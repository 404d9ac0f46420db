"""The process behind `playbooks`: reads one request a line, runs it with ansible-runner, writes one result a line.

Touches: ansible-runner and through it the hosts; a temporary directory per run, removed. Ends when its stdin ends.

Variables reach the playbook tagged `!unsafe`: since ansible-core 2.19 a template in an extra variable is executed, and a target's
name is data.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, BinaryIO

import ansible_runner
import msgspec

from ordertrainer.chaos.playbooks import PlaybookResult, Request, TaskResult

OUTPUT_BYTES_MAX = 8192
EVENTS = {"runner_on_ok", "runner_on_failed", "runner_on_unreachable"}

SETTINGS = {
    "ANSIBLE_PIPELINING": "True",
    "ANSIBLE_HOST_KEY_CHECKING": "True",
    "ANSIBLE_NOCOLOR": "True",
    "ANSIBLE_RETRY_FILES_ENABLED": "False",
    "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3",
    "ANSIBLE_INVENTORY_ENABLED": "yaml,ini",
    "ANSIBLE_FORKS": "4",
}


_BUSY = threading.Event()


def main() -> None:
    """Serve requests until stdin ends or SIGTERM."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints must not get between the answers
    cancelled = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: _cancel(cancelled))
    for line in sys.stdin.buffer:
        result = run(msgspec.json.decode(line, type=Request), cancelled)
        _answer(answers, result)
        if cancelled.is_set():
            return


def _cancel(cancelled: threading.Event) -> None:
    if not _BUSY.is_set():
        sys.exit(0)
    cancelled.set()


def _answer(answers: BinaryIO, result: PlaybookResult) -> None:
    answers.write(msgspec.json.encode(result) + b"\n")
    answers.flush()


def run(request: Request, cancelled: threading.Event) -> PlaybookResult:
    """Run one playbook."""
    tasks: list[TaskResult] = []
    _BUSY.set()
    with tempfile.TemporaryDirectory(prefix="playbook-", dir=request.work_dir) as directory:
        variables = Path(directory, "variables.yml")
        variables.write_text(as_data(request.variables), encoding="utf-8")
        try:
            runner = ansible_runner.run(
                private_data_dir=directory,
                playbook=request.playbook,
                inventory=request.inventory,
                cmdline=f"--extra-vars @{variables}",
                envvars=SETTINGS | _homes(directory),
                event_handler=lambda event: _note(tasks, event),
                cancel_callback=cancelled.is_set,
                timeout=max(1, round(request.timeout_s)),
                quiet=True,
                suppress_env_files=True,
            )
            return PlaybookResult(status=runner.status, tasks=tuple(tasks), output=_end_of(runner.stdout))
        except SystemExit as error:
            return PlaybookResult(status="failed", tasks=tuple(tasks), output=f"ansible-runner left with {error.code}")
        finally:
            _BUSY.clear()


def _homes(directory: str) -> dict[str, str]:
    """Keep a run's files inside its directory, and other people's ansible.cfg out of it."""
    config = Path(directory, "ansible.cfg")
    config.touch()
    return {"ANSIBLE_CONFIG": str(config), "ANSIBLE_HOME": f"{directory}/home", "ANSIBLE_LOCAL_TEMP": f"{directory}/local"}


def _end_of(stream: Any) -> str:
    return stream.read()[-OUTPUT_BYTES_MAX:]


def _note(tasks: list[TaskResult], event: dict[str, Any]) -> bool:
    """Keep what a task said; returning False leaves no event file behind."""
    if event["event"] in EVENTS:
        data = event["event_data"]
        said = data.get("res", {})
        tasks.append(
            TaskResult(
                task=data.get("task", ""),
                host=data.get("host", ""),
                ok=event["event"] == "runner_on_ok" or bool(data.get("ignore_errors")),
                reached=event["event"] != "runner_on_unreachable",
                stdout=str(said.get("stdout", "")),
                message=" ".join(str(said[key]) for key in ("msg", "stderr") if said.get(key)),
            )
        )
    return False


def as_data(variables: dict[str, Any]) -> str:
    """Write variables as YAML that is tagged as data as a whole, so that everything in it is.

    The tag stands on the outside: ansible reads a text that has it itself as if it had no quotes, "0600" as a number.
    """
    return f"!unsafe {json.dumps(variables)}\n"


if __name__ == "__main__":
    main()

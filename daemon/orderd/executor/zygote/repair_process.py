"""One repair, in its own process: waits to be adopted, prepares its workspace, runs the playbook, reports. Touches processes."""

import collections
import os
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from orderd.executor.messages import (
    NAME_MAX,
    TASKS_MAX,
    Forked,
    Go,
    Job,
    JobDone,
    JobRefused,
    Task,
    cut,
    encode,
)
from orderd.executor.zygote.playbook_server import fork_playbook_server
from orderd.executor.zygote.workspace import Workspace, WorkspaceError

_GO_WITHIN_S: Final = 10.0
_STATUS_OF_EVENT: Final = {
    "runner_on_ok": "ok",
    "runner_on_failed": "failed",
    "runner_on_skipped": "skipped",
    "runner_on_unreachable": "unreachable",
}
_OUTPUT_TAIL_BYTES: Final = 4096
_NO_STATUS: Final = 254


def run(connection: socket.socket, job: Job) -> None:
    """Be the repair process of a job.

    Args:
        connection: to the executor; closing it tells that this process is gone.
        job: what to run.
    """
    os.setsid()
    connection.settimeout(_GO_WITHIN_S)
    connection.send(encode(Forked(pid=os.getpid())))
    go = connection.recv(256)
    if not go:
        return  # the executor is gone: nothing was touched, nothing will be
    msgspec.json.decode(go, type=Go)
    connection.settimeout(None)
    try:
        reply: JobDone | JobRefused = _run_job(job)
    except WorkspaceError as error:
        reply = JobRefused(code=error.code, detail=cut(error))
    connection.send(encode(reply))


def _run_job(job: Job) -> JobDone:
    began = time.monotonic()
    workspace = Workspace.prepare(job)
    with workspace.listen_for_stub() as listener:
        fork_playbook_server(listener, f"{workspace.root}/library", f"{workspace.root}/module_utils")
    prepared = time.monotonic()
    events = _Events()
    rc = _run_playbook(job, workspace, events)
    ended = time.monotonic()
    return JobDone(
        rc=rc,
        tasks=tuple(events.tasks),
        detail=_explain(rc, events, workspace),
        seconds={"workspace": prepared - began, "playbook": ended - prepared},
    )


@dataclass(slots=True)
class _Events:
    """Collects what the playbook reports; ansible_runner calls it inline, so it only appends and never raises."""

    tasks: collections.deque[Task] = field(default_factory=lambda: collections.deque(maxlen=TASKS_MAX))

    def handle(self, event: dict[str, Any]) -> bool:
        """Take one event.

        Returns:
            False: ansible_runner need not write it to disk, the executor's journal has it.
        """
        status = _STATUS_OF_EVENT.get(event.get("event", ""))
        if status is not None:
            data = event.get("event_data", {})
            result = data.get("res", {})
            name = cut(data.get("task", ""), NAME_MAX)
            self.tasks.append(Task(name=name, status=status, changed=result.get("changed") is True, msg=_message(result)))
        return False


def _message(result: dict[str, Any]) -> str:
    return cut(result.get("msg") or result.get("stderr") or result.get("stdout") or "")


def _run_playbook(job: Job, workspace: Workspace, events: _Events) -> int:
    """Run the playbook through ansible_runner.

    The run uses the runner's subprocess mode. Its default mode drives a pseudo-terminal, whose closing sleeps cost 50 to 160 ms
    and whose prompts we never answer. ``run()`` is not used: it replaces the process's signal handlers.

    Returns:
        The exit status of ansible-playbook.
    """
    from ansible_runner.config.runner import RunnerConfig
    from ansible_runner.runner import Runner

    config = RunnerConfig(
        private_data_dir=str(workspace.root),
        playbook=workspace.playbook.name,
        inventory="localhost,",
        cmdline=f"-e @{workspace.variables}" + (" --check" if job.check else ""),
        envvars=workspace.environment(),
        ident="run",
        fact_cache_type="memory",
        quiet=True,
    )
    config.prepare()
    config.runner_mode = "subprocess"
    with Path(os.devnull).open("rb") as nothing:
        config.input_fd = nothing.fileno()  # type: ignore[attr-defined]
        _status, rc = Runner(config, event_handler=events.handle, remove_partials=False).run()
    return _NO_STATUS if rc is None else rc


def _explain(rc: int, events: _Events, workspace: Workspace) -> str:
    """Return why a playbook failed: the failed task's message, else the end of what Ansible printed."""
    if rc == 0:
        return ""
    failed = [task for task in events.tasks if task.status in {"failed", "unreachable"}]
    if failed:
        return cut(f"task {failed[-1].name!r}: {failed[-1].msg}")
    printed = b"".join(_tail(workspace, name) for name in ("stdout", "stderr"))
    return cut(printed.decode(errors="replace").strip())


def _tail(workspace: Workspace, name: str) -> bytes:
    try:
        return (workspace.root / "artifacts" / "run" / name).read_bytes()[-_OUTPUT_TAIL_BYTES:]
    except OSError:
        return b""

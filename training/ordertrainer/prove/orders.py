"""How a repair is asked for: by `orderctl run`, as a person does, and once more of the executor itself.

Touches: orderctl in the host, and the executor's socket there. The first run goes the whole way: guard, journal, executor, scope,
playbook, verification. The second cannot, because the guard, rightly, starts no repair of what is in order.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable
from typing import Final

from orderd.domain.repairs import Repair
from orderd.errors import ExecutorError, RepairRefusedError
from orderd.executor.client import ExecutorClient
from orderd.executor.messages import Code, Finished, Mode, Outcome, RepairRequest
from ordertrainer.ground import DisposableHost

ORDERCTL: Final = "/opt/orderd/bin/orderctl"
EXECUTOR_SOCKET: Final = "run/orderd-exec/exec.sock"
WHY: Final = "proving the catalogue"
NOT_THE_CASE: Final = "not the case: "
"""How a module says that it looked, touched nothing, and is not what helps here."""


def run(host: DisposableHost, repair: str, target: str, pause: Callable[[], bool]) -> tuple[str, str]:
    """Have orderd run a repair, asking again while it says that it may not yet: a symptom takes a moment to be seen.

    Args:
        host: orderd is installed there.
        repair: its name.
        target: ``kind:key``.
        pause: waits a moment; returns False when the time is up.

    Returns:
        The id of the decision, empty when there is none; and what orderctl said last.
    """
    while True:
        done = host.exec([ORDERCTL, "run", repair, target, "--why", WHY, "--json"])
        if done.returncode == 0:
            return str(json.loads(done.stdout)["decisionId"]), ""
        said = " ".join((done.stderr or done.stdout).split())
        if not pause():
            return "", said


def run_again(host: DisposableHost, repair: Repair, target: str) -> str:
    """Run a repair once more on what it has repaired; return what it changed by its own word, empty when nothing."""
    request = RepairRequest(
        repair_id=f"prove-{secrets.token_hex(8)}",
        playbook=repair.name,
        target=target,
        deadline_s=repair.deadline_s,
        mode=Mode.APPLY,
    )
    client = ExecutorClient(str(host.proc_root / EXECUTOR_SOCKET))
    try:
        return changed(asyncio.run(client.repair(request)))
    except RepairRefusedError as refused:
        gone = refused.code == str(Code.TARGET_GONE)
        return "" if gone else f"the second run was refused: {refused}"
    except ExecutorError as error:
        return f"the second run did not end: {error}"


def changed(finished: Finished) -> str:
    """Return what a second run changed or why it failed, empty when it found nothing to do."""
    if finished.changed:
        return "the second run reported: " + ", ".join(task.name for task in finished.tasks if task.changed)
    looked_only = any(task.msg.startswith(NOT_THE_CASE) for task in finished.tasks) or NOT_THE_CASE in finished.detail
    if finished.outcome is Outcome.SUCCEEDED or looked_only:
        return ""
    return f"the second run {finished.outcome}: {finished.detail}"

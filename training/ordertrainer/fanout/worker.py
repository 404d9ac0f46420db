"""What happens to a task in a process of a cluster: is it the same code, do it, pack what came of it. Touches what it touches.

Nothing raises here: an exception's class may be unknown on the other side, words are not.
"""

import pickle
import socket
import traceback
from typing import Final

from ordertrainer.fanout.here import describe
from ordertrainer.fanout.sources import digest_here
from ordertrainer.fanout.task import Task

DONE: Final = "done"
FAILED: Final = "failed"
REFUSED: Final = "refused"

Answer = tuple[str, str, bytes]
"""How it ended; where and what was said, in one line; what was returned, or the trace."""


def carry_out(packed: bytes, asked: str) -> Answer:
    """Do a task.

    Args:
        packed: the task, pickled; not unpacked before it is certain that it means the same here.
        asked: digest of the driver's sources.
    """
    host = socket.gethostname()
    if digest_here() != asked:
        return REFUSED, f"worker on {host} runs other sources ({digest_here()[:12]}, here {asked[:12]}); install the same", b""
    refusals: tuple[type[Exception], ...] = ()
    try:
        task: Task[object] = pickle.loads(packed)  # noqa: S301  whoever may submit to a cluster may run anything there anyway
        refusals = task.refusals
        return DONE, host, pickle.dumps(task.work(lambda _share: None))
    except Exception as error:  # noqa: BLE001  the driver names it as this task's failure
        trace = "" if isinstance(error, refusals) else traceback.format_exc()
        return FAILED, f"{describe(error)} [on {host}]", trace.encode()

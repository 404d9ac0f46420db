"""The part of an experiment that lives on the host: arms the revert, watches the fault land, reverts. One JSON line per call.

Touches: everything its parts touch; see `arm`, `launch`, `witness`, `revert`. Runs on the host's own Python with the standard
library only, from /var/lib/orderd-chaos/EXPERIMENT, so that nothing of the injector has to be alive for the revert to happen.

    arm REQUEST            REQUEST is JSON; exit 3 when the host cannot have this fault, 4 when it is refused
    launch NAME [ARG...]   starts the program on stdin as a transient unit and names the process
    change                 breaks the files that the revert's steps name, as they name it
    watch                  the witness: notes when the fault was first seen in full
    landed SECONDS         waits for the witness at most that long
    stands                 tells whether the fault stands now, where that can be told
    guard                  reverts at once when SSH, orderd, the gateway or DNS stops working
    revert                 undoes what is still the fault's doing, then removes every trace of the experiment
"""

from __future__ import annotations

import json
import sys

import arm
import change
import guard
import launch
import revert
import stands
import witness
from failures import Refused, Void

COMMANDS = {
    "arm": arm.arm,
    "launch": launch.launch,
    "change": change.change,
    "watch": witness.watch,
    "landed": witness.landed,
    "stands": stands.stands,
    "guard": guard.guard,
    "revert": revert.revert,
}
EXIT_VOID = 3
EXIT_REFUSED = 4


def main(argv: list[str]) -> int:
    """Run one command and print its answer as one JSON line."""
    try:
        answer = COMMANDS[argv[0]](*argv[1:])
        code = 1 if "failed" in answer else 0
    except Void as reason:
        answer, code = {"void": str(reason)}, EXIT_VOID
    except Refused as reason:
        answer, code = {"refused": str(reason)}, EXIT_REFUSED
    sys.stdout.write(json.dumps(answer) + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

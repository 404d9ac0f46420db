"""Gives every thread of UNIT the nice value NICE: HOME UNIT NICE. Touches: their scheduling.

More than once, for those that are born meanwhile; whoever is born later inherits it.
"""

import os
import sys

sys.path.insert(0, sys.argv[1])

from machine import threads_of

ROUNDS = 3

for _ in range(ROUNDS):
    for thread in threads_of(sys.argv[2]):
        try:
            os.setpriority(os.PRIO_PROCESS, thread, int(sys.argv[3]))
        except ProcessLookupError:  # it has ended
            continue

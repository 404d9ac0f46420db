"""Keeps COUNT children alive, each for a second or two, for ever. Touches: the process table, at most COUNT entries of it."""

import gc
import os
import sys
import time

LIVES_S = [1.0 + tenth / 10 for tenth in range(16)]
RETRY_S = 0.05

gc.freeze()  # children that collect garbage would copy the parent's memory, and this is no fault of memory
count, alive = int(sys.argv[1]), 0
while True:
    while alive < count:
        life_s = LIVES_S[alive % len(LIVES_S)]
        try:
            if os.fork() == 0:
                time.sleep(life_s)
                os._exit(0)
        except OSError:  # no room for one more
            break
        alive += 1
        while alive and os.waitpid(-1, os.WNOHANG)[0]:
            alive -= 1
    time.sleep(RETRY_S)
    while alive and os.waitpid(-1, os.WNOHANG)[0]:
        alive -= 1

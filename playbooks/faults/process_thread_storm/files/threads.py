"""Makes COUNT threads that wait for ever. Touches: the process table, at most COUNT entries of it."""

import sys
import threading
import time

STACK_BYTES = 128 << 10
PAUSE_S = 0.005

threading.stack_size(STACK_BYTES)
for _ in range(int(sys.argv[1])):
    try:
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    except RuntimeError:  # no room for one more
        break
    time.sleep(PAUSE_S)
while True:
    time.sleep(60)

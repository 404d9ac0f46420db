"""Stops the main process of UNIT for SECONDS, lets it run for a moment, and again. Touches: that process."""

import os
import signal
import subprocess
import sys
import time

RUN_S = 0.02

unit, seconds = sys.argv[1], float(sys.argv[2])
while True:
    said = subprocess.run(
        ["systemctl", "show", "--value", "--property=MainPID", unit], capture_output=True, text=True, check=True
    )
    pid = int(said.stdout)
    try:
        while pid > 0:
            os.kill(pid, signal.SIGSTOP)
            time.sleep(seconds)
            os.kill(pid, signal.SIGCONT)
            time.sleep(RUN_S)
    except ProcessLookupError:  # it was restarted
        continue
    time.sleep(seconds)

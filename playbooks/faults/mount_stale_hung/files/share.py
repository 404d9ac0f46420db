"""Mounts a file system called NAME over PATH and never answers for it. Touches: /dev/fuse, PATH, what is run there from now on.

The kernel asks the server of a FUSE file system even for its first greeting, and everybody waits for the answer.
"""

import os
import subprocess
import sys
import time

name, path = sys.argv[1:]
server = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={server},rootmode=40000,user_id=0,group_id=0,allow_other"
argv = ["mount", "--internal-only", "--no-canonicalize", "--types", "fuse", "--options", options, name, path]
subprocess.run(argv, pass_fds=[server], check=True)
while True:
    time.sleep(60)

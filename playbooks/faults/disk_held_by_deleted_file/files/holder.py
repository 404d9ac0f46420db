"""Makes FILE, deletes it, writes to it until SHARE of its file system is used, and keeps it open.

Touches: FILE, and that share of the space of its file system.
"""

import os
import sys
import time

BLOCK = b"scratch " * 8192

path, share = sys.argv[1], float(sys.argv[2])
file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
os.unlink(path)
while True:
    volume = os.fstatvfs(file)
    if volume.f_blocks - volume.f_bavail >= share * volume.f_blocks:
        break
    os.write(file, BLOCK)
while True:
    time.sleep(60)

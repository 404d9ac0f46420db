"""Takes all available memory and SHARE of the free swap, and writes to all of it in turn. Touches: memory and swap, for real."""

import sys
from pathlib import Path

STEP_BYTES = 16 << 20
PAGE_BYTES = 4096

lines = (line.split() for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines())
kib = {words[0]: int(words[1]) for words in lines}
wanted = (kib["MemAvailable:"] + kib["SwapFree:"] * float(sys.argv[1])) * 1024
held = []
while len(held) * STEP_BYTES < wanted:
    held.append(bytearray(b"\xa5") * STEP_BYTES)
while True:
    for block in held:
        for page in range(0, STEP_BYTES, PAGE_BYTES):
            block[page] ^= 0xFF

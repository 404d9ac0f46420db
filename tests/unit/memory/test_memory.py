"""Which mappings may be dropped."""

from orderd.memory import clean_mappings

SMAPS = """\
1000-2000 r-xp 00000000 08:01 42 /usr/lib/text.so
Rss:                   4 kB
Anonymous:             0 kB
2000-3000 r--p 00001000 08:01 42 /usr/lib/relocated.so
Anonymous:             4 kB
3000-4000 rw-p 00002000 08:01 42 /usr/lib/data.so
Anonymous:             0 kB
4000-5000 r--p 00000000 00:00 0
Anonymous:             0 kB
5000-6000 r--p 00000000 08:01 43 /usr/lib/rodata.so
Anonymous:             0 kB
6000-7000 r--s 00000000 08:01 44 /usr/share/shared
Anonymous:             0 kB
"""


def test_only_clean_private_file_pages_may_be_dropped():
    """Text and constants yes; relocated, writable, anonymous and shared memory never."""
    assert list(clean_mappings(SMAPS)) == [(0x1000, 0x2000), (0x5000, 0x6000)]

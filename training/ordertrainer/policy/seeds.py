"""One seed for all, and a seed for each use of it. Pure."""

import hashlib


def seed_of(*what: int | str) -> int:
    """Return a seed for one use: equal uses have equal seeds, and others have nothing to do with each other."""
    return int.from_bytes(hashlib.sha256("/".join(map(str, what)).encode()).digest()[:6])

"""An order model against chaos that evolves: it is drilled as a host would have it, and taught what it met.

Depends on `imitation`, which trains it, on `evolve`, whose chaos it meets, and on `sim`. Nothing depends on this room.
"""

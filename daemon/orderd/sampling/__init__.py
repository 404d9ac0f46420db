"""The senses of orderd: host signals and one row per entity, as a Sample. Reads /proc, /sys, D-Bus; asks services on loopback.

The only room that imports psutil. One collector a file; ``Sampler`` puts them together; ``known_good.capture`` records the state
that drop-ins are compared with.
"""

from orderd.sampling.sampler import Sampler

__all__ = ["Sampler"]

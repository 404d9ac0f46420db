"""Simulated hosts as windows of orderd itself, so that its own code judges them. Pure; imports torch.

Axes: N host, E slot, S slot of the window, F entity signal, H host signal.
"""

from array import array

import torch

from orderd.domain.clock import Instant
from orderd.domain.values import EntityRow, Sample
from orderd.domain.window import Window
from ordertrainer.sim.layout import Layout
from ordertrainer.sim.signals import Observation

_FIRST_NS = 1_000_000_000_000


def slots_of(seen: Observation, host: int) -> list[int]:
    """Return the slots in which something is, in the order of the window's entities."""
    return seen.present[host].nonzero()[:, 0].tolist()


def window_of(seen: Observation, host: int, layout: Layout, at_s: float = 0.0) -> Window:
    """Return what orderd would have in hand on one host.

    Args:
        seen: of N hosts.
        host: which.
        layout: slots of a host.
        at_s: second of its episode.
    """
    slots = slots_of(seen, host)
    rows = seen.rows[host, slots].to("cpu", torch.float32).contiguous()
    whole = seen.host[host].to("cpu", torch.float32).contiguous()
    at = Instant(mono_ns=_FIRST_NS + int(at_s * 1e9), utc_ns=_FIRST_NS)
    entities = tuple(layout.entity(slot) for slot in slots)
    newest = tuple(
        EntityRow(entity=entity, values=tuple(values)) for entity, values in zip(entities, rows[:, 0].tolist(), strict=True)
    )
    return Window(
        at=at,
        entities=entities,
        kinds=array("q", seen.kind[host, slots].tolist()),
        host=array("f", whole.numpy().tobytes()),
        rows=array("f", rows.numpy().tobytes()),
        newest=Sample(at=at, cause="timer", host=tuple(whole[0].tolist()), entities=newest),
    )

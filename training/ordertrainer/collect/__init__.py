"""Collect: breaks disposable hosts under observation and writes down what was true of them when.

orderd only observes there and sends what it measures; an independent prober says when a fault landed and when the host is
steady again; both meet in a data directory (`ordertrainer.dataset`). No torch.
"""

from ordertrainer.collect.errors import CollectError
from ordertrainer.collect.fleet import Summary, Wanted, collect

__all__ = ["CollectError", "Summary", "Wanted", "collect"]

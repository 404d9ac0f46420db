"""The decision journal: what orderd decided, durable before anything is touched. Reads and writes one SQLite file.

``Journal`` is the only writer; ``JournalReader`` reads the same file from another thread or process. ``DecisionHub`` tells
watchers of changes.
"""

from orderd.record.hub import DecisionHub
from orderd.record.ids import DecisionIds
from orderd.record.journal import Journal
from orderd.record.kept import KeptState
from orderd.record.reader import JournalReader

__all__ = ["DecisionHub", "DecisionIds", "Journal", "JournalReader", "KeptState"]

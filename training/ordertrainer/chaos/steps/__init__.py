"""The vocabulary of contracts: what a landed fault looks like, and the steps that undo it. Pure.

Every kind here has its counterpart, in a file of the same name, in playbooks/faults/common/host (`sights/`, `undo/`), which
carries it out; a contract test holds the two lists together. Texts may hold `{target}`, `{intensity}` and the contract's own
parameters.
"""

from __future__ import annotations

from ordertrainer.chaos.steps import files, mounts, network, processes, system, units, upkeep
from ordertrainer.chaos.steps.base import Seconds, Strict, Text

Sight = processes.SIGHTS | units.SIGHTS | files.SIGHTS | mounts.SIGHTS | network.SIGHTS | system.SIGHTS | upkeep.SIGHTS
Undo = files.UNDOS | mounts.UNDOS | network.UNDOS | units.UNDOS | system.UNDOS | processes.UNDOS | upkeep.UNDOS

__all__ = ["Seconds", "Sight", "Strict", "Text", "Undo"]

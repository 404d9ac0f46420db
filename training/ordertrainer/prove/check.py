"""Checks a whole catalogue without a host: every contract, and that faults and repairs agree. Reads the catalogue's folders.

One complaint is one line: file, key, value and what is allowed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ordertrainer.chaos import FaultContract
from ordertrainer.prove.matrix import unnamed
from ordertrainer.prove.plan import Shelf

NEEDS_FILE: Final = Path("common", "host", "needs.py")
CHECKS: Final = "CHECKS"


def complaints(shelf: Shelf) -> list[str]:
    """Return everything that is wrong with a catalogue; empty when it is in order."""
    faults = shelf.faults
    found = [*faults.refused.values(), *shelf.repairs.refused.values()]
    needs = known_needs(faults.directory)
    for name, contract in faults.faults.items():
        file = faults.directory / name / "contract.yml"
        found += [f"{file}: {complaint}" for complaint in _of_fault(shelf, contract, needs)]
    for name in unnamed(shelf):
        file = shelf.repairs.directory / name / "contract.yml"
        found.append(f"{file}: name = {name!r}; allowed: a repair that a fault names among its cures, so that it can be proven")
    return found


def _of_fault(shelf: Shelf, contract: FaultContract, needs: frozenset[str]) -> Iterator[str]:
    for cure in contract.cures:
        if cure in shelf.repairs.refused:
            yield f"cures = {cure!r}; allowed: a repair whose own contract is valid"
            continue
        repair = shelf.repairs.repairs.get(cure)
        if repair is None:
            yield f"cures = {cure!r}; allowed: a repair of the catalogue: {', '.join(sorted(shelf.repairs.repairs))}"
            continue
        if contract.failure not in repair.repairs:
            yield f"cures = {cure!r}; allowed: a repair of {contract.failure}; this one repairs {', '.join(repair.repairs)}"
        if contract.target is not repair.target:
            yield f"cures = {cure!r}; allowed: a repair of a {contract.target}; this one takes a {repair.target}"
    for need in contract.needs:
        if needs and need not in needs:
            yield f"needs = {need!r}; allowed: {', '.join(sorted(needs))}"


def known_needs(directory: Path) -> frozenset[str]:
    """Return the needs that the host's part can check, read without running it; empty when they cannot be told."""
    try:
        module = ast.parse((directory / NEEDS_FILE).read_text(encoding="utf-8"))
    except (OSError, SyntaxError):
        return frozenset()
    for node in module.body:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        named = any(isinstance(target, ast.Name) and target.id == CHECKS for target in targets)
        if named and isinstance(node.value, ast.Dict) and all(isinstance(key, ast.Constant) for key in node.value.keys):
            return frozenset(str(key.value) for key in node.value.keys if isinstance(key, ast.Constant))
    return frozenset()

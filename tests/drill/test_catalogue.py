"""Faults of the catalogue, once each, on two hosts at the same time: they land, they are undone, nothing of them is left.

Driven by the catalogue: a fault that is added is tested without a line here. `make test` takes the three of the founding idea and
every tenth of the others; `make prove` proves all of them, and every cure. What the hosts lack is named and skipped.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ordertrainer.ground import Ground, missing_packages, names, unwinding
from ordertrainer.prove.plan import Shelf, Wanted, items
from ordertrainer.prove.result import Keeper
from ordertrainer.prove.run import prove_all

pytestmark = [
    pytest.mark.drill,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(bool(missing_packages()), reason=f"needs {' '.join(missing_packages())}"),
]
SHELF = Shelf.load(Path(__file__).parents[2] / "playbooks")
HOSTS = 2
FOUNDING = ("service_stop", "net_egress_saturated", "disk_death")
NAMES = sorted({*FOUNDING, *sorted(SHELF.faults.faults)[::10]})


class Silent:
    """Progress that nobody listens to: each fault is a test of its own."""

    def step(self, _text):
        return

    def phase(self, *_):
        return

    def done(self, *_):
        return


@pytest.fixture(scope="module")
def proofs(tmp_path_factory):
    """What came of every fault; its name leads to it."""
    keeper = Keeper(tmp_path_factory.mktemp("proofs") / "catalogue.json")
    before = names(Ground())
    chosen = items(SHELF, Wanted(faults=NAMES, cures=False))
    with unwinding():
        prove_all(chosen, keeper, Silent(), faults_dir=SHELF.faults.directory, parallel=HOSTS, bare=True)
    assert names(Ground()) == before
    return {proof.name: proof for proof in keeper.proofs.faults}


@pytest.mark.parametrize("name", NAMES)
def test_the_fault_lands_and_is_undone_and_leaves_nothing(proofs, name):
    """Steady, injected, seen by the witness, reverted, and the inventory is what it was."""
    proof = proofs[name]
    if proof.skipped:
        assert SHELF.faults.faults[name].needs, f"void, and the contract names no need: {proof.skipped}"
        pytest.skip(proof.skipped)
    assert proof.proven, f"{proof.why} {proof.residue}"

"""The file of proofs: its shape, its resuming, and that it is never half written."""

import json
import os

import pytest

from ordertrainer.prove.cli import digests
from ordertrainer.prove.errors import ProveError
from ordertrainer.prove.plan import Wanted, items
from ordertrainer.prove.result import CureProof, FaultProof, Keeper, repair_proof

GOOD = {"landed": True, "reverted": True}


def test_the_file_has_the_shape_that_was_agreed(tmp_path):
    """Faults with name, landed, reverted, residue, skipped; repairs with name, proven_on, idempotent, collateral."""
    keeper = Keeper(tmp_path / "out" / "catalogue.json")
    keeper.add(FaultProof(name="stop", **GOOD), None)
    keeper.add(CureProof(fault="stop", cured=True, idempotent=True), "start")
    written = json.loads((tmp_path / "out" / "catalogue.json").read_bytes())
    assert set(written) == {"faults", "repairs"}
    assert {"name", "landed", "reverted", "residue", "skipped"} <= set(written["faults"][0])
    assert {"name", "proven_on", "idempotent", "collateral"} <= set(written["repairs"][0])
    assert written["faults"][0] | {"name": "stop", "landed": True, "reverted": True, "residue": []} == written["faults"][0]
    assert written["repairs"][0] | {"proven_on": ["stop"], "idempotent": True, "collateral": []} == written["repairs"][0]


def test_what_is_proven_is_known_after_a_restart(tmp_path):
    """Another run reads what the first one proved, and that only."""
    file = tmp_path / "catalogue.json"
    first = Keeper(file)
    first.add(FaultProof(name="stop", **GOOD), None)
    first.add(FaultProof(name="kill", landed=True, reverted=True, residue=["/etc/x appeared"]), None)
    first.add(FaultProof(name="swap", skipped="no swap here"), None)
    first.add(CureProof(fault="stop", cured=True), "start")
    second = Keeper(file)
    assert [second.proven(*item) for item in (("stop", None), ("kill", None), ("swap", None), ("hang", None))] == [True] + 3 * [
        False
    ]
    assert second.proven("stop", "start")
    assert not second.proven("kill", "start")


def test_a_proof_of_other_bytes_is_forgotten(folder, tmp_path):
    """A playbook that has changed, or is gone, is not proven any more; the rest stays."""
    keeper = Keeper(tmp_path / "catalogue.json")
    for item in items(folder.shelf, Wanted()):
        proof = FaultProof(name=item.fault.name, digest=item.digest, **GOOD)
        if item.repair:
            proof = CureProof(fault=item.fault.name, cured=True, digest=item.digest)
        keeper.add(proof, item.repair.name if item.repair else None)
    (folder.root / "repairs" / "start" / "repair.yml").write_text("[1]\n")
    keeper.forget(digests(folder.shelf))
    left = [
        item.name
        for item in items(folder.shelf, Wanted())
        if not keeper.proven(item.fault.name, item.repair and item.repair.name)
    ]
    assert left == ["kill -> start", "stop -> start"]
    assert [repair.name for repair in keeper.proofs.repairs] == ["restart"]


def test_an_interrupted_write_leaves_the_proofs_there_were(tmp_path, monkeypatch):
    """When the disk fails in the middle of writing, the file still holds all of the earlier proofs."""
    file = tmp_path / "catalogue.json"
    keeper = Keeper(file)
    keeper.add(FaultProof(name="stop", **GOOD), None)
    before = file.read_bytes()

    def fails(_descriptor):
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="no space"):
        keeper.add(FaultProof(name="kill", **GOOD), None)
    assert file.read_bytes() == before


def test_a_file_that_holds_something_else_is_not_overwritten(tmp_path):
    """A mistaken --out is refused, and the file is as it was."""
    file = tmp_path / "catalogue.json"
    file.write_text('{"faults": "yes"}')
    with pytest.raises(ProveError, match="remove it, or name another file"):
        Keeper(file)
    assert file.read_text() == '{"faults": "yes"}'


def test_a_reader_sees_all_of_the_old_or_all_of_the_new(tmp_path):
    """The file is never written over: who opened it before still reads what there was."""
    file = tmp_path / "catalogue.json"
    keeper = Keeper(file)
    keeper.add(FaultProof(name="stop", **GOOD), None)
    before = file.read_bytes()
    with file.open("rb") as reader:
        keeper.add(FaultProof(name="kill", **GOOD), None)
        assert reader.read() == before
    assert [proof.name for proof in Keeper(file).proofs.faults] == ["kill", "stop"]


@pytest.mark.parametrize(
    ("proofs", "proven", "idempotent"),
    [
        ([CureProof(fault="a", cured=True, idempotent=True), CureProof(fault="b", cured=True, idempotent=True)], True, True),
        ([CureProof(fault="a", cured=True, idempotent=True), CureProof(fault="b", why="not healthy")], False, False),
        ([CureProof(fault="a", cured=True), CureProof(fault="b", skipped="no swap")], True, False),
        ([CureProof(fault="b", skipped="no swap")], False, False),
    ],
)
def test_a_repair_is_proven_by_all_that_it_was_tried_on(proofs, proven, idempotent):
    """One fault that it does not cure and it is not proven; what was skipped counts neither way."""
    whole = repair_proof("start", proofs)
    assert (whole.proven, whole.idempotent) == (proven, idempotent)
    assert bool(whole.skipped) == all(proof.skipped for proof in proofs)


@pytest.mark.parametrize(
    "missing", [{"landed": False}, {"reverted": False}, {"residue": ["/etc/x appeared"]}, {"why": "too late"}], ids=str
)
def test_a_fault_is_proven_only_in_full(missing):
    """It landed, it was reverted, nothing is left and nothing went wrong: all of it."""
    assert FaultProof(name="stop", **GOOD).proven
    assert not FaultProof(**({"name": "stop"} | GOOD | missing)).proven

"""Contracts that do not fit together are named by file, key, value and what is allowed."""

import pytest

from ordertrainer.prove.check import complaints, known_needs


def test_a_catalogue_in_order_has_no_complaints(folder):
    """Every repair is somebody's cure, every need has a check."""
    assert complaints(folder.shelf) == []


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"cures": ["nowhere"]}, "cures = 'nowhere'; allowed: a repair of the catalogue: restart, start"),
        ({"needs": ["magic"]}, "needs = 'magic'; allowed: orderctl, swap"),
    ],
)
def test_what_a_fault_names_has_to_be_there(folder, fault, words):
    """A cure or a need that does not exist is refused with the file that names it."""
    made = folder.fault("hang", **fault)
    assert complaints(folder.shelf) == [f"{made / 'contract.yml'}: {words}"]


def test_a_cure_has_to_repair_what_is_broken(folder):
    """A repair of another failure, or of another kind of thing, cures nothing here."""
    made = folder.root / "faults" / "stop" / "contract.yml"
    made.write_text(made.read_text().replace("failure: service_down", "failure: service_hung"))
    assert complaints(folder.shelf) == [
        f"{made}: cures = 'start'; allowed: a repair of service_hung; this one repairs service_down",
        f"{made}: cures = 'restart'; allowed: a repair of service_hung; this one repairs service_down",
    ]


def test_a_refused_contract_and_an_unused_repair_are_complaints(folder):
    """The words of the contract's own check, and the repair that nothing proves."""
    (folder.fault("hang") / "contract.yml").write_text("name: hang\nnonsense: 1\n")
    unused = folder.repair("unused")
    first, second = complaints(folder.shelf)
    assert "hang/contract.yml" in first
    assert "nonsense" in first
    assert second.startswith(f"{unused / 'contract.yml'}: name = 'unused'")


def test_needs_that_cannot_be_read_are_not_judged(folder):
    """Where the list of checks is computed, nothing is refused by guessing."""
    (folder.root / "faults" / "common" / "host" / "needs.py").write_text("CHECKS = {**A, 'b': 1}\n")
    folder.fault("hang", needs=["magic"])
    assert known_needs(folder.root / "faults") == frozenset()
    assert complaints(folder.shelf) == []

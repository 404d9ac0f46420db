"""What there is to prove follows from the catalogue and from what is asked for."""

import pytest

from ordertrainer.prove.errors import ProveError
from ordertrainer.prove.plan import Wanted, items


def named(shelf, **wanted):
    return [item.name for item in items(shelf, Wanted(**wanted))]


def test_every_fault_and_every_cure_is_an_item(folder):
    """Each fault alone first, then each repair on each fault that names it."""
    assert named(folder.shelf) == ["kill", "stop", "kill -> start", "stop -> start", "stop -> restart"]


def test_a_fault_that_is_added_is_proven_without_more(folder):
    """A new folder is a new item."""
    folder.fault("hang", cures=["restart"])
    assert {"hang", "hang -> restart"} <= set(named(folder.shelf))


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"faults": ["stop"]}, ["stop", "stop -> start", "stop -> restart"]),
        ({"repairs": ["start"]}, ["kill -> start", "stop -> start"]),
        ({"faults": ["stop"], "repairs": ["start"]}, ["stop -> start"]),
        ({"cures": False}, ["kill", "stop"]),
    ],
)
def test_what_is_asked_for_is_what_is_proven(folder, wanted, expected):
    """A fault brings its cures, a repair the faults it cures."""
    assert named(folder.shelf, **wanted) == expected


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"faults": ["nope"]}, r"there is no fault 'nope'; there are: kill, stop"),
        ({"repairs": ["nope"]}, r"there is no repair 'nope'; there are: restart, start"),
        ({"repairs": ["unused"]}, r"unused: no fault names it among its `cures`"),
    ],
)
def test_what_is_unknown_is_named(folder, wanted, words):
    """A name that is not in the catalogue is refused with what there is."""
    if "unused" in wanted.get("repairs", ()):
        folder.repair("unused")
    with pytest.raises(ProveError, match=words):
        items(folder.shelf, Wanted(**wanted))


def test_a_broken_contract_that_is_asked_for_says_what_is_wrong(folder):
    """The refusal of the contract itself is the answer."""
    (folder.root / "faults" / "stop" / "contract.yml").write_text("name: stop\nnonsense: 1\n")
    with pytest.raises(ProveError, match=r"fault 'stop' cannot be proven: .*nonsense"):
        items(folder.shelf, Wanted(faults=["stop"]))


def test_the_same_seed_draws_the_same_whatever_else_is_there(folder):
    """A fault more or less changes no other fault's target."""
    before = {item.name: item.experiment for item in items(folder.shelf, Wanted())}
    folder.fault("another")
    after = {item.name: item.experiment for item in items(folder.shelf, Wanted())}
    assert {name: after[name] for name in before} == before


def test_a_proof_is_one_of_the_bytes_it_depends_on(folder):
    """The digest of a cure changes with the fault, the repair and what they share; that of a fault not with the repair."""

    def digests():
        return {item.name: item.digest for item in items(folder.shelf, Wanted())}

    first = digests()
    (folder.root / "repairs" / "start" / "repair.yml").write_text("[1]\n")
    second = digests()
    assert {name for name in first if first[name] != second[name]} == {"kill -> start", "stop -> start"}
    (folder.root / "faults" / "stop" / "inject.yml").write_text("[1]\n")
    third = digests()
    assert {name for name in first if second[name] != third[name]} == {"stop", "stop -> start", "stop -> restart"}
    (folder.root / "faults" / "common" / "host" / "needs.py").write_text("CHECKS = {}\n")
    assert not set(third.values()) & set(digests().values())


def test_only_cures_and_what_speaks_to_orderd_need_it(folder):
    """A bare host is enough for all other faults."""
    folder.fault("announced", needs=["orderctl"])
    needing = [item.name for item in items(folder.shelf, Wanted()) if item.needs_orderd]
    assert needing == ["announced", "kill -> start", "stop -> start", "stop -> restart"]

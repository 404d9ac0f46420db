import pytest

from ordertrainer.ground.errors import GroundError
from ordertrainer.ground.hosts import free_index
from ordertrainer.ground.ledger import Ledger, Record
from ordertrainer.ground.paths import LEDGER, Ground


@pytest.fixture
def ground(tmp_path):
    """A ground on which the hosts 1 and 3 are up."""
    ground = Ground(state_dir=tmp_path / "state", run_dir=tmp_path / "run")
    for index in (1, 3):
        directory = ground.host_dir(f"h{index}")
        directory.mkdir(parents=True)
        Ledger(directory / LEDGER, Record(name=directory.name, owner=None, index=index)).save()
    return ground


def test_the_lowest_free_index_is_given(ground):
    """An index no host holds is found in the gap between two that are held."""
    assert free_index(ground) == 2


@pytest.mark.parametrize(("wanted", "said"), [(3, "is taken"), (0, "want 1 to 250"), (251, "want 1 to 250")])
def test_an_index_that_cannot_be_had_is_refused(ground, wanted, said):
    """A taken index and one outside 1 to 250 are refused with the reason."""
    with pytest.raises(GroundError, match=said):
        free_index(ground, wanted=wanted)


@pytest.mark.parametrize("name", ["", "../x", "A", "1a", "a/b", "a" * 33, "a\n", ".new-1"])
def test_a_name_that_could_leave_its_directory_is_refused(ground, name):
    """Only a short name of lower-case letters, digits and hyphens becomes a path."""
    with pytest.raises(GroundError, match="host name"):
        ground.host_dir(name)

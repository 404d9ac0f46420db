"""What rooms of the trainer share: the catalogue of this tree and the locked split, read once."""

import pytest


@pytest.fixture(scope="session")
def playbooks():
    """Return the catalogue of this tree."""
    from ordertrainer.policy.playbooks import load_playbooks

    return load_playbooks()


@pytest.fixture(scope="session")
def held():
    """Return the locked split."""
    from ordertrainer import heldout

    return heldout.load()

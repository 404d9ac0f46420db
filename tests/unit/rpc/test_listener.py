"""The public socket."""

import socket
import stat

import pytest

from orderd.errors import ConfigError
from orderd.rpc import listener


@pytest.fixture
def path(tmp_path):
    """Return where the socket will be."""
    return tmp_path / "o.sock"


def test_the_socket_is_for_user_and_group(path):
    """Mode 0660 from the moment it exists."""
    bound = listener.bind(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    bound.close()


def test_a_left_over_socket_is_replaced(path):
    """A socket nobody listens on is taken over."""
    listener.bind(path).close()
    listener.bind(path).close()


def test_the_socket_of_a_living_daemon_is_left_alone(path):
    """A socket that answers is refused with a remedy, and goes on answering."""
    living = listener.bind(path)
    living.listen()
    with pytest.raises(ConfigError, match="another orderd"):
        listener.bind(path)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    living.close()


def test_a_file_in_its_place_is_left_alone(path):
    """Something that is no socket is neither removed nor opened."""
    path.write_text("mine")
    with pytest.raises(ConfigError, match="no socket"):
        listener.bind(path)
    assert path.read_text() == "mine"


def test_a_missing_folder_is_named(tmp_path):
    """The message names the folder and who makes it."""
    with pytest.raises(ConfigError, match="RuntimeDirectory"):
        listener.bind(tmp_path / "none" / "o.sock")


def test_the_private_folder_is_fresh_and_closed_to_others(path):
    """Mode 0700, and nothing of an earlier run in it."""
    folder = listener.private_folder(path)
    (folder / "old").touch()
    assert list(listener.private_folder(path).iterdir()) == []
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700

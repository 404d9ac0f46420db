"""How a cluster is named, and what is said where there is none."""

import builtins
import socket
import sys

import pytest

from ordertrainer.fanout import AddressError, Task, fan_out
from ordertrainer.fanout.addresses import check


@pytest.fixture
def listening():
    """Return the port of somebody who takes connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("form", ["127.0.0.1:{}", "ray://127.0.0.1:{}", "localhost:{}"])
def test_an_address_where_somebody_listens_is_taken(form, listening):
    """In every form that names a place."""
    check(form.format(listening))


@pytest.mark.parametrize("name", ["local", "auto"])
def test_names_without_a_place_are_taken(name):
    """Ray finds these itself."""
    check(name)


@pytest.mark.parametrize(
    "name", ["", "head", "127.0.0.1", "http://127.0.0.1:8265", "127.0.0.1:0", "127.0.0.1:70000", "ray://:10001", "a b:1"]
)
def test_what_is_no_address_is_refused_with_the_forms_there_are(name):
    """Before anything is tried."""
    with pytest.raises(AddressError, match=r"no address of a Ray cluster; one of: local, auto, HOST:PORT or ray://HOST:PORT"):
        check(name)


def test_where_nobody_listens_is_said_at_once():
    """With the address, why, and what to do; Ray itself tries for minutes."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(AddressError, match=rf"--ray ray://127\.0\.0\.1:{port}: nothing answers there .*; `ray start --head`"):
        check(f"ray://127.0.0.1:{port}")


def test_without_ray_it_is_said_what_to_install(monkeypatch):
    """And nothing was tried in this process instead: results would be the same, the hours would not."""
    real = builtins.__import__

    def no_ray(name, *rest):
        if name.partition(".")[0] == "ray":
            raise ModuleNotFoundError(f"No module named {name!r}", name="ray")
        return real(name, *rest)

    monkeypatch.delitem(sys.modules, "ordertrainer.fanout.cluster", raising=False)
    monkeypatch.setattr(builtins, "__import__", no_ray)
    done = []
    with pytest.raises(AddressError, match=r"needs the package ray: pip install -c constraints.txt '\.\[ray\]'"):
        fan_out([Task(name="it", seed=0, work=done.append)], address="local")
    assert not done

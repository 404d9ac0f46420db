"""The warm process that runs playbooks: data stays data, signals stay the caller's, time-outs end."""

from __future__ import annotations

import signal
import threading
import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ordertrainer.chaos import PlaybookError
from ordertrainer.chaos.playbook_worker import as_data
from ordertrainer.chaos.playbooks import Playbooks, Request

INVENTORY = "all: {hosts: {here: {ansible_connection: local, ansible_python_interpreter: /usr/bin/python3}}}\n"


class _Loader(yaml.SafeLoader):
    """Reads a mapping that is `!unsafe` as a whole."""


_Loader.add_constructor("!unsafe", lambda loader, node: ("data", loader.construct_mapping(node, deep=True)))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="ascii")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), VALUES, max_size=4))
def test_every_text_reaches_the_playbook_tagged_as_data(variables):
    """Whatever the variables are, they are tagged as a whole and none is changed."""
    assert yaml.load(as_data(variables), Loader=_Loader) == ("data", variables)


@pytest.mark.parametrize("text", ["0600", "", "yes", "15", "null", "2026-01-01", "1e3", "~"])
def test_a_text_that_looks_like_something_else_stays_a_text(text):
    """Ansible's own loader reads the mode of a file as the text that it is."""
    from ansible.parsing.dataloader import DataLoader  # not before torch is loaded: see tests/conftest.py

    data = DataLoader().load(as_data({"chaos": {"texts": [text]}}))
    assert data == {"chaos": {"texts": [text]}}


@pytest.fixture(scope="module")
def playbooks():
    """One warm process for the module."""
    with Playbooks() as warm:
        yield warm


@pytest.fixture
def ask(tmp_path):
    """Make a request for a playbook of one command, run on this machine."""

    def make(argv, variables=None, timeout_s=30.0):
        (tmp_path / "inventory.yml").write_text(INVENTORY)
        tasks = [{"name": "Do it", "ansible.builtin.command": {"argv": argv}}]
        (tmp_path / "play.yml").write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
        files = {"playbook": str(tmp_path / "play.yml"), "inventory": str(tmp_path / "inventory.yml")}
        return Request(**files, work_dir=str(tmp_path), variables=variables or {}, timeout_s=timeout_s)

    return make


def test_a_template_in_a_variable_is_not_executed(playbooks, ask):
    """A value that looks like a template arrives as it was written."""
    hostile = "{{ lookup('pipe', 'touch /tmp/never') }}"
    result = playbooks.run(ask(["/bin/echo", "{{ chaos.target }}"], {"chaos": {"target": hostile}}))
    assert result.ok, result.why()
    assert result.tasks[0].stdout == hostile


def test_a_failing_task_says_why(playbooks, ask):
    """The result of a failed playbook names the task and what it said."""
    result = playbooks.run(ask(["/bin/sh", "-c", "echo no room >&2; exit 3"]))
    assert not result.ok
    assert "Do it on here" in result.why()
    assert "no room" in result.why()


def test_the_callers_signal_handlers_are_its_own(playbooks, ask):
    """Running a playbook leaves SIGINT and SIGTERM of the calling process alone, from any thread."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    results = []
    thread = threading.Thread(target=lambda: results.append(playbooks.run(ask(["/bin/true"]))))
    thread.start()
    thread.join()
    assert results[0].ok
    assert playbooks.run(ask(["/bin/true"])).ok
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_run_leaves_no_files_behind(playbooks, ask, tmp_path):
    """A run's private directory is gone when it ends."""
    playbooks.run(ask(["/bin/true"]))
    assert {path.name for path in tmp_path.iterdir()} == {"inventory.yml", "play.yml"}


def test_a_playbook_that_hangs_is_cancelled(playbooks, ask):
    """The time limit ends a run, and the process serves the next one."""
    began = time.monotonic()
    assert playbooks.run(ask(["/bin/sleep", "60"], timeout_s=2)).status == "timeout"
    assert time.monotonic() - began < 15
    assert playbooks.run(ask(["/bin/true"])).ok


def test_a_process_that_died_is_an_error_and_is_replaced(playbooks, ask):
    """When the process is killed in mid-run its caller hears of it, and the next run has a new one."""
    assert playbooks.run(ask(["/bin/true"])).ok
    killer = threading.Timer(0.5, playbooks._process.kill)
    killer.start()
    with pytest.raises(PlaybookError, match="ended with -9"):
        playbooks.run(ask(["/bin/sleep", "5"]))
    assert playbooks.run(ask(["/bin/true"])).ok

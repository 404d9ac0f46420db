"""Experiments: drawn from a seed, checked against the contract, handed over with every brace filled in."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordertrainer.chaos import RequestError, draw, load_faults
from ordertrainer.chaos.contract import PLACEHOLDER
from ordertrainer.chaos.experiment import Experiment, check, variables

FAULTS = load_faults(Path(__file__).parents[3] / "playbooks" / "faults").faults
NAMES = sorted(FAULTS)


@given(seed=st.integers(0, 2**32), name=st.sampled_from(NAMES))
def test_the_same_seed_draws_the_same_experiment(seed, name):
    """An experiment can be drawn again from its seed."""
    assert draw(random.Random(seed), FAULTS[name]) == draw(random.Random(seed), FAULTS[name])


@given(seed=st.integers(0, 2**32), name=st.sampled_from(NAMES), low=st.floats(0, 1), high=st.floats(0, 1))
def test_whatever_is_drawn_is_allowed_by_the_contract(seed, name, low, high):
    """Every draw, from every part of the range, passes the check that injection applies."""
    contract = FAULTS[name]
    check(draw(random.Random(seed), contract, intensity_range=(min(low, high), max(low, high))), contract)


@given(seed=st.integers(0, 2**32))
def test_intensities_stay_in_the_part_of_the_range_that_was_asked_for(seed):
    """Training and testing can draw from parts of the range that do not overlap."""
    experiment = draw(random.Random(seed), FAULTS["disk_fill"], intensity_range=(0.4, 0.8))
    assert 52 <= experiment.intensity <= 84


@given(seed=st.integers(0, 2**32))
def test_a_draw_asks_its_generator_once(seed):
    """What one fault draws does not change what the next one draws."""
    one, other = random.Random(seed), random.Random(seed)
    draw(one, FAULTS["service_kill"])
    draw(other, FAULTS["dns_wrong_server"])
    assert one.random() == other.random()


FOREIGN = [
    {"target": "sshd.service"},
    {"target": "nginx.service\n"},
    {"intensity": 1e9},
    {"intensity": float("nan")},
    {"id": "../../etc"},
    {"parameters": {}},
    {"parameters": {"name": "metrics-agent", "more": 1}},
    {"parameters": {"name": "{{ lookup('pipe', 'id') }}"}},
    {"parameters": {"name": 7}},
]


@pytest.mark.parametrize("change", FOREIGN, ids=str)
def test_what_could_not_have_been_drawn_is_refused(change):
    """An experiment from elsewhere gets no further than its contract: targets, bounds and parameters are checked again."""
    contract = FAULTS["disk_fill"]
    experiment = msgspec.structs.replace(draw(random.Random(1), contract), **change)
    with pytest.raises(RequestError):
        check(experiment, contract)


def test_an_unknown_field_in_a_request_is_refused():
    """A request from a file with a field nobody knows is refused when it is read."""
    text = msgspec.json.encode(draw(random.Random(1), FAULTS["disk_fill"]))
    with pytest.raises(msgspec.ValidationError, match="force"):
        msgspec.json.decode(text[:-1] + b',"force":true}', type=Experiment)


@pytest.mark.parametrize("name", NAMES)
def test_no_brace_is_left_in_what_the_playbooks_get(name):
    """All placeholders of a contract are filled in before anything is sent to a host."""
    experiment = draw(random.Random(3), FAULTS[name])
    sent = variables(experiment, FAULTS[name], ttl_s=60)
    texts = str([list(step.values()) for step in sent["landed"] + sent["revert"]])
    assert not PLACEHOLDER.search(texts)
    assert sent["target"] == experiment.target


def test_a_placeholder_that_is_the_whole_value_keeps_its_type():
    """The clock is stepped back by a number, not by a word."""
    experiment = draw(random.Random(3), FAULTS["clock_step"])
    assert variables(experiment, FAULTS["clock_step"], ttl_s=60)["revert"][0]["step_s"] == experiment.intensity

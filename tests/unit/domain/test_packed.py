"""A window survives being packed, exactly; damaged bytes are refused."""

import math
import random
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orderd.domain.clock import Instant
from orderd.domain.faults import Entity
from orderd.domain.packed import ENTITIES_MAX, pack, unpack
from orderd.domain.signals import ENTITY_SIGNALS, HOST_SIGNALS
from orderd.domain.values import EntityRow, Sample
from orderd.domain.window import History

_KEYS = ("unit:nginx.service", "unit:redis.service", "mount:/srv/data", "process:4711:99", "resolver:system", "clock:system")


def window(seed, count, samples=4):
    chance = random.Random(seed)

    def number():
        return math.nan if chance.random() < 0.4 else chance.uniform(-1e9, 1e9)

    history = History()
    for second in range(samples):
        newest = history.add(
            Sample(
                at=Instant(mono_ns=10**12 + second * 10**9, utc_ns=10**18 + second),
                cause="timer",
                host=tuple(number() for _ in HOST_SIGNALS),
                entities=tuple(
                    EntityRow(entity=Entity.parse(key), values=tuple(number() for _ in ENTITY_SIGNALS)) for key in _KEYS[:count]
                ),
                failed_collectors=("nic",) if chance.random() < 0.5 else (),
            )
        )
    return newest


@given(seed=st.integers(0, 10**6), count=st.integers(0, len(_KEYS)), samples=st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_what_was_packed_comes_back_exactly(seed, count, samples):
    """Every number of every slot, in the newest one to the last bit; missing stays missing."""
    before = window(seed, count, samples)
    after = unpack(pack(before))
    assert (after.at, after.entities, after.kinds) == (before.at, before.entities, before.kinds)
    assert after.host.tobytes() == before.host.tobytes()
    assert after.rows.tobytes() == before.rows.tobytes()
    assert repr(after.newest) == repr(before.newest)


@given(seed=st.integers(0, 1000), damage=st.binary(max_size=8), data=st.data())
@settings(max_examples=200, deadline=None)
def test_damaged_bytes_are_refused_with_a_word(seed, damage, data):
    """Whatever a disk does to them: a ValueError that says so."""
    whole = pack(window(seed, 3))
    at = data.draw(st.integers(0, len(whole)))
    length = data.draw(st.integers(0, 40))
    broken = whole[:at] + damage + whole[at + length :]
    if broken == whole:
        return
    with pytest.raises(ValueError, match="window"):
        unpack(broken)


def test_a_bomb_is_not_inflated():
    """A few bytes that would become gigabytes are refused at the bound of the largest window."""
    with pytest.raises(ValueError, match="damaged"):
        unpack(b"OW1" + zlib.compress(bytes(200 << 20), 9))


def test_a_window_of_other_signals_is_refused():
    """Numbers without their names would be read as something else."""
    body = bytearray(zlib.decompress(pack(window(1, 2))[3:]))
    body[0] ^= 1
    with pytest.raises(ValueError, match="other signals"):
        unpack(b"OW1" + zlib.compress(bytes(body)))


def test_more_entities_than_a_window_may_have_are_not_packed():
    """The bound of reading is the bound of writing."""
    rows = tuple(
        EntityRow(entity=Entity.parse(f"process:{n}:1"), values=(math.nan,) * len(ENTITY_SIGNALS))
        for n in range(1, ENTITIES_MAX + 2)
    )
    sample = Sample(at=Instant(mono_ns=1, utc_ns=1), cause="timer", host=(0.0,) * len(HOST_SIGNALS), entities=rows)
    with pytest.raises(ValueError, match="at most"):
        pack(History().add(sample))


def test_an_ordinary_window_is_small():
    """A dozen entities fit in a few kilobytes: evidence is kept for thousands of decisions."""
    assert len(pack(window(3, len(_KEYS), samples=64))) < 16_000

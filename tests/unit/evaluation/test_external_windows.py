"""Windows of a foreign series are those that orderd would have cut."""

import numpy as np
import pytest

from orderd.domain.clock import Instant
from orderd.domain.faults import Entity, EntityKind
from orderd.domain.signals import ENTITY_INDEX, ENTITY_SIGNALS, HOST_INDEX, HOST_SIGNALS, SLOT_AGES_S
from orderd.domain.values import NAN, EntityRow, Sample
from orderd.domain.window import History
from ordertrainer.evaluation.external import windows as module
from ordertrainer.evaluation.external.series import Series
from ordertrainer.evaluation.external.windows import mapping_of, windows

CHANNELS = ("load_per_core", "?", "mount_used_ratio", "mount_stuck_s", "cpu_user_ratio")
MOUNT = Entity(kind=EntityKind.MOUNT, key="/")


@pytest.fixture
def series():
    """Return two runs, one of them longer than a window."""
    rng = np.random.default_rng(1)
    values = rng.random((150, len(CHANNELS)), dtype=np.float32)
    values[7, 0] = np.nan
    return Series(
        name="foreign.npz",
        values=values,
        channels=CHANNELS,
        truth=np.zeros((150, 1), bool),
        label_names=("any",),
        offsets=np.array([0, 40, 150]),
        period_s=1.0,
        remarks=(),
    )


def sample(series, t):
    """Return a sample as orderd would have taken it."""
    host, row = [NAN] * len(HOST_SIGNALS), [NAN] * len(ENTITY_SIGNALS)
    for c, name in enumerate(series.channels):
        if name in HOST_INDEX:
            host[HOST_INDEX[name]] = float(series.values[t, c])
        elif name in ENTITY_INDEX:
            row[ENTITY_INDEX[name]] = float(series.values[t, c])
    at = Instant(mono_ns=t * 1_000_000_000, utc_ns=0)
    return Sample(at=at, cause="timer", host=tuple(host), entities=(EntityRow(entity=MOUNT, values=tuple(row)),))


def test_windows_are_those_of_orderds_history(series, monkeypatch):
    """Slot for slot, over borders of chunks, forgetting at borders of runs."""
    monkeypatch.setattr(module, "CHUNK", 64)
    parts = list(windows(series))
    host, rows = (np.concatenate([getattr(part, name) for part in parts]) for name in ("host", "rows"))
    assert [len(part) for part in parts] == [64, 64, 22]
    for begin, end in zip(series.offsets[:-1], series.offsets[1:], strict=True):
        history = History()
        for t in range(begin, end):
            window = history.add(sample(series, t))
            np.testing.assert_array_equal(host[t], np.frombuffer(window.host, np.float32).reshape(len(SLOT_AGES_S), -1))
            np.testing.assert_array_equal(rows[t, 0], np.frombuffer(window.rows, np.float32).reshape(len(SLOT_AGES_S), -1))


def test_what_has_no_name_goes_nowhere():
    """It is said which columns these are."""
    where = mapping_of(CHANNELS)
    assert where.unmapped == (1,)
    assert where.kinds == (EntityKind.MOUNT,)
    assert where.mapped == 4


def test_without_entity_signals_there_is_an_entity_that_is_absent(series):
    """Networks dislike empty axes, and a made-up entity would be judged."""
    part = next(
        windows(Series(**{f: getattr(series, f) for f in Series.__slots__} | {"channels": ("?",) * 4 + ("swap_used_ratio",)}))
    )
    assert part.rows.shape[1] == 1
    assert not part.present.any()


@pytest.mark.parametrize(
    ("names", "kinds"),
    [
        (("probe_ok_ratio",), (EntityKind.UNIT,)),
        (("probe_ok_ratio", "resolver_overridden_ratio"), (EntityKind.RESOLVER,)),
        (("probe_ok_ratio", "resolver_overridden_ratio", "unit_active_ratio"), (EntityKind.UNIT, EntityKind.RESOLVER)),
    ],
)
def test_a_signal_of_several_kinds_goes_where_others_of_its_kind_are(names, kinds):
    """One entity for each kind that any channel speaks of."""
    assert mapping_of(names).kinds == kinds

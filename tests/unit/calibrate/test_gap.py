"""Telling two samples apart: not at all when they are the same, and for every reason that there is."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ordertrainer.calibrate.gap import ALL, Sample, area, tell_apart

RUNS, WINDOWS, SLOTS = 40, 4, 8


def sample(seed, *, shift=0.0, wander=0.0, missing=0.0):
    """Return windows of one signal: normal, with something of their run's own."""
    rng = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(RUNS), WINDOWS)
    own = rng.normal(size=RUNS)[cluster][:, None]
    new = rng.normal(size=(len(cluster), SLOTS))
    steady = rng.normal(size=(len(cluster), 1))
    values = shift + 0.5 * own + np.sqrt(0.75) * (np.sqrt(wander) * steady + np.sqrt(1 - wander) * new)
    values[rng.uniform(size=values.shape) < missing] = np.nan
    return Sample(values=values[..., None].astype(np.float32), cluster=cluster)


def test_equal_samples_cannot_be_told_apart():
    """The interval holds one half; runs that stay together do not fool it."""
    _, low, high = tell_apart(sample(1), sample(2), seed=0)
    assert low < 0.5 < high
    assert high - low < 0.3


@pytest.mark.parametrize("other", [{"shift": 2.0}, {"wander": 0.9}, {"missing": 0.5}], ids=["level", "time", "missing"])
def test_a_difference_is_told(other):
    """Another level, the same values that move otherwise in time, and values that are missing: each is enough."""
    auc, low, _ = tell_apart(sample(1), sample(2, **other), seed=0)
    assert auc > 0.85
    assert low > 0.7


def test_the_area_is_the_area():
    """As scikit-learn has it, ties and weights included."""
    rng = np.random.default_rng(0)
    scores, truth = rng.integers(0, 9, 300) / 9.0, rng.integers(0, 2, 300)
    weights = rng.integers(0, 4, (5, 300)).astype(np.float64)
    expected = [roc_auc_score(truth, scores, sample_weight=each) for each in weights]
    assert area(scores, truth, weights) == pytest.approx(expected)


def test_the_gap_is_drawn(tmp_path):
    """A picture whose format its name says, of both stages, in a folder that is made."""
    pytest.importorskip("matplotlib")
    from ordertrainer.calibrate.plot import draw

    row = {"state": "in order", "kind": "unit", "signal": "probe_latency_s", "auc": 0.7, "low": 0.6, "high": 0.8}
    draw(
        {"before": [row, row | {"signal": ALL}], "after": [row | {"auc": 0.5, "low": 0.4, "high": 0.6}]},
        tmp_path / "new" / "gap.png",
    )
    assert (tmp_path / "new" / "gap.png").read_bytes().startswith(b"\x89PNG")


def test_what_became_the_same_counts_as_told_by_nothing():
    """A signal that is asked before alone does not leave the mean after."""
    from ordertrainer.calibrate.tables import means

    row = {"state": "in order", "kind": "unit", "signal": "a", "auc": 1.0}
    assert means({"before": [row, row | {"signal": "b"}], "after": [row | {"auc": 0.7}]}) == {
        "signals in order": {"before": 1.0, "after": pytest.approx(0.6)}
    }

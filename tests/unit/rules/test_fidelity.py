"""Figures of agreement on hand-made answers."""

import numpy as np
import pytest

from ordertrainer.rules.fidelity import Compared, fidelity

SAYS = ("ok", "down", "masked", "never")


def figures(taught, said, incident=None):
    """Return figures of some answers, an incident each unless told otherwise."""
    taught, said = np.asarray(taught), np.asarray(said)
    incident = np.arange(len(taught)) if incident is None else np.asarray(incident)
    return fidelity(Compared(incident=incident, taught=taught, said=said), SAYS, seed=0)


def test_figures_are_what_they_are_called():
    """Ten entities: two answers shared, one confused, one missed, one invented, five times silence on both sides."""
    found = figures([1, 2, 1, 1, 0, 0, 0, 0, 0, 0], [1, 2, 2, 0, 1, 0, 0, 0, 0, 0])
    assert found["agrees"]["value"] == pytest.approx(0.7)
    assert found["named_agrees"]["value"] == pytest.approx(2 / 5)
    assert found["covered"]["value"] == pytest.approx(3 / 4)
    assert found["answers"]["down"]["found"]["value"] == pytest.approx(1 / 3, abs=1e-6)
    assert found["answers"]["down"]["right"]["value"] == pytest.approx(1 / 2)
    assert found["answers"]["masked"]["f1"]["value"] == pytest.approx(2 / 3, abs=1e-6)
    assert found["macro_f1"]["value"] == pytest.approx((2 * 1 / (3 + 2) + 2 * 1 / (1 + 2)) / 2, abs=1e-6)
    assert "never" not in found["answers"]


def test_silence_is_no_agreement_about_what_is_named():
    """Although it agrees on nearly all entities."""
    found = figures([1] + [0] * 99, [0] * 100)
    assert found["agrees"]["value"] == 0.99
    assert found["named_agrees"]["value"] == found["covered"]["value"] == found["macro_f1"]["value"] == 0.0


def test_seconds_of_one_incident_are_not_independent():
    """The same answers in fewer incidents leave more doubt."""
    taught, said = [1] * 60, [1] * 45 + [0] * 15
    each, few = figures(taught, said), figures(taught, said, [second // 15 for second in range(60)])
    widths = [f["named_agrees"]["high"] - f["named_agrees"]["low"] for f in (each, few)]
    assert each["named_agrees"]["value"] == few["named_agrees"]["value"] == 0.75
    assert 0.15 < widths[0] < 0.3
    assert widths[1] > 2 * widths[0]


def test_equal_seeds_give_equal_intervals():
    """A figure can be told again."""
    assert figures([1, 0, 2, 1], [1, 0, 0, 1]) == figures([1, 0, 2, 1], [1, 0, 0, 1])

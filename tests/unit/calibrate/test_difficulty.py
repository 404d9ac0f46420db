"""How hard faults are, drilled and simulated."""

import json
import math

import numpy as np
import pytest

from orderd.catalogue import load_repairs
from ordertrainer.calibrate.difficulty import PATIENCE_S, Hardness, agreements, drilled, simulated, spearman
from ordertrainer.calibrate.errors import CalibrationError
from ordertrainer.sim import load_compiled
from ordertrainer.sim.catalogue import PLAYBOOKS


def run(fault, outcome, repaired=None, **more):
    """Return one run of a drill's results."""
    return {"fault": fault, "decoy": False, "landed": True, "outcome": outcome, "seconds": {"repaired": repaired}, **more}


def test_a_drill_tells_how_hard_faults_were(tmp_path):
    """Seconds to the repair, patience where there was none; decoys and what never landed tell nothing."""
    runs = [run("a", "repaired", 3.0), run("a", "failed"), run("b", "not_seen"), run("c", "left_alone", decoy=True)]
    runs.append(run("d", "void", landed=False))
    file = tmp_path / "drill.json"
    file.write_text(json.dumps({"runs": runs}))
    found = drilled([file])
    assert found["a"] == Hardness(seconds=(3.0 + PATIENCE_S) / 2, repaired=0.5)
    assert found["b"] == Hardness(seconds=PATIENCE_S, repaired=0.0)
    assert set(found) == {"a", "b"}


def test_what_is_no_drill_is_refused(tmp_path):
    """The message names the file and what makes one."""
    file = tmp_path / "other.json"
    file.write_text("{}")
    with pytest.raises(CalibrationError, match=r"other\.json: no results of a drill"):
        drilled([file])
    with pytest.raises(CalibrationError, match="No such file"):
        drilled([tmp_path / "none.json"])


def test_ranks_are_correlated_and_ties_shared():
    """Order alone counts; where one side is all equal nothing can be said."""
    values = np.array([1.0, 2.0, 3.0, 10.0])
    assert spearman(values, values**3) == pytest.approx(1.0)
    assert spearman(values, -values) == pytest.approx(-1.0)
    # Five pairs with ties, by hand: ranks 1.5, 1.5, 3, 4, 5 and 1, 2.5, 2.5, 4, 5.
    by_hand = np.corrcoef([1.5, 1.5, 3, 4, 5], [1, 2.5, 2.5, 4, 5])[0, 1]
    assert spearman(np.array([1, 1, 2, 3, 4.0]), np.array([1, 2, 2, 3, 4.0])) == pytest.approx(by_hand)
    assert math.isnan(spearman(values, np.ones(4)))


def test_agreement_needs_some_faults_and_has_an_interval():
    """Too few are refused; the interval holds the figure."""
    real = {f"f{n}": Hardness(seconds=float(n), repaired=1.0) for n in range(12)}
    sim = {name: Hardness(seconds=each.seconds + (n % 3), repaired=1.0) for n, (name, each) in enumerate(real.items())}
    found = {each.what: each for each in agreements(real, sim, seed=0)}["seconds to repair"]
    assert found.low <= found.rho <= found.high
    assert found.rho > 0.9
    with pytest.raises(CalibrationError, match="2 faults were both drilled and simulated"):
        agreements(dict(list(real.items())[:2]), sim, seed=0)


def test_the_rules_repair_what_they_name_and_not_what_they_cannot_see():
    """A service that was stopped is started within seconds; a fault without a name stands for good."""
    world, repairs = load_compiled(), load_repairs(PLAYBOOKS / "repairs").repairs
    found = simulated(world, repairs, ["service_stop", "net_loss"], hosts=3, seed=1)
    assert found["service_stop"].repaired == 1.0
    assert found["service_stop"].seconds < 15.0
    assert found["net_loss"] == Hardness(seconds=PATIENCE_S, repaired=0.0)

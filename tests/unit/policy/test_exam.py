"""The exam counts right, and counts the same hosts for everybody."""

import json
import math

import pytest
import torch

from ordertrainer.policy.exam import Played, by_group, plain, play, scores
from ordertrainer.policy.report import examine, log_final, makers
from ordertrainer.policy.suites import MIX, Suite, suites, training_mix
from ordertrainer.policy.tables import family_table, suite_table
from ordertrainer.sim import Shares, Uniform
from ordertrainer.sim.policies import Oracle

FLAGS = ("broken", "curable", "settled", "repaired", "called_wrongly", "called", "touched_healthy")
NUMBERS = ("repairs", "looks", "harmful", "lived_s")


def played(*hosts):
    """Return hosts of which what is not said is false or 0."""
    flags = {name: torch.tensor([bool(host.get(name, False)) for host in hosts]) for name in FLAGS}
    numbers = {name: torch.tensor([float(host.get(name, 0.0)) for host in hosts]) for name in NUMBERS}
    return Played(fault=torch.tensor([host.get("fault", 0) for host in hosts]), **flags, **numbers)


FOUR = played(
    {"broken": 1, "curable": 1, "settled": 1, "repaired": 1, "repairs": 2},
    {"broken": 1, "curable": 1, "settled": 1, "repaired": 1, "repairs": 4, "harmful": 1, "fault": 1},
    {"broken": 1, "settled": 0, "called_wrongly": 1, "called": 1},
    {"repairs": 1, "touched_healthy": 1, "harmful": 1},
)


class Acts:
    """Does the same in every second from one on, else waits."""

    def __init__(self, action, from_s=0.0):
        self.action, self.from_s = action, from_s

    def act(self, sim, seen):
        action = torch.full((len(sim.state),), self.action)
        return torch.where(sim.state.at_s >= self.from_s, action, sim.compiled.wait)


@pytest.fixture(scope="module")
def singles(world):
    """Return hosts with one fault each, whatever the split."""
    shares = Shares(quiet=0, decoy=0, single=1.0, pair=0, buried=0, beside=0)
    return Suite(name="any single", chaos=Uniform(world, shares=shares), single=True)


def test_every_score_is_a_sum_over_hosts_that_it_is_about():
    """Broken hosts settle, curable ones are repaired, calm ones are left alone."""
    values = {name: (score.value, score.hosts) for name, score in scores(FOUR).items()}
    assert values == {
        "settled": (pytest.approx(2 / 3), 3),
        "repaired": (1.0, 2),
        "repaired_within_3": (0.5, 2),
        "called_wrongly": (pytest.approx(1 / 3), 3),
        "repairs_per_host": (2.0, 3),
        "harmful_per_host": (0.5, 4),
        "hosts_touched_healthy": (0.25, 4),
        "false_repairs_per_calm_host": (1.0, 1),
        "calm_hosts_touched": (1.0, 1),
        "calm_hosts_called": (0.0, 1),
    }


def test_intervals_hold_the_value_and_shrink_with_hosts():
    """Half of the hosts settled: of 40 about 0.35 to 0.65, of 4000 about 0.485 to 0.515."""
    widths = []
    for count in (40, 4000):
        score = scores(played(*[{"broken": 1, "settled": number % 2} for number in range(count)]))["settled"]
        assert score.low < score.value == 0.5 < score.high
        widths.append(score.high - score.low)
    assert widths[0] == pytest.approx(2 * 1.96 * 0.5 / 40**0.5, rel=0.2)
    assert widths[1] == pytest.approx(widths[0] / 10, rel=0.3)


def test_a_figure_without_a_host_is_none():
    """Nothing is said of calm hosts where there was none."""
    found = scores(played({"broken": 1}))
    assert math.isnan(found["calm_hosts_touched"].value)
    assert plain(found)["calm_hosts_touched"] == {"value": None, "low": None, "high": None, "hosts": 0}
    json.dumps(plain(found), allow_nan=False)


def test_families_are_counted_apart_and_by_group(world):
    """By the fault in front."""
    groups = dict.fromkeys(world.fault_names, "all")
    found = by_group(world, groups, FOUR)
    first, second = world.fault_names[:2]
    assert found[first] == {"hosts": 3, "settled": 1, "harmful": 1.0}
    assert found[second] == {"hosts": 1, "settled": 1, "harmful": 1.0}
    assert found["group all"] == {"hosts": 4, "settled": 2, "harmful": 2.0}


def test_the_oracle_settles_every_suite(world, held):
    """Every question has a right answer, and knowing everything finds it without harm.

    What breaks under a repair that was right when it began can make a person the right answer: so not all is repaired.
    """
    for suite in suites(world, held):
        found = {name: score.value for name, score in scores(play(Oracle(), world, suite, hosts=24, seed=1), resamples=1).items()}
        wanted = {"settled": 1.0, "called_wrongly": 0.0, "harmful_per_host": 0.0, "calm_hosts_touched": 0.0}
        assert {name: found[name] for name in wanted if not math.isnan(found[name])} == {
            name: value for name, value in wanted.items() if not math.isnan(found[name])
        }, suite.name
        assert math.isnan(found["repaired"]) or found["repaired"] > 0.85


def test_doing_nothing_settles_nothing(world, singles):
    """A broken host that nobody helps is not settled, and lives to its horizon."""
    found = play(Acts(world.wait), world, singles, hosts=32, seed=2)
    assert found.broken.all()
    assert not found.settled.any()
    assert (found.lived_s == 120).all()


@pytest.mark.parametrize("ending", ["stop", "escalate"])
def test_ending_before_anything_happened_settles_nothing(world, singles, ending):
    """To say that all is well, or to call a person, in the first second is no way to pass."""
    found = play(Acts(getattr(world, ending)), world, singles, hosts=32, seed=2)
    assert (found.lived_s == 1).all()
    assert not found.settled.any()
    assert found.called_wrongly.all() == (ending == "escalate")


def test_calling_a_person_late_settles_what_nobody_can_repair(world, singles):
    """And nothing else."""
    found = play(Acts(world.escalate, from_s=60.0), world, singles, hosts=64, seed=2)
    assert torch.equal(found.settled, ~found.curable)
    assert torch.equal(found.called_wrongly, found.curable)
    assert found.called.all()


def test_nothing_counts_after_the_end(world, singles):
    """What is over is over: whoever goes on asking for repairs there is not even heard."""

    class CallsThenActs:
        def act(self, sim, seen):
            first = torch.full((len(sim.state),), sim.compiled.escalate)
            allowed = sim.masks(seen)[:, : sim.compiled.wait].to(torch.int8)
            some = torch.where(allowed.any(-1), allowed.argmax(-1), sim.compiled.wait)
            return torch.where(sim.state.at_s == 0.0, first, some)

    found = play(CallsThenActs(), world, singles, hosts=32, seed=2)
    assert (found.repairs == 0).all()


def test_equal_seeds_are_equal_hosts(world, singles):
    """So that policies are compared on the same ones."""
    one, other = (play(Acts(world.wait), world, singles, hosts=32, seed=seed) for seed in (3, 4))
    assert torch.equal(play(Oracle(), world, singles, hosts=32, seed=3).fault, one.fault)
    assert not torch.equal(one.fault, other.fault)


def test_a_report_holds_every_policy_and_can_be_shown(world, held, playbooks, singles):
    """Plain values, and tables with a row a policy."""
    arms = makers(playbooks, None, ("oracle", "chance"), 0)
    shares = []
    report = examine(playbooks, arms, [training_mix(world, held), singles], hosts=16, seed=0, tick=lambda _, s: shares.append(s))
    json.dumps(report, allow_nan=False)
    assert list(report["suites"]) == [MIX, "any single"]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)
    table = suite_table("any single", report["suites"]["any single"]["scores"])
    assert table.row_count == 2
    assert "calm: touched" not in [column.header for column in table.columns]
    assert family_table(report, ["oracle", "chance"]).row_count > 5


def test_every_look_at_the_final_test_is_logged(tmp_path):
    """How often it was run is told, and what it said."""
    report = {"seed": 0, "suites": {"triples": {"held": True, "scores": {"network": {"settled": {"value": 0.5}}}}}}
    file = tmp_path / "held-out.jsonl"
    assert [log_final(file, {"commit": "c"}, report) for _ in range(2)] == [1, 2]
    line = json.loads(file.read_text(encoding="utf-8").splitlines()[0])
    assert (line["commit"], line["settled"]) == ("c", {"triples": {"network": 0.5}})

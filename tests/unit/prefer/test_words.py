"""How a scene is told."""

import pytest

from ordertrainer.prefer.bills import Bill
from ordertrainer.prefer.scenes import Deed, Plan, Scene, Trouble
from ordertrainer.prefer.words import sum_of
from ordertrainer.sim.levels import NEVER_S


def trouble(fault="service_kill", slot=1, onset_s=10.0, **more):
    """Return trouble with redis."""
    return Trouble(
        **{"fault": fault, "slot": slot, "onset_s": onset_s, "ends_s": NEVER_S, "decoy": False, "behind": False} | more
    )


def deed(**more):
    """Return a repair of redis that helped."""
    told = {"began_s": 12.0, "seconds": 4.0, "slot": 1, "repair": "service_start", "helped": True}
    return Deed(**told | {"looked": False, "healthy": False, "harmful": False} | more)


def plan(*deeds, end_s=70.0, broken=False, **bill):
    """Return a plan."""
    return Plan(habit="mine", bill=Bill(**bill), deeds=deeds, end_s=end_s, broken=broken)


def test_what_happens_is_told_by_contracts_and_from_the_first_trouble_on(words):
    """What fails, then what fails later, what is hidden, and what only looks broken."""
    scene = Scene(
        troubles=(
            trouble(),
            trouble("service_mask", behind=True),
            trouble("log_rotation", 0, 22.0, decoy=True, ends_s=30.0),
        ),
        horizon_s=70.0,
        plans=(),
        bills={},
    )
    assert words.scene(scene).splitlines() == [
        "Redis: Every process of a service is killed with SIGKILL, as the kernel does when memory runs out.",
        "As soon as that is repaired: Redis: A service is stopped and masked, so that a plain start is refused.",
        f"After 12 s: Nginx: {words.faults['log_rotation'].summary} (This only looks broken, and it ends by itself after 8 s.)",
        "After 60 s somebody looks at the host anyway.",
    ]


def test_a_plan_says_what_is_done_when_how_it_ends_and_what_it_comes_to(words):
    """A repair that helps, one in vain that does harm, one that only looks."""
    scene = Scene(troubles=(trouble(),), horizon_s=70.0, plans=(), bills={})
    told = words.plan(scene, plan(deed(), trouble_s=6.0, repair=1.0)).splitlines()
    assert told == [
        "   2 s  Redis: Starts a service that is not running, its failures forgotten first. Helps, 4 s.",
        "In sum: 6 s out of order, 1 repair.",
    ]
    stops = deed(repair="disk_stop_filler", helped=False, harmful=True, healthy=True, slot=6)
    assert "In vain, 4 s. (Stops processes; reaches beyond it; nothing was wrong with it; does lasting harm.)" in words.plan(
        scene, plan(stops, repair=1.0)
    )
    looks = words.plan(scene, plan(deed(looked=True, repair="service_evict_port_squatter"), broken=True))
    assert "touches nothing." in looks
    assert "Stops processes" not in looks


@pytest.mark.parametrize(
    ("made", "end"),
    [
        (plan(end_s=26.0, call=1.0, broken=True), "  15 s  Calls a person, who is needed: no repair could end this."),
        (plan(end_s=26.0, false_call=1.0, broken=True), "  15 s  Calls a person, who does what a repair could have done."),
        (plan(end_s=26.0, false_call=1.0), "  15 s  Calls a person for nothing: nothing is wrong."),
        (plan(broken=True), "        Nobody is called, and it is still broken when somebody looks."),
        (plan(), "        Nothing is done."),
    ],
)
def test_a_plan_says_how_it_ends(words, made, end):
    """A person, rightly or not; nobody, though it is broken; or nothing at all."""
    assert words.plan(Scene(troubles=(trouble(),), horizon_s=70.0, plans=(), bills={}), made).splitlines()[-2] == end


def test_every_scene_can_be_told(words, scenes):
    """All that is drawn, with no name of a file, of a signal or of a habit in it."""
    for scene in scenes:
        told = words.scene(scene) + "".join(words.plan(scene, each) for each in scene.plans)
        assert "_" not in told
        assert "{" not in told


def test_a_sum_is_told_in_ones_and_manys():
    """Of everything that is not nothing."""
    assert sum_of(Bill(trouble_s=3.0)) == "3 s out of order"
    assert sum_of(Bill(repair=2.0, risk=1.0, host_wide=1.0, healthy=1.0, harm=2.0, false_call=1.0)) == (
        "0 s out of order, 2 repairs, 1 step of risk, 1 beyond its target, 1 of something healthy, lasting harm, 2 times, "
        "a person called for nothing"
    )

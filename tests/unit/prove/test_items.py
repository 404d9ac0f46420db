"""One item on one host, with a host, an injector and orderd that are made up: what counts as proven and what does not."""

import threading
from types import SimpleNamespace

import msgspec
import pytest

from orderd.executor.messages import Finished, Outcome, Task
from ordertrainer.chaos import InjectionError, Void
from ordertrainer.prove import items as proving
from ordertrainer.prove import orders
from ordertrainer.prove.bench import Bench
from ordertrainer.prove.errors import Stopped
from ordertrainer.prove.plan import Wanted
from ordertrainer.prove.plan import items as planned

ARMED_NS, LANDED_NS = 1_000_000_000, 1_050_000_000


class FakeInjector:
    """Breaks nginx by swapping inventories; says what it was told to say."""

    def __init__(self, host):
        self.host = host
        self.inject_error = None
        self.revert_error = None
        self.landed_ns = LANDED_NS
        self.entity = "unit:nginx.service"
        self.reverted = 0

    def inject(self, experiment):
        if self.inject_error:
            raise self.inject_error
        self.host.now = self.host.broken
        return SimpleNamespace(experiment=experiment, entity=self.entity, armed_ns=ARMED_NS)

    def revert(self, _experiment):
        self.reverted += 1
        if self.revert_error:
            raise self.revert_error
        self.host.now = self.host.after or self.host.now


class FakeHost:
    """Holds the inventory that is taken next."""

    def __init__(self, clean, broken):
        self.now, self.broken, self.after = clean, broken, clean


class FakeWatcher:
    """Hears one decision with the steps of a test."""

    def __init__(self, *steps):
        self.steps = [SimpleNamespace(what=what, detail=detail) for what, detail in steps]

    def check(self):
        return

    def decisions(self, _since):
        record = SimpleNamespace(decision=SimpleNamespace(decision_id="d1"), steps=self.steps)
        return [SimpleNamespace(record=record)]


@pytest.fixture
def place(clean, changed, nginx, monkeypatch):
    """A bench whose host is made up; waiting takes no time."""
    monkeypatch.setattr(proving, "ORDER_WITHIN_S", 0.0)
    host = FakeHost(clean, changed(nginx=nginx.down))
    watcher = FakeWatcher(("finished", ""), ("verified", "healthy"))
    bench = Bench(host=host, injector=FakeInjector(host), watcher=watcher, clean=clean, stop=threading.Event())
    monkeypatch.setattr(Bench, "take", lambda _: host.now)
    monkeypatch.setattr(Bench, "landed_ns", lambda *_: bench.injector.landed_ns)
    monkeypatch.setattr(Bench, "cleaned", lambda _: host.now)
    return bench


@pytest.fixture
def ordered(place, changed, nginx, monkeypatch):
    """Orders that are carried out: nginx is started again, the second run finds nothing to do."""
    mended = changed(nginx=nginx.started)
    place.host.after = None

    def run(host, *_):
        host.now = mended
        return "d1", ""

    monkeypatch.setattr(orders, "run", run)
    monkeypatch.setattr(orders, "run_again", lambda *_: "")
    return mended


def item(folder, name):
    return next(each for each in planned(folder.shelf, Wanted()) if each.name == name)


def prove(place, folder, name):
    return proving.prove(place, item(folder, name), lambda _: None)


def test_a_fault_that_lands_and_goes_is_proven(place, folder):
    """Seen by the witness, reverted, nothing left; and the host may be used again."""
    proved = prove(place, folder, "stop")
    assert proved.proof.proven
    assert proved.proof.landed_s == 0.05
    assert proved.clean


def test_a_fault_that_nobody_saw_is_reverted_and_not_proven(place, folder):
    """Without the witness's word there is no landing, whatever the injector says."""
    place.injector.landed_ns = 0
    proved = prove(place, folder, "stop")
    assert (proved.proof.landed, proved.proof.reverted, proved.clean) == (False, True, False)
    assert "did not see it within 5 s" in proved.proof.why


def test_a_sign_that_was_there_before_the_fault_proves_nothing(place, folder):
    """A witness that saw it before the arming looks for the wrong thing."""
    place.injector.landed_ns = ARMED_NS - 1
    assert "before anything was injected" in prove(place, folder, "stop").proof.why


def test_a_fault_of_another_kind_than_its_contract_says_is_not_proven(place, folder):
    """The entity has to be of the kind that the contract names."""
    place.injector.entity = "mount:/srv/data"
    assert "its contract says unit" in prove(place, folder, "stop").proof.why


def test_what_is_left_on_the_host_is_named_and_costs_it_the_host(place, folder, changed):
    """Residue is no proof, and the next item gets another host."""
    place.host.after = changed(etc={"/etc/resolv.conf": "good", "/etc/x": "1"})
    proved = prove(place, folder, "stop")
    assert (proved.proof.proven, proved.proof.residue, proved.clean) == (False, ["/etc/x appeared"], False)


def test_a_fault_the_host_cannot_have_is_skipped_with_the_reason(place, folder):
    """Void is neither proven nor failed; the host stays in use."""
    place.injector.inject_error = Void("swap: this host has none")
    proved = prove(place, folder, "stop")
    assert (proved.proof.skipped, proved.proof.proven, proved.clean) == ("swap: this host has none", False, True)


def test_a_void_fault_that_touched_something_is_no_skip(place, folder, changed):
    """Who says that nothing was touched is checked."""
    place.injector.inject_error = Void("swap: this host has none")
    place.host.now = changed(etc={})
    proved = prove(place, folder, "stop")
    assert (proved.proof.skipped, proved.clean) == ("", False)
    assert "yet something was touched" in proved.proof.why


@pytest.mark.parametrize("at", ["inject_error", "revert_error"])
def test_an_injection_that_fails_is_not_proven(place, folder, at):
    """Its own words are the reason."""
    setattr(place.injector, at, InjectionError("no steady state"))
    proved = prove(place, folder, "stop")
    assert proved.proof.why == "no steady state"
    assert not proved.proof.proven


def test_a_cure_that_is_verified_and_left_alone_is_proven(place, folder, ordered):
    """Landed, repaired, verified, idempotent, the revert found nothing to do, nothing else changed."""
    proved = prove(place, folder, "stop -> start")
    assert (proved.proof.cured, proved.proof.idempotent, proved.proof.collateral, proved.proof.why) == (True, True, [], "")
    assert proved.clean


def test_a_repair_that_orderd_does_not_verify_is_not_proven(place, folder, ordered):
    """The verdict is verification's alone."""
    place.watcher = FakeWatcher(("finished", ""), ("unverified", "not healthy in time"))
    assert prove(place, folder, "stop -> start").proof.why == "finished; unverified not healthy in time"


def test_a_repair_that_may_not_run_says_why(place, folder, ordered, monkeypatch):
    """What orderctl answered is the reason."""
    monkeypatch.setattr(orders, "run", lambda *_: ("", "a precondition of start does not hold"))
    proved = prove(place, folder, "stop -> start")
    assert "a precondition of start does not hold" in proved.proof.why
    assert place.injector.reverted == 1


def test_a_second_run_that_changes_something_breaks_the_promise(place, folder, ordered, monkeypatch):
    """A repair marked idempotent that reports a change is not proven."""
    monkeypatch.setattr(orders, "run_again", lambda *_: "the second run reported: Start the unit")
    proof = prove(place, folder, "stop -> start").proof
    assert (proof.cured, proof.idempotent) == (False, False)


@pytest.mark.usefixtures("ordered")
def test_a_second_run_that_says_nothing_and_does_something_is_seen(place, folder, nginx, changed, monkeypatch):
    """Not the playbook's word counts but the inventory."""

    def restarts(host, *_):
        host.now = changed(nginx=msgspec.structs.replace(nginx.started, InvocationID="again"))
        return ""

    monkeypatch.setattr(orders, "run_again", restarts)
    proof = prove(place, folder, "stop -> start").proof
    assert (proof.cured, proof.idempotent) == (False, False)
    assert "nginx.service was restarted" in proof.why


def test_what_promises_nothing_is_not_run_twice(place, folder, ordered, monkeypatch):
    """A restart restarts every time, and its contract says so."""
    monkeypatch.setattr(orders, "run_again", lambda *_: pytest.fail("it was run again"))
    proof = prove(place, folder, "stop -> restart").proof
    assert (proof.cured, proof.idempotent) == (True, None)


def test_a_revert_that_overwrites_the_repair_is_seen(place, folder, ordered, nginx, changed):
    """The fault's revert started the service anew, although the repair had."""
    place.host.after = changed(nginx=msgspec.structs.replace(nginx.started, InvocationID="revert"))
    proof = prove(place, folder, "stop -> start").proof
    assert not proof.cured
    assert "the revert overwrote the repair: unit nginx.service" in proof.why


def test_what_else_changed_is_collateral_also_when_only_orderd_saw_it(place, folder, ordered):
    """Orderd's own comparison counts beside ours."""
    place.watcher = FakeWatcher(("collateral", "unit cron.service: was restarted"), ("verified", ""))
    proof = prove(place, folder, "stop -> start").proof
    assert (proof.cured, proof.collateral) == (False, ["orderd saw: unit cron.service: was restarted"])


def test_a_proving_that_shall_end_begins_nothing(place, folder):
    """No fault is injected any more."""
    place.stop.set()
    with pytest.raises(Stopped):
        prove(place, folder, "stop")


@pytest.mark.parametrize(
    ("finished", "words"),
    [
        ({"outcome": Outcome.SUCCEEDED}, ""),
        (
            {"outcome": Outcome.SUCCEEDED, "changed": True, "tasks": ("Start the unit",)},
            "the second run reported: Start the unit",
        ),
        ({"outcome": Outcome.FAILED, "detail": "not the case: it runs"}, ""),
        ({"outcome": Outcome.FAILED, "detail": "no such unit"}, "the second run failed: no such unit"),
    ],
)
def test_a_second_run_may_only_look(finished, words):
    """It succeeds without a change, or says that there is nothing of its kind to repair."""
    names = finished.pop("tasks", ())
    tasks = tuple(Task(name=name, status="ok", changed=True, msg="") for name in names)
    assert orders.changed(Finished(repair_id="r", tasks=tasks, **finished)) == words


def test_an_order_is_repeated_until_it_may_be_carried_out():
    """A symptom takes a moment to be seen: orderctl's refusals are waited out, the last one is told."""
    answers = [
        SimpleNamespace(returncode=1, stdout="", stderr="not watched\n"),
        SimpleNamespace(returncode=0, stdout='{"decisionId": "d7"}', stderr=""),
    ]
    host = SimpleNamespace(exec=lambda _argv: answers.pop(0))
    assert orders.run(host, "start", "unit:nginx.service", lambda: True) == ("d7", "")
    answers.append(SimpleNamespace(returncode=1, stdout="", stderr="not watched\n"))
    assert orders.run(host, "start", "unit:nginx.service", lambda: False) == ("", "not watched")

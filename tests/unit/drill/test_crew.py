import threading
import time
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from ordertrainer.drill import crew as crew_module
from ordertrainer.drill.battery import Item
from ordertrainer.drill.crew import Crew, Queue
from ordertrainer.drill.errors import DrillError, InstrumentLostError


class Silent:
    """Hears everything and says nothing."""

    def __getattr__(self, name):
        return lambda *_: None


class FakeStation:
    """A host of which a test decides what becomes of each item."""

    def __init__(self, name, does=lambda item: None):
        self.name, self.does, self.did, self.closed = name, does, [], False

    @contextmanager
    def opened(self, stop, say):
        say("ready")
        try:
            yield SimpleNamespace(watcher=None, station=self, stop=stop)
        finally:
            self.closed = True


@pytest.fixture
def run(monkeypatch):
    """Return a crew's run over fake stations: what was done by whom."""

    def run_item(bench, item, contracts, say):
        bench.station.did.append(item.number)
        bench.station.does(item)
        return []

    monkeypatch.setattr(crew_module, "run_item", run_item)

    def work(stations, numbers, deadline=None):
        done = []
        items = iter([Item(number=number) for number in numbers])
        crew = Crew(queue=Queue(items, deadline=deadline), faults={}, progress=Silent(), done=done.append, total=None)
        try:
            crew.work(stations)
        finally:
            work.done = sorted(each.item.number for each in done)
        return work.done

    return work


def test_hosts_share_one_plan(run):
    """Every item is carried out once, and no host has to do it all."""
    stations = [FakeStation(name, lambda item: time.sleep(0.01)) for name in "ab"]
    assert run(stations, range(1, 21)) == list(range(1, 21))
    assert all(station.did for station in stations)
    assert sorted(stations[0].did + stations[1].did) == list(range(1, 21))


def test_a_lost_host_costs_its_own_run_which_another_makes_up_for(run):
    """What a host was at when it was lost comes back into the queue; the others finish the plan."""

    def fails(item):
        raise InstrumentLostError("the prober ended")

    good = FakeStation("good", lambda item: time.sleep(0.05))
    assert run([FakeStation("bad", fails), good], range(1, 6)) == [1, 2, 3, 4, 5]
    assert sorted(good.did) == [1, 2, 3, 4, 5]


def test_the_last_host_lost_ends_the_drill_with_its_words_and_keeps_what_was_done(run):
    """Nobody is left to work: the error of the last one is the drill's, what was done before stays done."""

    def fails(item):
        if item.number == 3:
            raise InstrumentLostError("the prober ended")

    station = FakeStation("only", fails)
    with pytest.raises(DrillError, match="the prober ended"):
        run([station], range(1, 6))
    assert run.done == [1, 2]
    assert station.closed


def test_an_item_that_costs_two_hosts_is_not_tried_on_a_third(run):
    """An item that no host survives ends the drill, instead of taking all of them with it."""

    def fails(item):
        time.sleep(0.05)
        if item.number == 2:
            raise InstrumentLostError("gone")

    stations = [FakeStation(name, fails) for name in "abcd"]
    with pytest.raises(DrillError, match="gone"):
        run(stations, range(1, 4))
    assert sum(station.did.count(2) for station in stations) == 2


def test_a_programming_error_on_a_thread_is_not_swallowed(run):
    """What is no error of a host ends the drill as what it is."""

    def fails(item):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run([FakeStation("a", fails), FakeStation("b")], range(1, 3))


def test_a_plan_without_end_ends_in_time():
    """After its time a queue hands out nothing, however much is left."""
    queue = Queue(iter([Item(number=1)]), deadline=time.monotonic() - 1)
    assert queue.take(threading.Event()) is None


def test_a_queue_waits_for_what_may_come_back():
    """While an item is under way elsewhere, a host without work waits: it may have to take that one over."""
    queue, stop = Queue(iter([Item(number=1)])), threading.Event()
    taken = queue.take(stop)
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(queue.take(stop)))
    waiting.start()
    time.sleep(0.2)
    assert not answers
    queue.lost(taken)
    waiting.join(2)
    assert answers == [taken]

"""Workers, hosts and the queue, with hosts that are made up: reuse, replacement, resuming, ending."""

import contextlib
import threading
from types import SimpleNamespace

import pytest

from ordertrainer.ground import GroundError
from ordertrainer.prove import run as running
from ordertrainer.prove.errors import ProveError, Stopped
from ordertrainer.prove.items import Proved
from ordertrainer.prove.plan import Wanted, items
from ordertrainer.prove.result import CureProof, FaultProof, Keeper
from ordertrainer.prove.run import prove_all


class Told:
    """Progress that remembers."""

    def __init__(self):
        self.steps, self.names = [], []

    def step(self, text):
        self.steps.append(text)

    def phase(self, *_):
        return

    def done(self, _worker, item, _proof):
        self.names.append(item.name)


def proof_of(item, **values):
    if item.repair:
        return CureProof(fault=item.fault.name, digest=item.digest, **({"cured": True} | values))
    return FaultProof(name=item.fault.name, digest=item.digest, **({"landed": True, "reverted": True} | values))


@pytest.fixture
def ground(monkeypatch, tmp_path, folder):
    """Hosts that are made up, and what happens on them: `prove` by default proves."""
    made = SimpleNamespace(up=[], down=[], most=0, bundles=[], refuse=0, told=Told(), file=tmp_path / "catalogue.json")
    made.prove = lambda _place, item: Proved(proof=proof_of(item), clean=True)
    lock = threading.Lock()

    @contextlib.contextmanager
    def bench(*, faults_dir, bundle, stop, say):
        with lock:
            if made.refuse:
                made.refuse -= 1
                raise GroundError("no host today")
            name = f"h{len(made.up)}"
            made.up.append(name)
            made.bundles.append(bundle)
            made.most = max(made.most, len(made.up) - len(made.down))
        try:
            yield SimpleNamespace(host=SimpleNamespace(name=name), stop=stop)
        finally:
            with lock:
                made.down.append(name)

    monkeypatch.setattr(running, "bench", bench)
    monkeypatch.setattr(running, "build_bundle", lambda: "bundle.tar")
    monkeypatch.setattr(running, "commit", lambda: "abc")
    monkeypatch.setattr(running.on_host, "prove", lambda place, item, _say: made.prove(place, item))

    def carry_out(*, parallel=1, bare=False, **wanted):
        keeper = Keeper(made.file)
        chosen = items(folder.shelf, Wanted(**wanted))
        todo = [item for item in chosen if not keeper.proven(item.fault.name, item.repair and item.repair.name)]
        prove_all(todo, keeper, made.told, faults_dir=folder.root / "faults", parallel=parallel, bare=bare)
        return keeper

    made.carry_out = carry_out
    return made


def test_one_clean_host_serves_for_everything(ground):
    """It is booted once and taken down in the end; every item is proven and written with the commit."""
    proofs = ground.carry_out().proofs
    assert (ground.up, ground.down) == (["h0"], ["h0"])
    assert [proof.name for proof in proofs.faults if proof.proven and proof.commit == "abc"] == ["kill", "stop"]
    assert [(repair.name, repair.proven_on) for repair in proofs.repairs] == [("restart", ["stop"]), ("start", ["kill", "stop"])]


def test_a_host_that_is_not_clean_is_replaced(ground):
    """The next item gets a fresh one; the item that spoilt the host is written all the same."""
    ground.prove = lambda _place, item: Proved(proof=proof_of(item), clean=item.name != "kill")
    assert ground.carry_out().proven("kill", None)
    assert (ground.up, ground.down) == (["h0", "h1"], ["h0", "h1"])


def test_what_is_proven_is_not_proven_again(ground):
    """A second run has nothing to do, and boots nothing; what failed is tried again."""
    ground.prove = lambda _place, item: Proved(proof=proof_of(item, **({"why": "no"} if item.name == "stop" else {})), clean=True)
    ground.carry_out()
    ground.told.names.clear()
    ground.carry_out()
    assert ground.told.names == ["stop"]


def test_two_hosts_work_at_once(ground):
    """Each on an item of its own, none proven twice."""
    meet = threading.Barrier(2, timeout=5)

    def together(_place, item):
        if item.repair is None:
            meet.wait()
        return Proved(proof=proof_of(item), clean=True)

    ground.prove = together
    ground.carry_out(parallel=2)
    assert ground.most == 2
    assert sorted(ground.told.names) == sorted(["kill", "stop", "kill -> start", "stop -> start", "stop -> restart"])


def test_what_takes_long_to_land_comes_first(ground, folder):
    """So that at the end no host waits for the other; cures come after all faults."""
    folder.fault("slow", landed_within_s=60)
    ground.carry_out()
    assert ground.told.names[0] == "slow"
    assert all("->" in name for name in ground.told.names[3:])


def test_a_host_lost_in_an_item_is_tried_once_more(ground):
    """The first loss may be anybody's doing; the second one is told as the item's."""
    losses = []

    def loses(_place, item):
        if item.name == "kill":
            losses.append(item.name)
            raise GroundError("it is gone")
        return Proved(proof=proof_of(item), clean=True)

    ground.prove = loses
    proofs = ground.carry_out().proofs
    assert len(losses) == 2
    assert [proof.why for proof in proofs.faults if proof.name == "kill"] == ["the host was lost: it is gone"]
    assert [proof.name for proof in proofs.faults if proof.proven] == ["stop"]


def test_no_host_at_all_is_an_error_that_says_so(ground):
    """After some attempts it gives up, with the last reason and how much was not tried."""
    ground.refuse = 99
    with pytest.raises(ProveError, match="5 items were not tried: no host today"):
        ground.carry_out()


def test_a_host_that_came_late_is_good_enough(ground):
    """A boot that failed once is tried again, and nothing is lost."""
    ground.refuse = 1
    ground.carry_out()
    assert len(ground.told.names) == 5


def test_an_interruption_takes_the_hosts_down_and_keeps_what_is_proven(ground, monkeypatch):
    """Somebody ends it in the middle: no host is left, the finished items are in the file, the rest is not."""
    reached = threading.Event()

    def waits(place, item):
        if item.repair is None:
            return Proved(proof=proof_of(item), clean=True)
        reached.set()
        place.stop.wait(5)
        raise Stopped("stopped")

    ground.prove = waits
    join = running.Worker.join

    def interrupted(self, timeout_s):
        if timeout_s is not None and reached.wait(5):
            raise KeyboardInterrupt
        return join(self, timeout_s)

    monkeypatch.setattr(running.Worker, "join", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ground.carry_out()
    assert (ground.up, ground.down) == (["h0"], ["h0"])
    assert [proof.name for proof in Keeper(ground.file).proofs.faults] == ["kill", "stop"]


@pytest.mark.parametrize(
    ("wanted", "bundles"), [({"cures": False}, [None]), ({}, ["bundle.tar"]), ({"bare": True, "cures": False}, [None])]
)
def test_orderd_is_installed_only_where_it_is_needed(ground, wanted, bundles):
    """Faults alone are proven on bare hosts."""
    ground.carry_out(**wanted)
    assert ground.bundles == bundles

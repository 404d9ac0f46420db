"""A Ray cluster of two workers on this machine finds what one process finds, and keeps its promises when things go wrong."""

import os
from functools import partial
from pathlib import Path

import pytest

import fantasks

ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")

from ordertrainer.fanout import RefusedError, Task, TaskFailedError, TaskLostError, fan_out, reached  # noqa: E402
from ordertrainer.fanout import cluster as clusters  # noqa: E402
from trainings import same  # noqa: E402

SUPPORT = Path(fantasks.__file__).parent


@pytest.fixture(scope="module", autouse=True)
def _one_thread(one_thread):
    """Whatever is computed here."""


@pytest.fixture(scope="module")
def cluster():
    """Start one for this module; return its address."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(SUPPORT), *([before] if before else [])])
    try:
        with reached("local", cpus=2):
            yield "local"
    finally:
        os.environ.pop("PYTHONPATH")
        if before is not None:
            os.environ["PYTHONPATH"] = before


def task(work, name="a task", seed=7, **fields):
    return Task(name=name, seed=seed, work=work, **fields)


def test_two_workers_find_what_one_process_finds(cluster):
    """An exam of a network, with rules and chance beside it: every figure, to the last digit, by two other processes."""
    import torch

    from ordertrainer.nets.policy import PolicyNet, PolicyShape
    from ordertrainer.policy import report as reports
    from ordertrainer.policy.sitting import Machine, Weights, catalogue, sittings

    playbooks, known = catalogue("cpu")
    torch.manual_seed(0)
    net = PolicyNet(PolicyShape(width=16, hidden=16, layers=1, heads=2)).eval()
    weights = Weights(shape=dict(net.shape._asdict()), tensors=net.state_dict())
    every = reports.turns(["singles"], ["network", "rules", "chance"], 4)
    tasks = sittings(weights, every, seed=3, machine=Machine())
    asked = [known["singles"]]
    here = reports.told(playbooks, asked, every, fan_out(tasks))
    shares = []
    there = reports.told(playbooks, asked, every, fan_out(tasks, address=cluster, tick=lambda _, share: shares.append(share)))
    assert there == here
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    where = set(fan_out([task(fantasks.place) for _ in range(4)], address=cluster))
    assert len(where) == 2
    assert os.getpid() not in where


def test_two_workers_evolve_what_one_process_evolves(cluster, tmp_path):
    """Two seeds with their past as examiner: every figure, and every weight in the folders that the workers wrote, to the bit."""
    import torch

    from ordertrainer import heldout
    from ordertrainer.evolve.evolve import Settings
    from ordertrainer.evolve.learning import Learning
    from ordertrainer.evolve.several import Evolution, evolutions
    from ordertrainer.fanout import sealed
    from ordertrainer.nets.policy import PolicyNet, PolicyShape
    from ordertrainer.policy.checkpoint import catalogue_digest, read_policy, save_policy
    from ordertrainer.policy.iterations import LAST, Bounds
    from ordertrainer.policy.several import folder
    from ordertrainer.policy.sitting import Machine, catalogue

    torch.manual_seed(0)
    net = PolicyNet(PolicyShape(width=16, hidden=16, layers=1, heads=2)).eval()
    about = {"seed": 0, "iteration": 0, "commit": "test", "catalogue": catalogue_digest(catalogue("cpu")[0])}
    save_policy(tmp_path / "best.pt", net, heldout=heldout.load().sha256, **about)
    settings = Settings(hosts=4, learning=Learning(batch=64), tune_hosts=2, generation_every=1)
    found = {}
    for name, address in (("here", None), ("there", cluster)):
        asked = Evolution(
            out=tmp_path / name, start=tmp_path, settings=settings, bounds=Bounds(iterations=1), machine=Machine(), matrix=2
        )
        with sealed(asked.out) as seal:
            found[name] = fan_out(evolutions(asked, [3, 4], seal), address=address)
    assert same(found["here"], found["there"], ("seconds", "commit", "checkpoint"))
    assert [each["seed"] for each in found["there"]] == [3, 4]
    assert {each["cross_play"]["seed"] for each in found["there"]} == {3, 4}
    for seed in (3, 4):
        assert same(*(read_policy(folder(tmp_path / name, seed) / LAST) for name in found)), seed


def test_a_lost_worker_costs_nothing_but_time(cluster, tmp_path):
    """Its task is done again by another one; one that takes every worker with it is given up, by name and seed."""
    assert fan_out([task(partial(fantasks.end, 1, tmp_path))], address=cluster) == [1]
    for file in tmp_path.iterdir():
        file.unlink()
    with pytest.raises(TaskLostError, match=r"murderous \(seed 5\): its worker was lost, 2 more attempts included"):
        fan_out([task(partial(fantasks.end, 9, tmp_path), "murderous", 5)], address=cluster)
    assert len(list(tmp_path.iterdir())) == 1 + clusters.LOST_MAX


def test_a_failed_task_names_itself_and_its_seed_and_ends_the_others(cluster, tmp_path):
    """With its trace; what is under way elsewhere is interrupted, as by Ctrl-C."""
    lingers = task(partial(fantasks.linger, tmp_path), "long")
    with pytest.raises(TaskFailedError, match=r"rules on quiet \(seed 3\): KeyError: 'an entry' \[on ") as told:
        fan_out([lingers, task(partial(fantasks.fail_after, tmp_path), "rules on quiet", 3)], address=cluster)
    assert "fantasks.py" in told.value.__notes__[0]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["begun", "interrupted"]


def test_an_interruption_interrupts_the_workers(cluster, tmp_path):
    """They have the time to put things in order."""

    def interrupt(_what, _share):
        if (tmp_path / "begun").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fan_out([task(partial(fantasks.linger, tmp_path))], address=cluster, tick=interrupt)
    assert (tmp_path / "interrupted").exists()


def test_a_cluster_without_what_a_task_needs_is_refused(cluster):
    """Ray would let it wait for ever."""
    with pytest.raises(RefusedError, match=r"a task \(seed 7\): needs 1 GPU, the cluster has 0"):
        fan_out([task(fantasks.place, gpus=1)], address=cluster)


def test_workers_of_other_sources_are_refused(cluster, monkeypatch):
    """They would compute something else under the same name."""
    monkeypatch.setattr(clusters, "digest_here", lambda: "0" * 64)
    with pytest.raises(RefusedError, match="runs other sources"):
        fan_out([task(fantasks.place)], address=cluster)


def test_nobody_is_told_of_what_is_done_here():
    """No usage statistics, whatever the environment said before."""
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"

"""Tasks in this process: in order, each with its seed, and whoever fails says so by name."""

from functools import partial

import pytest

import fantasks
from ordertrainer.fanout import Task, TaskFailedError, fan_out


def task(work, name="a task", seed=7, **fields):
    return Task(name=name, seed=seed, work=work, **fields)


def test_results_come_in_the_order_of_tasks():
    """Whatever each of them took."""
    assert fan_out([task(lambda _, n=n: n * n) for n in range(5)]) == [0, 1, 4, 9, 16]


def test_nothing_to_do_is_done():
    """And no cluster is asked for it."""
    assert fan_out([]) == []


def test_progress_runs_from_the_first_task_to_the_last():
    """Shares only grow, end at 1, and say which task it is."""

    def half(share):
        share(0.5)

    seen = []
    fan_out([task(half, "one"), task(half, "two")], tick=lambda what, share: seen.append((what, share)))
    assert seen == [("one", 0.25), ("one", 0.5), ("two", 0.75), ("two", 1.0)]


def test_a_failed_task_names_itself_and_its_seed():
    """With the trace, for nobody expected it; those after it are not begun."""
    begun = []
    with pytest.raises(TaskFailedError) as told:
        fan_out([task(fantasks.fail, "rules on quiet", 3), task(begun.append)])
    assert str(told.value) == "rules on quiet (seed 3): KeyError: 'an entry'"
    assert "fantasks.py" in told.value.__notes__[0]
    assert isinstance(told.value.__cause__, KeyError)
    assert not begun


def test_a_refusal_needs_no_trace():
    """Its message says all."""
    with pytest.raises(TaskFailedError) as told:
        fan_out([task(fantasks.refuse, refusals=(ValueError,))])
    assert str(told.value).endswith("ValueError: there is no such thing")
    assert not getattr(told.value, "__notes__", None)


def test_an_interruption_is_no_failure():
    """Ctrl-C ends it all, at once, as what it is."""

    def interrupted(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fan_out([task(interrupted)])


def test_equal_seeds_give_equal_results():
    """Everything that a task draws follows from its own seed."""
    both = fan_out([task(partial(fantasks.lot, seed), seed=seed) for seed in (3, 3)])
    assert both[0] == both[1]

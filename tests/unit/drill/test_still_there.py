from ordertrainer.drill.series import NS_PER_S
from ordertrainer.drill.symptoms import StillThere, Unseen

WORDS = {"stands": True, "gone": False, "cannot tell": None}


def played(*answers):
    """Return what `healthy` says each second, when the witness answers like this."""
    said, clock = iter([WORDS[answer] for answer in answers]), [0]
    symptom = StillThere(before=Unseen(), stands=lambda: next(said), now_ns=lambda: clock[0])
    told = []
    for second in range(1, len(answers) + 1):
        clock[0] = (10 + second) * NS_PER_S
        told.append(symptom.healthy(None, 10 * NS_PER_S, 2.0))
    return [None if at is None else at // NS_PER_S for at in told]


def test_a_fault_that_stands_is_not_healthy():
    """What the prober cannot see is not healthy as long as the witness sees it."""
    assert played("stands", "stands", "stands") == [None, None, None]


def test_it_is_healthy_from_the_first_look_at_which_it_was_gone_for_good():
    """The moment counts from which it was gone, once it has stayed gone; coming back begins anew."""
    assert played("stands", "gone", "gone", "gone") == [None, None, None, 12]
    assert played("gone", "stands", "gone", "gone", "gone") == [None, None, None, None, 13]


def test_where_the_witness_cannot_tell_the_prober_decides():
    """A process that was killed stays killed for ever: there only the probes tell."""
    assert played("cannot tell", "cannot tell", "cannot tell") == [None, 10, 10]

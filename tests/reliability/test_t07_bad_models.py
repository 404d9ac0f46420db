"""T7: bad models. orderd-infer accepts none of five hundred, is not restarted, and the good one goes on answering."""

import os
from collections import Counter

import pytest

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

from badmodels import mutants
from inferrig import infer_starter, loaded, window_of_three
from orderd.inference.client import InferenceClient
from toymodels import SignedHost

ASK_EVERY = 10
SEED = 7


@pytest.fixture
def host(tmp_path):
    """A host that asks for signatures; its packaged model has serial 50."""
    made = SignedHost(tmp_path)
    made.release(made.model_dir, serial=50)
    return made


async def test_no_bad_model_is_accepted_and_the_good_one_goes_on(host, tmp_path, measured, size):
    """Cut, flipped, unsigned, older, evil: each is refused by a reason; same process, same model, same answers throughout."""
    window = window_of_three()
    with infer_starter(tmp_path) as start:
        infer = start(host.model_dir, extra=host.extra)
        client = InferenceClient(host.config)
        await client.start()
        await loaded(client)
        good, expected = client.info, await client.classify(window)
        accepted, tried, why = Counter(), Counter(), Counter()
        for number, (kind, folder) in enumerate(mutants(host, SEED, size(1, 10))):
            answer = await client.load(folder)
            tried[kind] += 1
            accepted[kind] += answer.accepted
            why[kind, bool(answer.why)] += 1
            if number % ASK_EVERY == 0:
                assert await client.classify(window) == expected, f"other answers after a model that is {kind}"
        same = infer.process.poll() is None and client.info == good and await client.classify(window) == expected
        await client.close()
    total = sum(tried.values())
    figure = f"{sum(accepted.values())} of {total} accepted, {'no restart' if same else 'restarted or changed'}"
    measured(figure=figure, limit="none accepted, no restart", runs=total)
    assert not +accepted, f"accepted: {dict(+accepted)}"
    assert total >= 500
    assert all(why[kind, True] == tried[kind] for kind in tried), "a refusal without a reason"
    assert same


async def test_the_good_model_they_were_made_from_is_accepted(host, tmp_path):
    """What the bad ones are made from is good: the same steps without the damage are accepted."""
    with infer_starter(tmp_path) as start:
        start(host.model_dir, extra=host.extra)
        client = InferenceClient(host.config)
        await client.start()
        await loaded(client)
        host.release(host.installed / "good", serial=100)
        answer = await client.load("good")
        assert answer.accepted, answer.why
        await client.close()

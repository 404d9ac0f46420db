"""What is paid: peers, alphabets, foreign telemetry, surprise."""

import lzma
import math

import numpy as np
import pytest
import torch

from ordertrainer.nets.mixture import bits
from ordertrainer.nets.order import Shape
from ordertrainer.policy.levels import Trained
from ordertrainer.pretrain import hosts, peers
from ordertrainer.pretrain.alphabet import Alphabet, Ranks
from ordertrainer.pretrain.cost import Table, charges, mean_bits, table
from ordertrainer.pretrain.fitted import Fit, fit, windows, zero_shot
from ordertrainer.pretrain.foreign import ForeignError, read_foreign
from ordertrainer.pretrain.foreigners import NOTHING, TRAIN_PART, score
from ordertrainer.pretrain.novelty import Surprise, choose, told_apart
from ordertrainer.pretrain.simulated import courses

SMALL = Shape(width=16, hidden=24, layers=1, heads=2, dropout=0.0)
NAN = math.nan


def _walk(rows=400, columns=3, step=2, seed=0):
    rng = np.random.default_rng(seed)
    return np.clip(128 + np.cumsum(rng.integers(-step, step + 1, (rows, columns)), axis=0), 0, 255).astype(np.uint8)


def test_xz_is_what_xz_says():
    """The peer is the library's own stream of the differences, so that nobody can have made it worse."""
    walk = _walk()
    deltas = b"".join(np.diff(column, prepend=np.uint8(0)).tobytes() for column in walk.T)
    chain = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME}]
    packed = lzma.compress(deltas, format=lzma.FORMAT_RAW, filters=chain)
    assert peers.xz_bits(list(walk.T)) == 8 * len(packed)
    assert lzma.decompress(packed, format=lzma.FORMAT_RAW, filters=chain) == deltas


def test_persistence_is_sure_of_what_stands_still_and_not_of_what_moves():
    """A constant becomes free; a walk costs about its entropy."""
    still, moving = torch.full((200, 1), 40.0), torch.from_numpy(_walk(4000, 1)).float()
    cost = bits(peers.persistence(still), still[1:])
    assert float(cost[100:].mean()) < 0.05
    cost = bits(peers.persistence(moving), moving[1:])
    assert math.log2(5) - 0.1 < float(cost[100:].mean()) < math.log2(5) + 0.6


def _regressed(codes):
    return peers.Autoregression(weights=torch.ones(1, 9) / 9).forecast(codes, torch.zeros(3, dtype=torch.int64))


@pytest.mark.parametrize("forecast", [peers.persistence, _regressed])
def test_no_peer_knows_the_future(forecast):
    """What comes later changes nothing that was forecast before."""
    codes = torch.from_numpy(_walk(60)).float()
    changed = codes.clone()
    changed[30:] = 255.0 - changed[30:]
    for before, after in zip(forecast(codes), forecast(changed), strict=True):
        assert torch.equal(before[:30], after[:30])
        assert before.shape == after.shape


def test_an_autoregression_finds_what_is_linear():
    """A signal that grows evenly is forecast, where the last value is always late."""
    ramp = (torch.arange(0.0, 240.0, 3.0) % 256)[:, None]
    fitted = peers.fit([(ramp, torch.zeros(1, dtype=torch.int64))], 1)
    forecast = fitted.forecast(ramp, torch.zeros(1, dtype=torch.int64))
    assert float((forecast.mean[20:, 0, 0] - ramp[21:, 0] - 0.5).abs().max()) < 0.2


def test_missing_values_do_not_stop_a_peer():
    """The last value that was known stands in, and errors nobody knows are not learned from."""
    codes = torch.from_numpy(_walk(50)).float()
    codes[10:20, 1] = NAN
    codes[:5, 2] = NAN
    said = peers.persistence(codes)
    assert bool(torch.isfinite(said.mean).all())
    assert said.mean[15, 1, 0] == codes[9, 1] + 0.5


def test_an_alphabet_is_a_code():
    """At every moment the prices of all 256 codes are those of one distribution: what is saved is not made up."""
    codes = torch.from_numpy(_walk(40, 2, step=1)).long()
    told = torch.softmax(torch.randn(40, 2, 256, generator=torch.Generator().manual_seed(0)), -1)
    for at in (0, 1, 20, 39):
        total = torch.zeros(2)
        for code in range(256):
            changed = codes.clone()
            changed[at] = code
            price = Alphabet(changed).bits(told[at : at + 1], changed[at : at + 1], at)
            total += torch.exp2(-price[0])
        torch.testing.assert_close(total, torch.ones(2), rtol=1e-3, atol=1e-3)


def test_an_alphabet_saves_what_a_coarse_channel_wastes():
    """Of 256 codes a channel that uses four, evenly apart, costs two bits, whatever a flat forecast says."""
    codes = torch.from_numpy(np.random.default_rng(0).choice([32, 96, 160, 224], (2000, 1))).long()
    flat = torch.full((2000, 1, 256), 1.0 / 256)
    paid = Alphabet(codes).bits(flat, codes, 0)
    assert 1.99 < float(paid[200:].mean()) < 2.02
    assert float(paid[:1].mean()) == pytest.approx(8.0, abs=0.1)


def test_what_was_never_shown_counts_for_the_nearest_code():
    """A forecast that is sure of a code between two steps of a coarse channel is paid for the nearer one."""
    codes = torch.tensor([[10], [20]] * 50)
    sure = torch.full((1, 1, 256), 1e-4)
    sure[0, 0, 13] = 1.0 - 255e-4
    assert float(Alphabet(codes).bits(sure, torch.tensor([[10]]), 99)) < 0.1
    assert float(Alphabet(codes).bits(sure, torch.tensor([[20]]), 99)) > 4.0


def test_ranks_are_a_code():
    """Known codes share what is left after the rare unknown one, whose price all other codes have: the whole adds up to 1."""
    shown = torch.tensor([[10, 3], [20, 3], [250, 4]])
    ranks = Ranks(shown)
    assert ranks.of(torch.tensor([[20, 4], [249, 200], [0, 0]])).tolist() == [[1, 1], [1, 1], [0, 0]]
    even = torch.tensor([[3.0, 2.0]]).log2()
    total = sum(torch.exp2(-ranks.bits(even, torch.full((1, 2), code))[0]) for code in range(256))
    torch.testing.assert_close(total, torch.ones(2))
    assert float(ranks.bits(even, torch.tensor([[20, 3]]))[0, 1]) == pytest.approx(1.0, abs=1e-3)


def test_a_table_shows_what_the_network_was_charged_for(untrained, world, held):
    """Its codes are those of the course, one row more than its charges, and its sum is the network's."""
    (course,) = courses(world, Trained(world, held), hosts=1, seconds=25, seed=4)
    found = table(untrained, course)
    charged = charges(untrained, course.moments)
    assert found.codes.shape[0] == found.bits.shape[0] + 1 == 26
    assert int(found.asked.sum()) == int(charged.of_host.sum() + charged.of_entities.sum())
    assert float(found.bits.sum() / found.asked.sum()) == pytest.approx(mean_bits(untrained, course.moments), rel=1e-4)
    assert not torch.isnan(found.codes[1:][found.asked]).any()


def test_everybody_is_charged_for_the_same_values():
    """A network that says what persistence says is charged the same; what nobody asked for is free."""
    codes = torch.from_numpy(_walk(100)).float()
    asked = torch.ones(99, 3, dtype=torch.bool)
    asked[40:60, 1] = False
    charged = bits(peers.persistence(codes), codes[1:])
    one = Table(codes=codes, bits=charged, asked=asked, signal=torch.arange(3))
    found = hosts.score([one, one], peers.fit([(codes, torch.arange(3))], 3), seed=0, resamples=20)
    assert found["values"] == 2 * (83 * 3 - 20)
    rows = found["bits_per_value"]
    assert rows["network"]["bits"] == rows["adaptive persistence"]["bits"]
    assert rows["network"]["low"] <= rows["network"]["bits"] <= rows["network"]["high"]
    assert rows["xz of deltas"]["bits"] > 0


def test_foreign_files_are_read_in_both_forms(tmp_path):
    """Runs are cut after two thirds, named parts where their authors cut them; ranges come from the part to fit to."""
    values = np.arange(30, dtype=np.float32).reshape(15, 2)
    np.savez(tmp_path / "runs.npz", values=values, offsets=np.array([0, 9, 15]))
    first, second = read_foreign(tmp_path / "runs.npz")
    assert (len(first.fitted), len(first.scored), len(second.fitted), len(second.scored)) == (6, 3, 4, 2)
    assert (int(first.fitted[0, 0]), int(second.scored[-1, 0])) == (0, 255)
    parts = {"a|x|train": np.array([[0.0], [1.0]]), "a|x|test": np.array([[0.5]]), "a|x|label": np.array([0])}
    np.savez(tmp_path / "parts.npz", **parts)
    (only,) = read_foreign(tmp_path / "parts.npz")
    assert (only.name, only.scored.tolist()) == ("a|x", [[128]])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"labels": np.zeros(3)}, "neither `values`"),
        ({"a|x|train": np.zeros((3, 2)), "a|x|test": np.zeros((3, 4))}, "different numbers"),
    ],
)
def test_foreign_files_of_another_form_are_refused(tmp_path, arrays, message):
    """With the file's name, and what is wanted."""
    np.savez(tmp_path / "f.npz", **arrays)
    with pytest.raises(ForeignError, match=message):
        read_foreign(tmp_path / "f.npz")
    (tmp_path / "g.npz").write_bytes(b"nothing")
    with pytest.raises(ForeignError, match=r"g\.npz"):
        read_foreign(tmp_path / "g.npz")


def test_windows_of_foreign_samples_end_before_them():
    """Slots are the samples 1, 2, 3, 5, 9 .. before, and missing before the first."""
    codes = torch.arange(100.0)[:, None]
    found = windows(codes, torch.tensor([70, 3]))[..., 0]
    assert found[0].tolist() == [69.0, 68.0, 67.0, 65.0, 61.0, 53.0, 37.0, 5.0]
    assert found[1, :3].tolist() == [2.0, 1.0, 0.0]
    assert bool(torch.isnan(found[1, 3:]).all())


def test_a_fitted_network_tells_channels_from_those_before_them():
    """Two channels that are the same cost as much as one, and a little."""
    walk = _walk(600, 1, step=6)
    both = torch.from_numpy(np.concatenate((walk, walk), axis=1)).float()
    net = fit([both], Fit(steps=150, batch=32, shape=SMALL), lambda _share: None)
    with torch.inference_mode():
        at = torch.arange(100, 600)
        paid = net.cost(windows(both, at), both[at]).mean(0)
    assert float(paid[1]) < float(paid[0]) - 0.5


def test_zero_shot_forecasts_are_distributions_of_any_number_of_channels(untrained):
    """Also of more channels than there are signals, and of each from its own slots alone."""
    codes = torch.randint(0, 256, (90, 70), generator=torch.Generator().manual_seed(0)).float()
    at = torch.tensor([80, 81])
    told = zero_shot(untrained)(windows(codes, at), codes[at])
    assert told.shape == (2, 70, 256)
    torch.testing.assert_close(told.sum(-1), torch.ones(2, 70))
    codes[:, 1:] = 0.0
    assert torch.equal(zero_shot(untrained)(windows(codes, at), codes[at])[:, 0], told[:, 0])


def test_rows_say_what_they_were_fitted_to(untrained, tmp_path):
    """And the fitted row is only there when it is asked for."""
    np.savez(tmp_path / "f.npz", values=_walk(300, 2).astype(np.float32))
    rows = score(read_foreign(tmp_path / "f.npz"), untrained, None, lambda _what, _share: None)["rows"]
    assert {name: row["fitted_to"] for name, row in rows.items()} == {
        "network, zero-shot": NOTHING, "adaptive persistence": NOTHING, "autoregression": TRAIN_PART, "xz of deltas": NOTHING,
    }  # fmt: skip
    assert all(0.0 < row["bits"] < 9.0 for row in rows.values())
    fitted = score(read_foreign(tmp_path / "f.npz"), untrained, Fit(steps=3, batch=4, shape=SMALL), lambda _what, _share: None)
    assert fitted["rows"]["network, fitted"]["fitted_to"] == TRAIN_PART


def _surprise(fault, peak, seconds=30, way="good"):
    landed = np.arange(seconds, dtype=np.float32) - 10 if fault else np.full(seconds, np.nan, np.float32)
    said = np.full(seconds, 0.1, np.float32)
    said[12] = peak
    return Surprise(fault=fault, landed=landed, ways={"good": said, "bad": -said})


def test_surprise_after_the_landing_tells_faulty_from_quiet_hosts():
    """Peaks within ten seconds count; the way that tells best on the families for choosing is chosen."""
    ill, calm = [_surprise("f", 1.0 + n / 10) for n in range(8)], [_surprise("", 0.2) for _ in range(8)]
    assert choose(ill, calm) == "good"
    found = told_apart(ill, calm, "good", 0)
    assert (found["auc"], found["faulty"], found["families"]) == (1.0, 8, {"f": 1.0})
    late = [_surprise("f", 0.1) for _ in range(8)]
    for each in late:
        each.ways["good"][25] = 9.0
    assert told_apart(late, calm, "good", 0)["auc"] < 0.6

"""The frames between orderd and orderd-infer."""

import math
import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderd.domain.clock import Instant
from orderd.domain.faults import FAILURES, Entity, EntityKind
from orderd.domain.signals import HOST_SIGNALS
from orderd.domain.values import EntityRow, ModelInfo, Sample, entity_values
from orderd.domain.window import History
from orderd.errors import InferenceError
from orderd.inference import protocol
from orderd.inference.protocol import HEADER, Frame, Kind, Status


def window_of(entities):
    """Return a window of so many mounts."""
    rows = tuple(
        EntityRow(entity=Entity(kind=EntityKind.MOUNT, key=f"/{i}"), values=entity_values(mount_used_ratio=0.5))
        for i in range(entities)
    )
    at = Instant(mono_ns=1, utc_ns=1)
    return History().add(Sample(at=at, cause="timer", host=(math.nan,) * len(HOST_SIGNALS), entities=rows))


def split(frame):
    """Return header and body of an encoded frame."""
    raw = frame.encode()
    return protocol.decode_header(raw[: HEADER.size]), raw[HEADER.size :]


@pytest.mark.parametrize("entities", [0, 1, 7, protocol.ENTITIES_MAX])
def test_request_carries_the_window_byte_for_byte(entities):
    """Kinds, host and rows arrive as they were, NaN included."""
    window = window_of(entities)
    header, body = split(protocol.classify_frame(window, 9))
    assert (header.kind, header.entities, header.request_id) == (Kind.CLASSIFY, entities, 9)
    assert body == window.kinds.tobytes() + window.host.tobytes() + window.rows.tobytes()


def test_window_over_the_bound_is_not_sent():
    """More than ENTITIES_MAX entities are refused before a frame is made."""
    with pytest.raises(InferenceError, match="at most 512"):
        protocol.classify_frame(window_of(protocol.ENTITIES_MAX + 1), 1)


@pytest.mark.parametrize(
    "raw",
    [
        HEADER.pack(0, 99, 0, 0, 1),
        HEADER.pack(0, Kind.INFO, 99, 0, 1),
        HEADER.pack(1 << 31, Kind.INFO, 0, 0, 1),
        HEADER.pack(8, Kind.CLASSIFY, 0, 1, 1),
        HEADER.pack(protocol.classify_bytes(600), Kind.CLASSIFY, 0, 600, 1),
        HEADER.pack(protocol.TEXT_BYTES_MAX + 1, Kind.SCORES, Status.FAILED, 0, 1),
    ],
)
def test_header_that_lies_is_refused(raw):
    """Unknown words, and lengths other than the number of entities implies, are refused before a body is read."""
    with pytest.raises(InferenceError):
        protocol.decode_header(raw)


@given(st.binary(min_size=HEADER.size, max_size=HEADER.size))
def test_any_header_is_bounded_or_refused(raw):
    """No sixteen bytes make the reader wait for more than the largest window."""
    try:
        header = protocol.decode_header(raw)
    except InferenceError:
        return
    assert header.body_bytes <= max(protocol.classify_bytes(protocol.ENTITIES_MAX), protocol.TEXT_BYTES_MAX)


def scores_body(rows, wrong):
    """Return a SCORES body."""
    flat = [value for row in rows for value in row]
    return struct.pack(f"<{len(flat) + 1}f", *flat, wrong)


OK_ROW = [1.0] + [0.0] * (len(FAILURES) - 1)


def test_scores_arrive():
    """A reply becomes one distribution per entity and P(anything wrong)."""
    reply = Frame(kind=Kind.SCORES, request_id=1, entities=2, body=scores_body([OK_ROW, OK_ROW], 0.25))
    scores = protocol.decode_scores(*split(reply))
    assert scores.failures == (tuple(OK_ROW), tuple(OK_ROW))
    assert scores.wrong == 0.25


@pytest.mark.parametrize(
    ("row", "wrong"),
    [
        ([math.nan, *OK_ROW[1:]], 0.0),
        ([0.5, *OK_ROW[1:]], 0.0),
        ([math.inf, *OK_ROW[1:]], 0.0),
        (OK_ROW, math.nan),
        (OK_ROW, 1.5),
    ],
)
def test_scores_that_are_no_probabilities_are_refused(row, wrong):
    """Orderd does not believe a row that is no distribution, whatever the program says of it."""
    reply = Frame(kind=Kind.SCORES, request_id=1, entities=1, body=scores_body([row], wrong))
    with pytest.raises(InferenceError):
        protocol.decode_scores(*split(reply))


def test_refusal_carries_its_reason():
    """The words of the program are the words of the error, cut to the bound."""
    reply = protocol.refusal_frame(4, Status.NO_MODEL, "no model: " + "é" * 10_000)
    with pytest.raises(InferenceError, match="no model: é"):
        protocol.decode_scores(*split(reply))


@given(st.text(max_size=3000))
def test_info_survives_any_words(why):
    """ModelInfo arrives within the bound, whatever characters its reason has."""
    info = ModelInfo(loaded=False, why=why.encode(errors="replace").decode())
    _, body = split(protocol.info_frame(info, 0))
    assert protocol.decode_info(body).why == info.why[: protocol.TEXT_BYTES_MAX // 8]


def test_garbled_info_is_refused():
    """Bytes that are no ModelInfo raise InferenceError and nothing else."""
    rng = random.Random(1)
    for size in range(200):
        with pytest.raises(InferenceError):
            protocol.decode_info(rng.randbytes(size))

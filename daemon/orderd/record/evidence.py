"""Evidence <-> a row of the journal. Pure: takes a connection, runs no transaction of its own.

Scores are packed: a window of 64 entities would be 20 KiB of JSON. Models answer in float32; where float32 would change a number
it is kept as float64, so that what is read is what was recorded.
"""

import sqlite3
import struct
from collections.abc import Sequence
from itertools import chain
from typing import Final

from orderd.domain.schema import widened
from orderd.domain.values import Evidence, Scores

WINDOW_BYTES_MAX: Final = 1 << 20
"""A larger window is not kept: the decision is worth more than what it was made from."""

_HEADER: Final = struct.Struct("<cHHd")
_NARROW: Final = b"f"
_WIDE: Final = b"d"


def pack_scores(scores: Scores) -> bytes:
    """Return scores as bytes: type code, rows, columns, P(anything wrong), then the rows, all little-endian."""
    flat = list(chain.from_iterable(scores.failures))
    columns = len(scores.failures[0]) if scores.failures else 0
    narrow = _pack(_NARROW, flat)
    exact = all(a == b or a != a for a, b in zip(_unpack(_NARROW, narrow), flat, strict=True))  # noqa: PLR0124 - NaN is not equal to itself
    code, body = (_NARROW, narrow) if exact else (_WIDE, _pack(_WIDE, flat))
    return _HEADER.pack(code, len(scores.failures), columns, scores.wrong) + body


def unpack_scores(packed: bytes) -> Scores:
    """Read what ``pack_scores`` wrote.

    Raises:
        ValueError: it is something else.
    """
    try:
        code, count, columns, wrong = _HEADER.unpack_from(packed)
        body = _unpack(code, packed[_HEADER.size :])
    except (struct.error, KeyError) as error:
        msg = f"scores are damaged: {error}"
        raise ValueError(msg) from error
    if len(body) != count * columns:
        msg = f"scores have {len(body)} numbers instead of {count} x {columns}"
        raise ValueError(msg)
    return Scores(failures=tuple(body[i * columns : (i + 1) * columns] for i in range(count)), wrong=wrong)


_BYTES: Final = {_NARROW: 4, _WIDE: 8}


def _pack(code: bytes, numbers: Sequence[float]) -> bytes:
    return struct.pack(f"<{len(numbers)}{code.decode()}", *numbers)


def _unpack(code: bytes, packed: bytes) -> tuple[float, ...]:
    return struct.unpack(f"<{len(packed) // _BYTES[code]}{code.decode()}", packed)


def insert(connection: sqlite3.Connection, number: int, evidence: Evidence) -> tuple[int, int]:
    """Insert the evidence of a decision under its number; return bytes of window and scores, and of facts."""
    window = evidence.window if evidence.window is None or len(evidence.window) <= WINDOW_BYTES_MAX else None
    scores = None if evidence.scores is None else pack_scores(evidence.scores)
    connection.execute(
        "INSERT INTO evidence (number, facts, scores, window) VALUES (?, ?, ?, ?)",
        (number, evidence.facts, scores, window),
    )
    return len(window or b"") + len(scores or b""), len(evidence.facts)


def select(connection: sqlite3.Connection, decision_id: str) -> Evidence | None:
    """Return the evidence of a decision, what an older release scored as today's; None when there is none."""
    found = connection.execute(
        "SELECT facts, scores, window FROM evidence WHERE number = (SELECT number FROM decisions WHERE decision_id = ?)",
        (decision_id,),
    ).fetchone()
    if found is None:
        return None
    facts, scores, window = found
    return Evidence(decision_id=decision_id, window=window, scores=None if scores is None else _today(scores), facts=facts)


def _today(packed: bytes) -> Scores:
    recorded = unpack_scores(packed)
    return Scores(failures=tuple(map(widened, recorded.failures)), wrong=recorded.wrong)

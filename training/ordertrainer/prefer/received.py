"""Finds ratings: in a host's journal, or in what the trainer received of a fleet. Reads SQLite, Parquet and segments."""

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
from google.protobuf.message import DecodeError

from orderd.domain.schema import schema_digest
from orderd.domain.values import DecisionRecord
from orderd.errors import OrderdError
from orderd.record import JournalReader
from orderd.v1.decision_pb2 import Decision
from orderd.v1.telemetry_pb2 import PushRequest
from orderd.wire import decision_from_wire
from ordertrainer.prefer.errors import PreferError
from ordertrainer.prefer.ratings import Rated
from ordertrainer.serve.errors import ServeError
from ordertrainer.serve.layout import Layout
from ordertrainer.serve.wal import read_segment

PAGE: Final = 1000
RATED: Final = "rated"
WORDS: Final = re.compile(r"(?:(?P<by>.*?): )?(?P<verdict>good|bad)(?:: .*)?", re.DOTALL)
"""How the journal words a rating: who, good or bad, and a note, by colons; no name of a caller has a colon and a blank."""


def ratings_in(source: Path) -> list[Rated]:
    """Return the newest rating of every decision that has one.

    Args:
        source: a journal, or a data directory of `ordertrainer serve`.

    Raises:
        PreferError: it is neither, or cannot be read.
    """
    try:
        return list(_of_fleet(Layout(root=source)) if source.is_dir() else _of_journal(source))
    except (OSError, ValueError, DecodeError, pa.ArrowException, OrderdError, ServeError) as error:
        raise PreferError(f"{source}: neither a journal nor a data directory that can be read: {error}") from error


def _of_journal(file: Path) -> Iterator[Rated]:
    reader = JournalReader.open(file)
    try:
        before = ""
        while page := reader.page(PAGE, before):
            for record in page:
                if any(step.what == RATED for step in record.steps) and (said := reader.ratings(record.decision.decision_id)):
                    incident = reader.incident(record.decision.incident_id)
                    yield Rated(host=str(file), record=record, incident=incident, good=said[0].good, by=said[0].by)
            before = page[-1].decision.decision_id
    finally:
        reader.close()


def _of_fleet(layout: Layout) -> Iterator[Rated]:
    incidents: dict[tuple[str, str], dict[str, DecisionRecord]] = defaultdict(dict)
    for host, message in _received(layout):
        record = decision_from_wire(message)
        incidents[host, record.decision.incident_id][record.decision.decision_id] = record
    for (host, _), incident in incidents.items():
        for record in incident.values():
            said = next((WORDS.fullmatch(step.detail) for step in reversed(record.steps) if step.what == RATED), None)
            if said:
                good, by = said["verdict"] == "good", said["by"] or ""
                yield Rated(host=host, record=record, incident=list(incident.values()), good=good, by=by)


def _received(layout: Layout) -> Iterator[tuple[str, Decision]]:
    """Yield every state of every decision, oldest first: what is in Parquet by now, then what is not yet."""
    for path in layout.files():
        if path.parts[-3] == "decisions":
            for message in pq.read_table(path, columns=["message"], partitioning=None)["message"].to_pylist():
                yield path.parent.name.removeprefix("host="), Decision.FromString(message)
    for segment in layout.segments():
        for payload in read_segment(segment, schema_digest()):
            request = PushRequest.FromString(payload)
            for decision in request.decisions:
                yield request.host_id, decision

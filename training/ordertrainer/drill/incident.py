"""Incidents become regression drills: what once went wrong on a host is caused again, on the same kind of target.

Touches: reads a file of `orderctl show ID --json`, or a journal; playbooks/faults.

Where a person overruled orderd (said no to a repair, or rated one as bad), orderd was wrong to want it. What is drilled then is
something that looks like that failure and is none: a decoy on the same kind of target, and the right end is to leave it alone.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
from google.protobuf import json_format

from orderd.domain.faults import Entity, EntityKind, Failure
from orderd.domain.values import DecisionRecord
from orderd.errors import OrderdError
from orderd.record import JournalReader
from orderd.v1 import decision_pb2
from orderd.wire.decisions import decision_from_wire
from ordertrainer.chaos import Experiment, FaultContract, draw, load_faults
from ordertrainer.drill.battery import FAULTS_DIR, Item
from ordertrainer.drill.errors import DrillError

REJECTED = "rejected"
DRAWS_MAX = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """What has to be known of an incident to cause it again.

    Attributes:
        id: of the decision.
        failure: what was wrong, as orderd said.
        entity: with what.
        overruled: why a person said that orderd was wrong, empty when nobody did.
    """

    id: str
    failure: Failure
    entity: Entity
    overruled: str = ""


def items(source: str, seed: int, faults_dir: Path = FAULTS_DIR) -> list[Item]:
    """Return the plan that causes an incident again.

    Args:
        source: a file of `orderctl show ID --json`, or ID@JOURNAL.
        seed: intensities are drawn from it.
        faults_dir: the catalogue.

    Raises:
        DrillError: it cannot be read, or no fault of the catalogue causes it.
    """
    incident = read(source)
    faults = causes(incident, load_faults(faults_dir).faults)
    return [Item(number=number, experiments=(again(incident, fault, seed),)) for number, fault in enumerate(faults, 1)]


def read(source: str) -> Incident:
    """Read an incident from where it was exported.

    Raises:
        DrillError: it is not there, or not a decision.
    """
    decision_id, _, journal = source.partition("@")
    try:
        return _of_journal(decision_id, Path(journal)) if journal else _of_json(Path(source))
    except (OSError, ValueError, json_format.ParseError, msgspec.DecodeError, OrderdError) as error:
        raise DrillError(f"{source}: is neither a file of `orderctl show ID --json` nor ID@JOURNAL: {error}") from error


def _of_json(file: Path) -> Incident:
    document = msgspec.json.decode(file.read_bytes())
    message = json_format.ParseDict(document, decision_pb2.Decision(), ignore_unknown_fields=True)
    bad = [rating.note or "rated as bad" for rating in message.ratings if not rating.good]
    return _incident(decision_from_wire(message), bad)


def _of_journal(decision_id: str, journal: Path) -> Incident:
    reader = JournalReader.open(journal)
    try:
        found = reader.find(decision_id)
        record = reader.get(found[0]) if len(found) == 1 else None
        if record is None:
            raise DrillError(f"{decision_id} fits {len(found)} decisions of {journal}")
        return _incident(record, [each.note or "rated as bad" for each in reader.ratings(found[0]) if not each.good])
    finally:
        reader.close()


def _incident(record: DecisionRecord, bad: list[str]) -> Incident:
    said = record.decision.diagnosis
    rejected = [step.detail or REJECTED for step in record.steps if step.what == REJECTED]
    return Incident(
        id=record.decision.decision_id,
        failure=said.failure,
        entity=said.entity,
        overruled=next(iter([*rejected, *bad]), ""),
    )


def causes(incident: Incident, faults: Mapping[str, FaultContract]) -> list[FaultContract]:
    """Return the faults that cause an incident again, those that can hit the very target first.

    Raises:
        DrillError: there is none.
    """
    if incident.overruled:
        fitting = [fault for fault in faults.values() if fault.decoy and fault.target is incident.entity.kind]
        what = f"looks like {incident.failure} of a {incident.entity.kind} and is none"
    else:
        fitting = [fault for fault in faults.values() if fault.failure is incident.failure]
        what = f"causes {incident.failure}"
    if not fitting:
        raise DrillError(f"{incident.id}: no fault of the catalogue {what}")
    exact = [fault for fault in fitting if incident.entity.kind is EntityKind.PROCESS or incident.entity.key in fault.targets]
    return exact or fitting


def again(incident: Incident, fault: FaultContract, seed: int) -> Experiment:
    """Draw an experiment that happens to the incident's target, where the fault can."""
    rng = random.Random(f"{seed}/{incident.id}/{fault.name}")  # noqa: S311  has to be drawn again
    drawn = [draw(rng, fault) for _ in range(DRAWS_MAX)]
    return next((each for each in drawn if each.target == incident.entity.key), drawn[0])

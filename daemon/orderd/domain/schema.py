"""The schema: which columns, kinds and classes a model or a record was made with, and how an older one is read today. Pure.

Signals, kinds and failure classes are only ever appended. So every schema there has been is the beginning of today's lists, and
four numbers describe it; its digest is the name that models, telemetry and records carry. A model of an older schema is shown
the columns and kinds it knows, and a window of an older one lacks what nobody measured then.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from orderd.domain.faults import FAILURES, KINDS
from orderd.domain.signals import ENTITY_SIGNALS, HOST_SIGNALS, SLOT_AGES_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """How much of today's lists somebody knew.

    Attributes:
        host: host signals.
        entity: entity signals.
        kinds: entity kinds.
        failures: failure classes that a model tells apart.
    """

    host: int
    entity: int
    kinds: int
    failures: int


SCHEMAS: Final = (
    Schema(host=16, entity=28, kinds=5, failures=10),
    Schema(host=16, entity=42, kinds=7, failures=10),
    Schema(host=len(HOST_SIGNALS), entity=len(ENTITY_SIGNALS), kinds=len(KINDS), failures=len(FAILURES)),
)
"""Every schema that was ever released, oldest first, and today's."""
CURRENT: Final = SCHEMAS[-1]


@cache
def digest_of(schema: Schema) -> str:
    """Return the sha256 over everything that gives a model's input and output their meaning.

    Returns:
        64 hexadecimal digits; equal on two programs only when signals, slots, kinds and failure classes agree in name and order.
    """
    lines = [f"host {s.name}" for s in HOST_SIGNALS[: schema.host]]
    lines += [f"entity {s.name} {','.join(sorted(s.kinds))}" for s in ENTITY_SIGNALS[: schema.entity]]
    lines += [f"slot {age}" for age in SLOT_AGES_S]
    lines += [f"kind {kind}" for kind in KINDS[: schema.kinds]]
    lines += [f"failure {failure}" for failure in FAILURES[: schema.failures]]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def schema_digest() -> str:
    """Return the digest of today's schema."""
    return digest_of(CURRENT)


def known_schema(digest: str) -> Schema | None:
    """Return the schema of a digest, None when it is none of ours: from a newer release, or from somebody else."""
    return next((schema for schema in SCHEMAS if digest_of(schema) == digest), None)


def widened(row: Sequence[float]) -> tuple[float, ...]:
    """Return an older model's probabilities of one entity with nothing for the classes that came after it."""
    return (*row, *(0.0,) * (CURRENT.failures - len(row)))

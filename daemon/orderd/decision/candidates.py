"""Which repairs could answer a diagnosis, by their contracts. Pure."""

from collections.abc import Collection, Iterable

from orderd.domain.repairs import Repair
from orderd.domain.values import Candidate, Diagnosis, EntityRow


def candidates(
    diagnosis: Diagnosis, row: EntityRow | None, repairs: Iterable[Repair], tried: Collection[str]
) -> tuple[Candidate, ...]:
    """List every repair whose contract names the failure and the entity's kind.

    Args:
        diagnosis: what is wrong.
        row: the target's newest signals, None when it is gone.
        repairs: the catalogue.
        tried: names of repairs this incident has already tried.

    Returns:
        Candidates by rung, then name; those that cannot be used say why.
    """
    fitting = [r for r in repairs if diagnosis.failure in r.repairs and r.target is diagnosis.entity.kind]
    fitting.sort(key=lambda r: (r.rung, r.name))
    return tuple(Candidate(repair=r.name, rung=r.rung, refused_because=_refusal(r, row, tried)) for r in fitting)


def _refusal(repair: Repair, row: EntityRow | None, tried: Collection[str]) -> str:
    if repair.name in tried:
        return "already tried in this incident"
    if row is None:
        return "the target is gone"
    unmet = repair.preconditions.unmet(row.values)
    return f"precondition does not hold: {unmet}" if unmet else ""

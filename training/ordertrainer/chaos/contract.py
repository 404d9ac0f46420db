"""One fault's contract.yml, from text to a value or a refusal. Pure.

The shape is declared once, as msgspec structs. What a landed fault looks like and how it is undone are data in the contract,
carried out on the host by playbooks/faults/common/host; `{target}`, `{intensity}` and the contract's own parameters may stand
in their texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Final, Literal

import msgspec
import yaml
from msgspec import Meta

from orderd.domain.faults import KIND_OF, Entity, EntityKind, Failure
from orderd.errors import CatalogueError
from ordertrainer.chaos.steps import Seconds, Sight, Strict, Text, Undo

NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
PLACEHOLDER: Final = re.compile(r"\{(\w*)\}")
NEW: Final = "new"
"""The target of faults that make their own process."""


class Intensity(Strict):
    """How strong the fault can be.

    Attributes:
        unit: for people; ``none`` where there is nothing to vary, and then both bounds are 0.
        min: least.
        max: most.
        whole: only whole numbers make sense.
    """

    unit: Text
    min: float
    max: float
    whole: bool = False


Choice = Annotated[tuple[Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,14}$")], ...], Meta(min_length=1)]
"""A parameter drawn from a list of names."""


class Between(Strict):
    """A whole-numbered parameter drawn from a range, both ends included."""

    from_: int = msgspec.field(name="from")
    to: int


OwnValue = Annotated[str, Meta(min_length=1, max_length=1000)] | int | float
"""What a name stands for on one target."""


class FaultContract(Strict):
    """What a fault is, where it can happen, how it is seen and how it is undone.

    Attributes:
        name: folder name under playbooks/faults.
        summary: one sentence for people.
        group: family, as the catalogue has it.
        failure: the failure class it causes; ``ok`` for decoys, ``unknown`` where orderd has no name for it.
        target: kind of what it happens to.
        targets: keys to draw from; ``new`` where the fault makes its own process.
        intensity: how strong it can be.
        landed: what all has to be seen at once for it to have landed.
        landed_within_s: how long that can take.
        revert: steps, in order.
        ttl_s_max: the revert happens by itself after at most this long.
        cures: repairs that are right; empty when only a person can help.
        decoy: looks broken, is fine.
        needs: what the host must have, else the run is void.
        parameters: what else is drawn.
        of_target: what differs between targets: for each of them the same names, which may stand in braces like parameters.
        breaks: what the guard of a real host must not hold against it: that is what the fault is for.
    """

    name: str
    summary: Text
    group: Text
    failure: Failure
    target: EntityKind
    targets: Annotated[tuple[Text, ...], Meta(min_length=1)]
    intensity: Intensity
    landed: Annotated[tuple[Sight, ...], Meta(min_length=1)]
    landed_within_s: Seconds
    revert: Annotated[tuple[Undo, ...], Meta(min_length=1)]
    ttl_s_max: Annotated[int, Meta(ge=10, le=3600)]
    cures: tuple[Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,63}$")], ...]
    decoy: bool = False
    needs: tuple[Text, ...] = ()
    parameters: dict[Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,30}$")], Choice | Between] = {}  # noqa: RUF012  frozen by msgspec
    of_target: dict[Text, dict[Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,30}$")], OwnValue]] = {}  # noqa: RUF012  as above
    breaks: tuple[Literal["ssh", "grpc", "gateway", "dns"], ...] = ()


def parse_contract(text: bytes, *, file: str, folder: str) -> FaultContract:
    """Turn the text of a contract into a value.

    Args:
        text: content of contract.yml.
        file: its path, for messages only.
        folder: name of the folder it lies in; ``name`` has to be the same.

    Raises:
        CatalogueError: anything in it is not allowed; says file, key and what is allowed.
    """
    try:
        contract = msgspec.convert(_document(text), FaultContract)
    except yaml.YAMLError as error:
        raise CatalogueError(f"{file}: not YAML: {' '.join(str(error).split())}") from error
    except msgspec.ValidationError as error:
        raise CatalogueError(f"{file}: {_said(str(error))}") from error
    for key, value, allowed in _disagreements(contract, folder):
        raise CatalogueError(f"{file}: {key} = {value!r}; allowed: {allowed}")
    return contract


def placeholders(steps: tuple[Sight, ...] | tuple[Undo, ...]) -> set[str]:
    """Return the names that stand in braces anywhere in some steps."""
    texts = (value for step in steps for value in msgspec.structs.asdict(step).values() if isinstance(value, str))
    return {name for text in texts for name in PLACEHOLDER.findall(text)}


def _document(text: bytes) -> object:
    """Return the document, an empty mapping for an empty file, so that the refusal names what is missing."""
    return yaml.safe_load(text) or {}


def _said(message: str) -> str:
    """Turn ``Expected ... - at `$.ttl_s_max``` round: the key first."""
    what, found, where = message.rpartition(" - at `$")
    return f"{where.strip('.`')}: {what}" if found else message


def _disagreements(contract: FaultContract, folder: str) -> Iterator[tuple[str, object, str]]:
    """Yield what a type cannot say: key, value and what is allowed, wherever values do not agree with each other."""
    if contract.name != folder or NAME.fullmatch(folder) is None:
        yield "name", contract.name, f"the folder's own name {folder!r}, like {NAME.pattern}"
    yield from _about_failure(contract)
    yield from _about_targets(contract)
    if contract.intensity.min > contract.intensity.max:
        yield "intensity.min", contract.intensity.min, f"at most intensity.max = {contract.intensity.max}"
    for name, parameter in contract.parameters.items():
        if isinstance(parameter, Between) and parameter.from_ > parameter.to:
            yield f"parameters.{name}.from", parameter.from_, f"at most its `to` = {parameter.to}"
    yield from _about_own_values(contract)
    known = {"target", "intensity", *contract.parameters, *_own_names(contract)}
    for key, steps in (("landed", contract.landed), ("revert", contract.revert)):
        if unknown := placeholders(steps) - known:
            yield key, sorted(unknown), f"in braces: {', '.join(sorted(known))}"


def _about_failure(contract: FaultContract) -> Iterator[tuple[str, object, str]]:
    if contract.decoy != (contract.failure is Failure.OK):
        yield "failure", contract.failure.value, "'ok' for a decoy, and for nothing else"
    if contract.failure in KIND_OF and KIND_OF[contract.failure] is not contract.target:
        yield "target", contract.target.value, f"{KIND_OF[contract.failure].value!r}: what {contract.failure.value} happens to"
    if contract.failure is Failure.UNKNOWN and contract.cures:
        yield "cures", contract.cures, "none for an unknown failure: nobody can choose a repair for what has no name"
    if contract.decoy and contract.cures:
        yield "cures", contract.cures, "none for a decoy: leaving it alone is right"


def _own_names(contract: FaultContract) -> set[str]:
    return {name for own in contract.of_target.values() for name in own}


def _about_own_values(contract: FaultContract) -> Iterator[tuple[str, object, str]]:
    names, drawn = _own_names(contract), {"target", "intensity", *contract.parameters}
    if contract.of_target and set(contract.of_target) != set(contract.targets):
        yield "of_target", sorted(contract.of_target), f"one entry for each of {', '.join(contract.targets)}"
    if twice := names & drawn:
        yield "of_target", sorted(twice), "names that nothing else has"
    for target, own in contract.of_target.items():
        if set(own) != names:
            yield f"of_target.{target}", sorted(own), f"the same names for every target: {', '.join(sorted(names))}"
        texts = (value for value in own.values() if isinstance(value, str))
        if unknown := {name for text in texts for name in PLACEHOLDER.findall(text)} - drawn:
            yield f"of_target.{target}", sorted(unknown), f"in braces: {', '.join(sorted(drawn))}"


def _about_targets(contract: FaultContract) -> Iterator[tuple[str, object, str]]:
    for key in contract.targets:
        if contract.target is EntityKind.PROCESS:
            if key != NEW:
                yield "targets", key, f"{NEW!r}: the fault makes its own process"
            continue
        try:
            Entity(kind=contract.target, key=key)
        except ValueError:
            yield "targets", key, f"keys of the kind {contract.target.value!r}"

"""One contract.yml, from untrusted text to a :class:`orderd.domain.repairs.Repair` or a refusal. Pure.

The shape is declared once, as msgspec structs; what a refusal says (file, key, value, what is allowed) is derived from the
decoder's own message, so that it can never disagree with the check.
"""

import re
from typing import Annotated, Any, Final

import msgspec
import yaml

from orderd.catalogue.touches import why_refused
from orderd.domain.faults import KIND_OF, EntityKind, Failure
from orderd.domain.repairs import BlastRadius, Comparison, Condition, Op, Repair, Risk, Verify
from orderd.domain.signals import ENTITY_SIGNALS
from orderd.errors import CatalogueError

NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
UNDO_NONE: Final = "none:"
_UNDO_FILE: Final = re.compile(r"[a-z][a-z0-9_]{0,59}\.yml")
_AT: Final = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
_MISSING: Final = re.compile(r"missing required field `(?P<key>\w+)`")
_UNKNOWN: Final = re.compile(r"contains unknown field `(?P<key>\w+)`")
_STEP: Final = re.compile(r"\w+")

Seconds = Annotated[float, msgspec.Meta(gt=0, le=3600)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=300)]


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every part of a contract has in common: nothing unknown, nothing mutable."""


class _Comparison(_Strict, frozen=True, kw_only=True):
    signal: str
    op: Op
    value: float
    missing_holds: bool = False


class _Alternatives(_Strict, frozen=True, kw_only=True):
    any: Annotated[tuple[_Comparison, ...], msgspec.Meta(min_length=1, max_length=8)]


_Conditions = Annotated[tuple[_Alternatives, ...], msgspec.Meta(max_length=16)]


class _Verify(_Strict, frozen=True, kw_only=True):
    healthy: _Conditions
    hold_s: Seconds
    within_s: Seconds
    absent_is_healthy: bool = False


class _Contract(_Strict, frozen=True, kw_only=True):
    name: str
    summary: Text
    repairs: Annotated[tuple[Failure, ...], msgspec.Meta(min_length=1)]
    target: EntityKind
    rung: Annotated[int, msgspec.Meta(ge=0, le=9)] = 0
    preconditions: _Conditions
    touches: Annotated[tuple[Text, ...], msgspec.Meta(min_length=1, max_length=16)]
    risk: Risk
    deadline_s: Annotated[float, msgspec.Meta(gt=0, le=300)]
    cooldown_s: Annotated[float, msgspec.Meta(ge=0, le=86400)]
    verify: _Verify
    undo: Text
    idempotent: bool
    blast_radius: BlastRadius


def parse_contract(text: bytes, *, file: str, folder: str) -> Repair:
    """Turn the text of a contract into a repair.

    Args:
        text: content of contract.yml.
        file: its path, for messages only.
        folder: name of the folder it lies in; ``name`` has to be the same.

    Returns:
        The repair it describes.

    Raises:
        CatalogueError: anything in it is not allowed; says file, key, value and what is allowed.
    """
    raw = _read_yaml(text, file)
    try:
        contract = msgspec.convert(_wrap_single_comparisons(raw), _Contract)
    except msgspec.ValidationError as error:
        raise _refusal(file, raw, str(error)) from error
    _check_relations(contract, file=file, folder=folder)
    return _to_domain(contract)


def _read_yaml(text: bytes, file: str) -> dict[str, Any]:
    try:
        raw = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  both are safe loaders
    except yaml.YAMLError as error:
        msg = f"{file}: not YAML: {' '.join(str(error).split())}"
        raise CatalogueError(msg) from error
    if not isinstance(raw, dict):
        msg = f"{file}: holds a {type(raw).__name__}; allowed: a mapping of contract keys"
        raise CatalogueError(msg)
    return raw


def _wrap_single_comparisons(raw: dict[str, Any]) -> dict[str, Any]:
    """Give every condition the one shape ``{any: [...]}``, so that a plain comparison may be written without it."""
    wrapped = dict(raw)
    if isinstance(raw.get("preconditions"), list):
        wrapped["preconditions"] = [_as_any(entry) for entry in raw["preconditions"]]
    verify = raw.get("verify")
    if isinstance(verify, dict) and isinstance(verify.get("healthy"), list):
        wrapped["verify"] = verify | {"healthy": [_as_any(entry) for entry in verify["healthy"]]}
    return wrapped


def _as_any(entry: object) -> object:
    return entry if not isinstance(entry, dict) or "any" in entry else {"any": [entry]}


def _refusal(file: str, raw: dict[str, Any], message: str) -> CatalogueError:
    """Build the refusal for a decoder message such as ``Expected `float` > 0 - at `$.deadline_s```."""
    at = _AT.search(message)
    path = at["path"] if at else ""
    allowed = _AT.sub("", message)
    if missing := _MISSING.search(message):
        return CatalogueError(f"{file}: {_join(path, missing['key'])} is missing; allowed: every contract states it")
    if unknown := _UNKNOWN.search(message):
        key = _join(path, unknown["key"])
        return CatalogueError(f"{file}: {key} = {_look_up(raw, key)!r}: unknown key; allowed: the keys of a contract")
    return CatalogueError(f"{file}: {path} = {_look_up(raw, path)!r}; allowed: {allowed}")


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _look_up(raw: object, path: str) -> object:
    """Follow ``verify.healthy[0].any[1].op`` through the raw document, through the wrapping we added ourselves."""
    steps = _STEP.findall(path)
    value = raw
    while steps:
        step = steps.pop(0)
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        elif step == "any" and steps:
            steps.pop(0)  # the index into our own one-element list
        else:
            return None
    return value


def _check_relations(contract: _Contract, *, file: str, folder: str) -> None:
    """Check what a type cannot say: how the values have to agree with each other and with the rest of orderd."""
    if contract.name != folder or NAME.fullmatch(folder) is None:
        msg = f"{file}: name = {contract.name!r}; allowed: the folder's own name {folder!r}, like [a-z][a-z0-9_]*"
        raise CatalogueError(msg)
    _check_failures(contract, file)
    _check_touches(contract, file)
    _check_signals(contract.preconditions, contract.target, f"{file}: preconditions")
    _check_signals(contract.verify.healthy, contract.target, f"{file}: verify.healthy")
    _check_verify(contract.verify, file)
    if not contract.undo.startswith(UNDO_NONE) and _UNDO_FILE.fullmatch(contract.undo) is None:
        msg = f"{file}: undo = {contract.undo!r}; allowed: a playbook of this folder (undo.yml) or 'none: why'"
        raise CatalogueError(msg)


def _check_failures(contract: _Contract, file: str) -> None:
    fitting = [failure for failure, kind in KIND_OF.items() if kind == contract.target]
    for failure in contract.repairs:
        if failure not in fitting:
            msg = f"{file}: repairs = {failure.value!r}; allowed with target {contract.target.value!r}: " + ", ".join(fitting)
            raise CatalogueError(msg)


def _check_touches(contract: _Contract, file: str) -> None:
    for place, touch in enumerate(contract.touches):
        if why := why_refused(touch, contract.target):
            msg = f"{file}: touches[{place}] = {touch!r}; allowed: {why}"
            raise CatalogueError(msg)


def _check_signals(conditions: tuple[_Alternatives, ...], kind: EntityKind, where: str) -> None:
    carried = [signal.name for signal in ENTITY_SIGNALS if kind in signal.kinds]
    for comparison in (c for alternatives in conditions for c in alternatives.any):
        if comparison.signal not in carried:
            msg = f"{where}: signal = {comparison.signal!r}; allowed for a {kind.value}: " + ", ".join(carried)
            raise CatalogueError(msg)


def _check_verify(verify: _Verify, file: str) -> None:
    if verify.hold_s >= verify.within_s:
        msg = f"{file}: verify.hold_s = {verify.hold_s}; allowed: less than verify.within_s = {verify.within_s}"
        raise CatalogueError(msg)
    if not verify.healthy and not verify.absent_is_healthy:
        msg = f"{file}: verify.healthy = []; allowed: at least one comparison, unless absent_is_healthy is true"
        raise CatalogueError(msg)


def _to_domain(contract: _Contract) -> Repair:
    why_none = contract.undo.removeprefix(UNDO_NONE).strip() if contract.undo.startswith(UNDO_NONE) else ""
    fields = {name: getattr(contract, name) for name in _SAME_IN_BOTH}
    return Repair(
        **fields,
        preconditions=_to_condition(contract.preconditions),
        verify=Verify(
            healthy=_to_condition(contract.verify.healthy),
            absent_is_healthy=contract.verify.absent_is_healthy,
            hold_s=contract.verify.hold_s,
            within_s=contract.verify.within_s,
        ),
        undo="" if contract.undo.startswith(UNDO_NONE) else contract.undo,
        undo_none_why=why_none,
    )


_SAME_IN_BOTH: Final = tuple(name for name in _Contract.__struct_fields__ if name not in {"preconditions", "verify", "undo"})


def _to_condition(conditions: tuple[_Alternatives, ...]) -> Condition:
    return Condition(
        all_of=tuple(tuple(Comparison(**msgspec.structs.asdict(c)) for c in alternatives.any) for alternatives in conditions)
    )

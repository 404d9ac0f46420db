"""One experiment: a fault, what it happens to, how strong, and everything else that was drawn. Pure.

An experiment is drawn from a contract and a seed, and can be drawn again from the same. Before it is carried out it is checked
against the contract again, because it may have come from a file or another program.
"""

from __future__ import annotations

import random
import re
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from orderd.domain.faults import EntityKind
from ordertrainer.chaos.contract import PLACEHOLDER, Between, Choice, FaultContract
from ordertrainer.chaos.errors import RequestError

ID: Final = re.compile(r"[a-z][a-z0-9_]{0,63}-[0-9a-f]{8}")
DIGITS: Final = 3
RESOLVERS: Final = frozenset({"dnsmasq.service", "systemd-resolved.service", "unbound.service", "named.service"})


class Experiment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is going to be done to a host.

    Attributes:
        id: name of the experiment on the host, unique there.
        fault: name of the fault.
        target: key of what it happens to, ``new`` where the fault makes its own process.
        intensity: in the contract's unit, between its bounds.
        seed: everything here except the fault follows from it.
        parameters: what else was drawn.
    """

    id: Annotated[str, Meta(pattern=f"^{ID.pattern}$")]
    fault: str
    target: str
    intensity: float
    seed: int
    parameters: dict[str, str | int] = {}


def draw(rng: random.Random, contract: FaultContract, *, intensity_range: tuple[float, float] = (0.0, 1.0)) -> Experiment:
    """Draw an experiment.

    Args:
        rng: is asked for one seed, so that one experiment more or less changes nothing about the next.
        contract: of the fault.
        intensity_range: part of the contract's range to draw from, each end 0 to 1; training and testing use different parts.
    """
    seed = rng.getrandbits(32)
    own = random.Random(seed)  # noqa: S311  experiments have to be drawn again, secrets must not
    target = own.choice(contract.targets)
    low, high = (contract.intensity.min + share * (contract.intensity.max - contract.intensity.min) for share in intensity_range)
    intensity = own.uniform(low, high)
    return Experiment(
        id=f"{contract.name}-{seed:08x}",
        fault=contract.name,
        target=target,
        intensity=float(round(intensity)) if contract.intensity.whole else round(intensity, DIGITS),
        seed=seed,
        parameters={name: _draw_parameter(own, contract.parameters[name]) for name in sorted(contract.parameters)},
    )


def _draw_parameter(rng: random.Random, parameter: Choice | Between) -> str | int:
    if isinstance(parameter, Between):
        return rng.randint(parameter.from_, parameter.to)
    return rng.choice(parameter)


def check(experiment: Experiment, contract: FaultContract) -> None:
    """Check an experiment against its fault's contract.

    Raises:
        RequestError: it holds something that could not have been drawn; says key, value and what is allowed.
    """
    if ID.fullmatch(experiment.id) is None:
        raise RequestError(f"id = {experiment.id!r}; allowed: {ID.pattern}")
    if experiment.target not in contract.targets:
        raise RequestError(f"target = {experiment.target!r}; allowed: {', '.join(contract.targets)}")
    bounds = contract.intensity
    if not bounds.min <= experiment.intensity <= bounds.max:
        raise RequestError(f"intensity = {experiment.intensity!r}; allowed: {bounds.min} to {bounds.max} ({bounds.unit})")
    if different := set(experiment.parameters) ^ set(contract.parameters):
        raise RequestError(f"parameters: {sorted(different)} unknown or missing; allowed: {sorted(contract.parameters)}")
    for name, value in experiment.parameters.items():
        if not _allowed(contract.parameters[name], value):
            raise RequestError(f"parameters.{name} = {value!r}; allowed: {contract.parameters[name]}")


def _allowed(parameter: Choice | Between, value: object) -> bool:
    if isinstance(parameter, Between):
        return type(value) is int and parameter.from_ <= value <= parameter.to
    return value in parameter


def variables(experiment: Experiment, contract: FaultContract, *, ttl_s: float) -> dict[str, Any]:
    """Return what the playbooks find under ``chaos``: the experiment, and its contract's steps with all braces filled in."""
    intensity = int(experiment.intensity) if contract.intensity.whole else experiment.intensity
    values: dict[str, Any] = {"target": experiment.target, "intensity": intensity, **experiment.parameters}
    own = _filled(contract.of_target.get(experiment.target, {}), values)
    values |= own
    return {
        "experiment": experiment.id,
        "target": experiment.target,
        "intensity": intensity,
        "parameters": experiment.parameters,
        "of_target": own,
        "ttl_s": ttl_s,
        "needs": list(contract.needs),
        "about": {
            "fault": contract.name,
            "group": contract.group,
            "target": experiment.target,
            "parameters": experiment.parameters,
            "breaks": sorted(breaks_of(contract, experiment.target)),
        },
        "landed_within_s": contract.landed_within_s,
        "landed": _filled(msgspec.to_builtins(contract.landed), values),
        "revert": _filled(msgspec.to_builtins(contract.revert), values),
    }


def breaks_of(contract: FaultContract, target: str) -> set[str]:
    """Return what a fault breaks because it is meant to: what its contract says, and what follows from its target."""
    broken = set(contract.breaks)
    if contract.target is EntityKind.RESOLVER or contract.group == "dns" or target in RESOLVERS:
        broken.add("dns")
    return broken | ({"grpc"} if target.startswith("orderd") else set())


def _filled(raw: Any, values: dict[str, Any]) -> Any:
    """Fill the braces in every text; a text that is nothing but braces becomes the value itself, with its type."""
    if isinstance(raw, dict):
        return {key: _filled(value, values) for key, value in raw.items()}
    if isinstance(raw, (list, tuple)):
        return [_filled(value, values) for value in raw]
    if not isinstance(raw, str):
        return raw
    whole = PLACEHOLDER.fullmatch(raw)
    return values[whole[1]] if whole else PLACEHOLDER.sub(lambda found: str(values[found[1]]), raw)

"""Carries out experiments: arm, inject, prove, revert, each as a playbook of the fault's own folder.

Touches: the hosts of one inventory, over SSH, through `playbooks`. The revert does not depend on this program: it is armed on
the host before the fault starts.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from orderd.domain.faults import Entity, EntityKind
from ordertrainer.chaos.catalogue import FaultCatalogue, load_faults
from ordertrainer.chaos.contract import FaultContract
from ordertrainer.chaos.errors import InjectionError, PlaybookError, RequestError, Void
from ordertrainer.chaos.experiment import Experiment, check, variables
from ordertrainer.chaos.playbooks import PlaybookResult, Playbooks, Request

INJECT_TIMEOUT_S: Final = 60.0
REVERT_TIMEOUT_S: Final = 120.0
MARGIN_S: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Injected:
    """An experiment that is running.

    Attributes:
        experiment: which one.
        entity: what it happens to, as orderd names it: ``unit:nginx.service``, ``process:PID:STARTTIME``.
        armed_ns: the host's CLOCK_MONOTONIC when the revert was armed, before the fault began.
    """

    experiment: Experiment
    entity: str
    armed_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Landing:
    """What the witness on the host saw.

    Attributes:
        seen: the fault was there in full.
        monotonic_ns: the host's CLOCK_MONOTONIC then; on a disposable host that is this machine's too. 0 when not seen.
    """

    seen: bool
    monotonic_ns: int = 0


class Injector:
    """Breaks the hosts of one inventory, one experiment at a time."""

    def __init__(self, inventory: Path, faults_dir: Path, work_dir: Path) -> None:
        """Remember where everything is; nothing runs yet.

        Args:
            inventory: an Ansible inventory.
            faults_dir: such as playbooks/faults.
            work_dir: temporary directories of runs are made here.
        """
        self.inventory = inventory.resolve()
        self.catalogue: FaultCatalogue = load_faults(faults_dir.resolve())
        self.work_dir = work_dir.resolve()
        self._playbooks = Playbooks()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process that runs playbooks. Faults that are still in place revert themselves when their time is up."""
        self._playbooks.close()

    def inject(self, experiment: Experiment, *, ttl_s: float | None = None) -> Injected:
        """Arm the revert, then break the host.

        Args:
            experiment: as drawn.
            ttl_s: the fault reverts itself after this long; the contract's most when None.

        Raises:
            RequestError: the contract does not allow it; nothing was touched.
            Void: the host lacks what the fault needs; nothing was touched.
            InjectionError: it failed; what was begun has been reverted.
        """
        contract = self._contract(experiment)
        ttl_s = self._checked_ttl(contract, ttl_s)
        try:
            result = self._run(experiment, "inject.yml", ttl_s=ttl_s, timeout_s=INJECT_TIMEOUT_S)
        except BaseException:
            self._take_back(experiment)
            raise
        if not result.ok:
            self._explain_failure(experiment, result)
        said = _said(result)
        own = said["entity"] if contract.target is EntityKind.PROCESS else f"{contract.target}:{experiment.target}"
        return Injected(experiment=experiment, entity=str(Entity.parse(own)), armed_ns=int(said["monotonic_ns"]))

    def landing(self, experiment: Experiment) -> Landing:
        """Ask the witness when it saw the fault, waiting as long as the contract grants.

        Raises:
            PlaybookError: the host did not answer, or the experiment is over.
        """
        wait_s = self._contract(experiment).landed_within_s + MARGIN_S
        result = self._run(experiment, "landed.yml", timeout_s=wait_s)
        if not result.ok:
            raise PlaybookError(f"{experiment.id}: {result.why()}")
        said = _said(result)
        return Landing(seen=said["landed"], monotonic_ns=said.get("monotonic_ns", 0))

    def landed(self, experiment: Experiment) -> bool:
        """Tell whether an independent check has seen the fault."""
        return self.landing(experiment).seen

    def revert(self, experiment: Experiment) -> None:
        """Undo what is still the fault's doing and remove every trace. Harmless when that has happened already.

        Raises:
            InjectionError: something could not be undone; the host stays armed and tries again.
        """
        try:
            result = self._run(experiment, "revert.yml", timeout_s=REVERT_TIMEOUT_S)
        except PlaybookError as error:
            raise InjectionError(f"{experiment.id}: not reverted: {error}") from error
        if not result.ok:
            raise InjectionError(f"{experiment.id}: not reverted: {result.why()}")

    def _contract(self, experiment: Experiment) -> FaultContract:
        contract = self.catalogue.faults.get(experiment.fault)
        if contract is None:
            why = self.catalogue.refused.get(experiment.fault, f"allowed: {', '.join(self.catalogue.faults)}")
            raise RequestError(f"fault = {experiment.fault!r}: {why}")
        check(experiment, contract)
        return contract

    def _checked_ttl(self, contract: FaultContract, ttl_s: float | None) -> float:
        if ttl_s is None:
            return contract.ttl_s_max
        if not 0 < ttl_s <= contract.ttl_s_max:
            raise RequestError(f"ttl_s = {ttl_s!r}; allowed: up to ttl_s_max = {contract.ttl_s_max}")
        return ttl_s

    def _run(self, experiment: Experiment, playbook: str, *, timeout_s: float, ttl_s: float = 0) -> PlaybookResult:
        contract = self.catalogue.faults[experiment.fault]
        self.work_dir.mkdir(parents=True, exist_ok=True)
        return self._playbooks.run(
            Request(
                playbook=str(self.catalogue.directory / experiment.fault / playbook),
                inventory=str(self.inventory),
                work_dir=str(self.work_dir),
                variables={"chaos": variables(experiment, contract, ttl_s=ttl_s)},
                timeout_s=timeout_s,
            )
        )

    def _explain_failure(self, experiment: Experiment, result: PlaybookResult) -> None:
        """Raise what a failed injection means; where anything was begun, revert it first."""
        said = _said(result)
        if reason := said.get("void"):
            raise Void(reason)
        if reason := said.get("refused"):
            raise InjectionError(f"{experiment.id}: {reason}; nothing was touched")
        if not any(task.reached for task in result.tasks):
            raise InjectionError(f"{experiment.id}: {result.why()}")
        self.revert(experiment)
        raise InjectionError(f"{experiment.id}: {result.why()}; reverted")

    def _take_back(self, experiment: Experiment) -> None:
        """Revert after an interruption; when even that fails, the host's own timer does it."""
        try:
            self.revert(experiment)
        except InjectionError:
            return


def _said(result: PlaybookResult) -> dict[str, Any]:
    """Merge what the host's part of the experiment printed, one JSON line a call."""
    merged: dict[str, Any] = {}
    for task in result.tasks:
        if task.stdout.startswith("{"):
            merged |= json.loads(task.stdout.splitlines()[-1])
    return merged

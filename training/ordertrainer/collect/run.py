"""One run: calm, break, let it show, take it back, steady again; and the label that says so.

Touches: one disposable host, through its station. A label is returned only when every phase was seen to happen.
"""

import time
from contextlib import suppress

from orderd.domain.faults import Entity, EntityKind, Failure
from ordertrainer.chaos import ChaosError, Experiment, FaultContract, Void
from ordertrainer.collect.errors import Discarded
from ordertrainer.collect.plan import Task
from ordertrainer.collect.station import Station, process_of, symptom_for
from ordertrainer.dataset import Label


def carry_out(station: Station, task: Task, *, run_id: str, split: str, steady: bool = False) -> Label:
    """Carry out a task and return its label.

    Args:
        station: where.
        task: what.
        run_id: unique in the data set.
        split: train, tune or test.
        steady: the run before ended just now, with a steady host.

    Raises:
        Void: the host cannot have this fault; nothing was touched.
        Discarded: the run does not count; the host has been put right as far as possible.
        Interrupted: collecting shall end; the host is left as it is.
        HostLost: its telemetry does not arrive.
    """
    station.forget()
    if not steady:
        station.await_steady()
    began_ns = time.monotonic_ns()
    station.pause(task.calm_s)
    if task.experiment is None:
        return _quiet(station, task, began_ns, run_id, split)
    process = process_of(task)
    if process:
        station.prober.expect(process)
    try:
        return _broken(station, task, task.experiment, began_ns=began_ns, run_id=run_id, split=split)
    finally:
        if process:
            with suppress(Exception):  # a lost prober has been told of already
                station.prober.forget(process)


def _quiet(station: Station, task: Task, began_ns: int, run_id: str, split: str) -> Label:
    station.pause(task.symptoms_s)
    ended_ns = time.monotonic_ns()
    station.await_steady()
    station.await_samples(ended_ns)
    return Label(
        run_id=run_id,
        host_id=station.host_id,
        fault="",
        failure=Failure.OK,
        entity="",
        target="",
        intensity=None,
        decoy=False,
        began_mono_ns=began_ns,
        armed_mono_ns=ended_ns,
        landed_mono_ns=ended_ns,
        ended_mono_ns=ended_ns,
        clean_mono_ns=ended_ns,
        seed=0,
        split=split,
    )


def _broken(station: Station, task: Task, experiment: Experiment, *, began_ns: int, run_id: str, split: str) -> Label:
    assert task.contract is not None
    symptom = symptom_for(task)
    armed_ns = time.monotonic_ns()
    injected = _inject(station, experiment)
    try:
        landed_ns = station.await_landing(symptom, experiment, task.contract, armed_ns)
        station.pause(task.symptoms_s)
    finally:
        ended_ns = time.monotonic_ns()
        if not station.stop.is_set():  # the host is about to go away, fault and all
            _revert(station, experiment)
    station.await_steady(symptom)
    station.await_samples(ended_ns)
    failing = task.contract.failure is not Failure.OK
    return Label(
        run_id=run_id,
        host_id=station.host_id,
        fault=experiment.fault,
        failure=task.contract.failure,
        entity=_entity(task.contract, experiment, injected) if failing else "",
        target=experiment.target if not process_of(task) else process_of(task),
        intensity=experiment.intensity,
        decoy=task.contract.decoy,
        began_mono_ns=began_ns,
        armed_mono_ns=armed_ns,
        landed_mono_ns=landed_ns,
        ended_mono_ns=ended_ns,
        clean_mono_ns=time.monotonic_ns(),
        seed=experiment.seed,
        split=split,
    )


def _entity(contract: FaultContract, experiment: Experiment, injected: str) -> str:
    """Return what fails: the process that was started, where that is the target; else what it was aimed at."""
    if contract.target is EntityKind.PROCESS:
        return injected
    return str(Entity(kind=contract.target, key=experiment.target))


def _inject(station: Station, experiment: Experiment) -> str:
    try:
        return station.injector.inject(experiment).entity
    except Void:
        raise
    except ChaosError as error:
        raise Discarded(f"it could not be injected: {error}") from error


def _revert(station: Station, experiment: Experiment) -> None:
    try:
        station.injector.revert(experiment)
    except ChaosError as error:
        raise Discarded(f"it could not be reverted: {error}") from error

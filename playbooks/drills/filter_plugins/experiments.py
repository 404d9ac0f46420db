"""Draws the experiments of a battery for `battery.yml`: the same ones that `ordertrainer drill` draws from the same seed.

Touches: the battery's file and the contracts of playbooks/faults, read only. It is the library of this very checkout that draws,
so that there is one way to draw; no program of it runs beside Ansible's own.
"""

from __future__ import annotations

import pathlib
import sys

from ansible.errors import AnsibleFilterError

ROOT = pathlib.Path(__file__).resolve().parents[3]
LIBRARIES = ("daemon", "training")


def experiments(battery: str, seed: int, faults: str = "") -> list[dict]:
    """Return what is to be done, in order, each with the variables that the fault's playbooks want.

    Args:
        battery: name of a battery whose shape is `each`.
        seed: targets and intensities are drawn from it.
        faults: only these, separated by commas, instead of a battery.
    """
    sys.path.extend(str(ROOT / each) for each in LIBRARIES if str(ROOT / each) not in sys.path)
    from ordertrainer.chaos.experiment import variables  # noqa: PLC0415  found only now
    from ordertrainer.drill import battery as batteries  # noqa: PLC0415
    from ordertrainer.drill.errors import DrillError  # noqa: PLC0415

    names = [str(name).strip() for name in faults.split(",") if name.strip()]
    try:
        chosen = batteries.load(str(battery))
        contracts = batteries.battery(names) if names else batteries.faults_of(chosen)
    except DrillError as error:
        raise AnsibleFilterError(str(error)) from error
    if chosen.shape != "each" and not names:
        raise AnsibleFilterError(f"battery {battery!r} is {chosen.shape}: `ordertrainer drill --inventory` carries out that one")
    drawn = batteries.experiments(int(seed), contracts, chosen.intensities)
    return [
        _told(each, contracts[each.fault], variables(each, contracts[each.fault], ttl_s=_ttl(contracts, each))) for each in drawn
    ]


def _ttl(contracts: dict, experiment: object) -> int:
    return contracts[experiment.fault].ttl_s_max


def _told(experiment: object, contract: object, chaos: dict) -> dict:
    """Return one item of the play's loop, of plain values alone."""
    return {
        "fault": experiment.fault,
        "decoy": contract.decoy,
        "failure": str(contract.failure),
        "curable": bool(contract.cures),
        "kind": str(contract.target),
        "chaos": chaos,
    }


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict:
        """Return the filters of this file."""
        return {"experiments": experiments}

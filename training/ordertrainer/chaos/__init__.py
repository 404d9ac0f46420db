"""Chaos: the catalogue of faults, drawing experiments from it, and injecting them into hosts over Ansible.

Touches: nothing itself; see `injector`. No torch anywhere: this runs wherever a drill runs.

    from ordertrainer.chaos import Injector, draw, load_faults
    catalogue = load_faults(Path("playbooks/faults"))
    with Injector(inventory=inventory, faults_dir=catalogue.directory, work_dir=Path("/run/drill")) as injector:
        experiment = draw(random.Random(7), catalogue.faults["service_kill"])
        injected = injector.inject(experiment)
"""

from ordertrainer.chaos.catalogue import FaultCatalogue, load_faults
from ordertrainer.chaos.contract import FaultContract, parse_contract
from ordertrainer.chaos.errors import ChaosError, InjectionError, PlaybookError, RequestError, Void
from ordertrainer.chaos.experiment import Experiment, draw
from ordertrainer.chaos.injector import Injected, Injector, Landing

__all__ = [
    "ChaosError",
    "Experiment",
    "FaultCatalogue",
    "FaultContract",
    "Injected",
    "InjectionError",
    "Injector",
    "Landing",
    "PlaybookError",
    "RequestError",
    "Void",
    "draw",
    "load_faults",
    "parse_contract",
]

"""What differs between the targets of one fault: names that stand for something else on each of them."""

from __future__ import annotations

import textwrap
from pathlib import Path

import msgspec
import pytest

from orderd.errors import CatalogueError
from ordertrainer.chaos import Experiment, load_faults, parse_contract
from ordertrainer.chaos.experiment import variables

FAULTS = load_faults(Path(__file__).parents[3] / "playbooks" / "faults").faults
GOOD = textwrap.dedent(
    """
    name: lights_out
    summary: Somebody switches the light off.
    group: service
    failure: service_down
    target: unit
    targets: [nginx.service, ssh.service]
    intensity: {unit: none, min: 0, max: 0}
    parameters:
      octet: {from: 1, to: 3}
    of_target:
      nginx.service: {file: /etc/nginx.conf, port: 80, new: "listen {octet};"}
      ssh.service: {file: /etc/ssh.conf, port: 22, new: "Port {octet}"}
    landed:
      - {see: refused, port: "{port}"}
    landed_within_s: 5
    revert:
      - {undo: edited, path: "{file}", old: a, new: "{new}"}
    ttl_s_max: 60
    cures: [service_start]
    """
)


def parse(text):
    """Parse a contract of the folder lights_out."""
    return parse_contract(text.encode(), file="faults/lights_out/contract.yml", folder="lights_out")


def of(contract, target):
    """Return what the playbooks find for a target."""
    experiment = Experiment(
        id="lights_out-00000001", fault="lights_out", target=target, intensity=0, seed=1, parameters={"octet": 2}
    )
    return variables(experiment, contract, ttl_s=10)


def test_a_name_stands_for_what_it_is_on_the_target():
    """In every step, with its type, and with what was drawn filled in."""
    chaos = of(parse(GOOD), "ssh.service")
    assert chaos["landed"] == [{"see": "refused", "port": 22}]
    assert chaos["revert"] == [{"undo": "edited", "path": "/etc/ssh.conf", "old": "a", "new": "Port 2"}]
    assert chaos["of_target"] == {"file": "/etc/ssh.conf", "port": 22, "new": "Port 2"}
    assert of(parse(GOOD), "nginx.service")["of_target"]["port"] == 80


REFUSED = [
    ("port: 22, ", "", "of_target.ssh.service = ['file', 'new']"),
    ("  ssh.service: {file", "  sshd.service: {file", "of_target = ['nginx.service', 'sshd.service']"),
    ("Port {octet}", "Port {nobody}", "of_target.ssh.service = ['nobody']"),
    ("octet: {from", "port: {from", "of_target = ['port']"),
    ('path: "{file}"', 'path: "{files}"', "revert = ['files']"),
    ("port: 22", "port: [22]", "of_target"),
]


@pytest.mark.parametrize(("old", "new", "says"), REFUSED, ids=[says for *_, says in REFUSED])
def test_targets_that_do_not_agree_are_refused_with_the_key(old, new, says):
    """Every target has an entry, all have the same names, and none hides what was drawn."""
    assert old in GOOD
    with pytest.raises(CatalogueError) as refusal:
        parse(GOOD.replace(old, new))
    assert says in str(refusal.value)


@pytest.mark.parametrize("name", [name for name, fault in sorted(FAULTS.items()) if fault.of_target])
def test_every_shipped_fault_has_whole_steps_on_every_target(name):
    """With everything filled in, each step still is what its kind allows."""
    contract = FAULTS[name]
    drawn = {key: getattr(each, "to", None) or each[0] for key, each in contract.parameters.items()}
    for target in contract.targets:
        experiment = Experiment(
            id=f"{name}-00000001", fault=name, target=target, intensity=contract.intensity.max, seed=1, parameters=drawn
        )
        chaos = variables(experiment, contract, ttl_s=10)
        filled = msgspec.to_builtins(contract) | {"landed": chaos["landed"], "revert": chaos["revert"]}
        filled["parameters"] = {}
        filled["of_target"] = {}
        text = msgspec.json.encode(filled)
        assert parse_contract(text, file="", folder=name).revert

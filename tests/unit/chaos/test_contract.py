"""Contracts of faults: what is accepted, and what is refused with which words."""

from __future__ import annotations

import textwrap

import pytest

from orderd.errors import CatalogueError
from ordertrainer.chaos import load_faults, parse_contract

GOOD = textwrap.dedent(
    """
    name: lights_out
    summary: Somebody switches the light off.
    group: service
    failure: service_down
    target: unit
    targets: [nginx.service]
    intensity: {unit: none, min: 0, max: 0}
    parameters:
      name: [metrics-agent]
      octet: {from: 1, to: 3}
    landed:
      - {see: main_process_gone, unit: "{target}"}
    landed_within_s: 5
    revert:
      - {undo: unit, unit: "{target}"}
      - {undo: created, path: "/srv/{name}.{octet}"}
    ttl_s_max: 60
    cures: [service_start]
    """
)


def parse(text):
    """Parse a contract of the folder lights_out."""
    return parse_contract(text.encode(), file="faults/lights_out/contract.yml", folder="lights_out")


def test_a_good_contract_is_accepted():
    """A contract that says everything becomes a value."""
    contract = parse(GOOD)
    assert contract.cures == ("service_start",)
    assert contract.parameters["octet"].to == 3
    assert contract.landed[0].unit == "{target}"


REFUSED = [
    ("name: lights_out", "name: other", "name = 'other'"),
    ("group: service", "grupo: service", "grupo"),
    ("ttl_s_max: 60", "ttl_s_max: 60\nforce: true", "force"),
    ("ttl_s_max: 60", "ttl_s_max: 0", "ttl_s_max"),
    ("ttl_s_max: 60", "", "ttl_s_max"),
    ("failure: service_down", "failure: gremlins", "failure"),
    ("failure: service_down", "failure: ok", "failure = 'ok'"),
    ("failure: service_down", "failure: disk_full", "target = 'unit'; allowed: 'mount'"),
    ("targets: [nginx.service]", "targets: ['nginx; reboot']", "targets = 'nginx; reboot'"),
    ("targets: [nginx.service]", "targets: []", "targets"),
    ("min: 0, max: 0", "min: 2, max: 1", "intensity.min = 2"),
    ("from: 1, to: 3", "from: 4, to: 3", "parameters.octet.from = 4"),
    ("see: main_process_gone", "see: omen", "landed[0]"),
    ("undo: unit", "undo: pray", "revert[0]"),
    ("/srv/{name}.{octet}", "/srv/{nobody}", "revert = ['nobody']"),
    ("/srv/{name}.{octet}", "srv", "revert[1].path"),
    ("name: [metrics-agent]", "name: ['$(reboot)']", "parameters"),
    ("cures: [service_start]", "cures: ['../service_start']", "cures"),
]


@pytest.mark.parametrize(("old", "new", "says"), REFUSED, ids=[f"{new or 'no ' + old}"[:40] for old, new, _ in REFUSED])
def test_a_contract_that_disagrees_is_refused_with_file_and_key(old, new, says):
    """Unknown keys, wrong types, values out of range and values that contradict each other are refused by file and key."""
    assert old in GOOD
    with pytest.raises(CatalogueError) as refusal:
        parse(GOOD.replace(old, new))
    assert "faults/lights_out/contract.yml: " in str(refusal.value)
    assert says in str(refusal.value)


def test_a_decoy_has_no_cures():
    """Something that is fine needs no repair, so a decoy that lists one is refused."""
    decoy = GOOD.replace("failure: service_down", "failure: ok\ndecoy: true")
    with pytest.raises(CatalogueError, match="cures"):
        parse(decoy)
    assert parse(decoy.replace("[service_start]", "[]")).decoy


@pytest.mark.parametrize("text", ["", "- a\n", "a: [", "just words"])
def test_text_that_is_no_contract_is_refused(text):
    """Empty files, lists, broken YAML and prose are refused, never an accident."""
    with pytest.raises(CatalogueError, match=r"contract\.yml: "):
        parse(text)


def test_a_broken_folder_is_refused_by_name_and_the_rest_serve(tmp_path):
    """One bad folder does not take the others down."""
    for name in ("lights_out", "half", "empty"):
        (tmp_path / name).mkdir()
    (tmp_path / "common").mkdir()
    for file in ("inject.yml", "landed.yml", "revert.yml"):
        (tmp_path / "lights_out" / file).touch()
    (tmp_path / "lights_out" / "contract.yml").write_text(GOOD)
    (tmp_path / "half" / "contract.yml").write_text(GOOD.replace("lights_out", "half"))
    catalogue = load_faults(tmp_path)
    assert set(catalogue.faults) == {"lights_out"}
    assert set(catalogue.refused) == {"half", "empty"}
    assert "inject.yml: is missing" in catalogue.refused["half"]


def test_a_missing_catalogue_is_an_error(tmp_path):
    """A folder that cannot be read is said so, instead of an empty catalogue."""
    with pytest.raises(CatalogueError, match="cannot be read"):
        load_faults(tmp_path / "nowhere")

"""Contracts: what is read out of them, and how everything else is refused."""

import copy
from pathlib import Path

import pytest
import yaml

from orderd.catalogue import load_repairs, manifest
from orderd.catalogue.contract import parse_contract
from orderd.domain.faults import EntityKind, Failure
from orderd.domain.values import entity_values
from orderd.errors import CatalogueError

CONTRACT = {
    "name": "mend",
    "summary": "Mends a unit.",
    "repairs": ["service_down"],
    "target": "unit",
    "preconditions": [
        {"signal": "unit_active_ratio", "op": "lt", "value": 0.5},
        {"any": [{"signal": "probe_ok_ratio", "op": "lt", "value": 0.5, "missing_holds": True}]},
    ],
    "touches": ["unit {target}"],
    "risk": "none",
    "deadline_s": 10,
    "cooldown_s": 0,
    "verify": {"healthy": [{"signal": "unit_active_ratio", "op": "ge", "value": 0.5}], "hold_s": 1, "within_s": 5},
    "undo": "none: it runs by declaration",
    "idempotent": True,
    "blast_radius": "unit",
}


def _parse(contract: dict):
    return parse_contract(yaml.safe_dump(contract).encode(), file="mend/contract.yml", folder="mend")


def _with(path: str, value: object) -> dict:
    """Return the contract with one value replaced; a path such as ``verify.hold_s``."""
    contract = copy.deepcopy(CONTRACT)
    *parents, last = path.split(".")
    inner = contract
    for key in parents:
        inner = inner[key]
    inner[last] = value
    return contract


def _write(folder: Path, contract: dict | None) -> None:
    folder.mkdir(parents=True)
    (folder / "repair.yml").write_text("- hosts: localhost\n")
    if contract is not None:
        (folder / "contract.yml").write_text(yaml.safe_dump(contract))


def test_a_contract_becomes_a_repair():
    """Every key arrives in the domain's value, conditions as alternatives."""
    repair = _parse(CONTRACT)
    assert (repair.name, repair.repairs, repair.target) == ("mend", (Failure.SERVICE_DOWN,), EntityKind.UNIT)
    assert (repair.undo, repair.undo_none_why) == ("", "it runs by declaration")
    assert repair.preconditions.holds(entity_values(unit_active_ratio=0.0))
    assert not repair.preconditions.holds(entity_values(unit_active_ratio=0.0, probe_ok_ratio=1.0))


@pytest.mark.parametrize("key", [key for key in CONTRACT if key != "rung"])
def test_a_missing_key_is_refused_by_name(key):
    """Every key but the rung is required, and the refusal names the file and the key."""
    contract = {k: v for k, v in CONTRACT.items() if k != key}
    with pytest.raises(CatalogueError, match=rf"mend/contract\.yml: {key} is missing"):
        _parse(contract)


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("colour", "red", "colour = 'red': unknown key"),
        ("deadline_s", 0, "deadline_s = 0"),
        ("deadline_s", "soon", "deadline_s = 'soon'"),
        ("deadline_s", 301, "deadline_s = 301"),
        ("cooldown_s", -1, "cooldown_s = -1"),
        ("risk", "some", "risk = 'some'"),
        ("repairs", [], "repairs = []"),
        ("repairs", ["disk_full"], "'disk_full'; allowed with target 'unit'"),
        ("target", "planet", "target = 'planet'"),
        ("name", "other", "name = 'other'; allowed: the folder's own name 'mend'"),
        ("undo", "../undo.yml", "undo = '../undo.yml'"),
        ("idempotent", "yes please", "idempotent = 'yes please'"),
        ("verify.hold_s", 5, r"verify.hold_s = 5.0; allowed: less than verify.within_s = 5.0"),
        ("verify.healthy", [], "verify.healthy = []"),
        ("verify.colour", 1, "verify.colour = 1: unknown key"),
        ("preconditions", [{"signal": "unit_activ", "op": "lt", "value": 1}], "signal = 'unit_activ'"),
        ("preconditions", [{"signal": "mount_used_ratio", "op": "lt", "value": 1}], "allowed for a unit"),
        ("preconditions", [{"signal": "unit_active_ratio", "op": "is", "value": 1}], "op = 'is'"),
        ("preconditions", [{"any": []}], "preconditions[0].any = []"),
    ],
)
def test_a_value_that_is_not_allowed_is_refused_with_file_key_and_value(path, value, says):
    """The refusal says what was found where, and what is allowed."""
    with pytest.raises(CatalogueError) as refused:
        _parse(_with(path, value))
    assert str(refused.value).startswith("mend/contract.yml: ")
    assert says in str(refused.value)


@pytest.mark.parametrize("text", [b"", b"- a\n", b"a: [\n", b"\xff\xfe", b"!!python/object/apply:os.system [id]"])
def test_text_that_is_no_contract_is_refused(text):
    """Nothing that is not a plain YAML mapping is taken, and nothing in it is executed."""
    with pytest.raises(CatalogueError, match=r"mend/contract\.yml"):
        parse_contract(text, file="mend/contract.yml", folder="mend")


def test_a_broken_folder_is_refused_by_name_and_the_rest_serve(tmp_path):
    """One bad contract costs one repair."""
    _write(tmp_path / "mend", CONTRACT)
    _write(tmp_path / "bare", None)
    _write(tmp_path / "bad", _with("name", "bad") | {"deadline_s": -1})
    _write(tmp_path / "no_undo", _with("name", "no_undo") | {"undo": "undo.yml"})
    (tmp_path / "library").mkdir()
    catalogue = load_repairs(tmp_path)
    assert set(catalogue.repairs) == {"mend"}
    assert set(catalogue.refused) == {"bare", "bad", "no_undo"}
    assert "contract.yml: cannot be read" in catalogue.refused["bare"]
    assert "deadline_s = -1" in catalogue.refused["bad"]
    assert "undo.yml: is missing" in catalogue.refused["no_undo"]


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    """A catalogue that cannot be read at all is not an empty catalogue."""
    with pytest.raises(CatalogueError, match="cannot be read"):
        load_repairs(tmp_path / "nowhere")


def test_a_manifest_holds_what_a_repair_may_use_and_nothing_else(tmp_path):
    """A repair gets its own folder and the shared modules, by hash."""
    _write(tmp_path / "mend", CONTRACT)
    _write(tmp_path / "other", None)
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "module.py").write_text("pass\n")
    (tmp_path / "mend" / "notes.txt").write_text("not hashed\n")
    files = manifest.load(manifest.write(tmp_path)).for_repair("mend")
    assert set(files) == {"mend/repair.yml", "mend/contract.yml", "library/module.py"}
    assert files["library/module.py"] == manifest.sha256(b"pass\n")


@pytest.mark.parametrize("text", ["", "{}", '{"version": 3, "files": {}}', '{"version": 1, "files": {"a": "short"}}'])
def test_a_broken_manifest_is_refused_with_the_remedy(tmp_path, text):
    """The refusal says how to write a good one."""
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(CatalogueError, match=r"python -m orderd\.catalogue manifest"):
        manifest.load(tmp_path / "manifest.json")


def test_a_manifest_that_others_can_write_is_refused(tmp_path):
    """Trust in the manifest is trust in whoever can write it."""
    file = manifest.write(tmp_path)
    file.chmod(0o666)
    with pytest.raises(CatalogueError, match="owned by root"):
        manifest.load(file)

"""`ordertrainer catalogue` as a person sees it, without a host."""

import json

import pytest
from typer.testing import CliRunner

from ordertrainer.prove import cli
from ordertrainer.prove.result import CureProof, FaultProof, Keeper


@pytest.fixture
def command(folder, tmp_path):
    """Run a verb on the catalogue of the test."""
    out = tmp_path / "out" / "catalogue.json"

    def run(verb, *arguments):
        where = ["--playbooks", str(folder.root), *([] if verb == "check" else ["--out", str(out)])]
        return CliRunner().invoke(cli.catalogue_app, [verb, *where, *arguments])

    run.out = out
    return run


@pytest.fixture
def all_proven(folder, command):
    """A file in which everything is proven."""
    keeper = Keeper(command.out)
    for key, digest in cli.digests(folder.shelf).items():
        if isinstance(key, str):
            keeper.add(FaultProof(name=key, landed=True, reverted=True, digest=digest), None)
        else:
            keeper.add(CureProof(fault=key[1], cured=True, idempotent=True, digest=digest), key[0])
    return keeper


def test_all_proven_is_status_0_without_a_host(command, all_proven):
    """Nothing is left to prove, so nothing is booted; the matrix is written and printed."""
    result = command("prove")
    assert result.exit_code == 0, result.output
    assert "2 of 2 faults land, are undone and leave nothing (0 skipped); 2 of 2 repairs are proven" in result.output
    assert "<table>" in command.out.with_suffix(".html").read_text()


def test_json_is_the_file_on_standard_output(command, all_proven):
    """Programs get the proofs and nothing else there."""
    result = command("prove", "--json")
    assert json.loads(result.stdout) == json.loads(command.out.read_bytes())


def test_what_is_not_proven_is_status_1(command, all_proven, monkeypatch):
    """One fault that left something: not 0, and the reason is printed."""
    monkeypatch.setattr(cli, "_carry_out", lambda *_: None)
    proof = next(each for each in all_proven.proofs.faults if each.name == "stop")
    all_proven.add(FaultProof(name="stop", landed=True, reverted=True, residue=["/etc/x appeared"], digest=proof.digest), None)
    result = command("prove")
    assert result.exit_code == 1
    assert "stop: not: left on the host: /etc/x appeared" in result.output


def test_what_is_skipped_is_status_0_and_said(command, all_proven, monkeypatch):
    """A host that lacks something fails nobody, and is named."""
    monkeypatch.setattr(cli, "_carry_out", lambda *_: None)
    proof = next(each for each in all_proven.proofs.faults if each.name == "stop")
    all_proven.add(FaultProof(name="stop", skipped="swap: none here", digest=proof.digest), None)
    result = command("prove", "--fault", "stop")
    assert result.exit_code == 0
    assert "stop: skipped: swap: none here" in result.output


def test_a_repair_that_nothing_proves_is_status_1(command, folder, all_proven):
    """The whole catalogue is asked for, and one repair is nobody's cure."""
    folder.repair("unused")
    assert command("prove").exit_code == 1
    assert command("prove", "--fault", "stop").exit_code == 0


@pytest.mark.parametrize("arguments", [("--fault", "nope"), ("--repair", "nope")])
def test_an_unknown_name_is_one_line_and_status_2(command, arguments):
    """It names what is unknown and what there is."""
    result = command("prove", *arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: there is no {arguments[0][2:]} 'nope'; there are: ")


def test_list_shows_what_is_proven(command, all_proven):
    """Faults with their cures, repairs with the faults that prove them; as JSON too."""
    assert "2 faults, 0 decoys, 2 repairs" in command("list").output
    listed = json.loads(command("list", "--json").stdout)
    assert [(fault["name"], fault["state"]) for fault in listed["faults"]] == [("kill", "proven"), ("stop", "proven")]
    assert {repair["name"]: repair["cures"] for repair in listed["repairs"]} == {"start": ["kill", "stop"], "restart": ["stop"]}


def test_check_names_file_and_key(command, folder):
    """In order: status 0; a cure that does not exist: status 1 and one line."""
    assert command("check").exit_code == 0
    made = folder.fault("hang", cures=["nowhere"])
    result = command("check")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f"{made / 'contract.yml'}: cures = 'nowhere'; allowed: a repair of the catalogue: restart, start"
    ]

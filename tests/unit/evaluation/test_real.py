"""Real drills: grouped by what training saw, counted where it hurts, told apart where nobody counted."""

import math
from pathlib import Path

import msgspec
import pytest

from ordertrainer import heldout
from ordertrainer.chaos.catalogue import load_faults
from ordertrainer.drill.details import Details, RunDetails, Said
from ordertrainer.drill.result import Diagnosis, Drill, Intensity, Model, Repair, Run, Times, summary
from ordertrainer.evaluation.real.runs import DrillFileError, Known, newest, read_runs
from ordertrainer.evaluation.real.scores import measure_real
from ordertrainer.evaluation.real.tables import real_tables

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def known():
    """Return the locked split and the catalogue."""
    return Known(held=heldout.load(), faults=load_faults(ROOT / "playbooks" / "faults").faults)


def run(fault, outcome="repaired", **changes):
    """Return one run that landed."""
    fields = {
        "fault": fault,
        "target": "unit:nginx.service",
        "intensity": None,
        "decoy": False,
        "landed": True,
        "diagnosis": None,
        "repair": Repair(name="service_start", target="unit:nginx.service") if outcome == "repaired" else None,
        "seconds": Times(healthy=2.0 if outcome == "repaired" else None),
        "outcome": outcome,
        "reason": "",
        "touched_healthy": False,
        "residue": [],
    }
    return Run(**(fields | changes))


def said(*, action="repair", detail="rc 0", started=True):
    """Return a decision."""
    steps = ([(0.1, "started", "")] if started else []) + [(0.2, "finished", detail)]
    fields = dict.fromkeys(("failure", "entity", "source", "evidence", "other", "repair", "reason", "detail", "state"), "")
    return Said(
        decided_s=0.0, detected_s=0.0, probability=1.0, heard_after_s=0.0, considered=[], action=action, steps=steps, **fields
    )


@pytest.fixture
def written(tmp_path):
    """Return what writes a drill, with details where decisions are given, and returns its folder."""

    def write(runs, name="drill", version="0.2.0", decisions=None, length_s=36.0):
        folder = tmp_path / name
        folder.mkdir()
        model = Model(version=version)
        drill = Drill(version=1, seed=1, host="h", model=model, runs=runs, summary=summary(runs))
        (folder / "drill.json").write_bytes(msgspec.json.encode(drill))
        if decisions is not None:
            seen = [
                RunDetails(summary="", start_s=-1.0, end_s=length_s, strips=[], signals=[], said=each, took_s=1.0)
                for each in decisions
            ]
            details = Details(started_utc="", took_s=1.0, boot_s=1.0, install_s=1.0, machine="", orderd="", runs=seen)
            (folder / "details.json").write_bytes(msgspec.json.encode(details))
        return folder

    return write


def test_runs_are_grouped_by_what_training_saw(written, known):
    """Family and share of the intensity decide; what did not land is nowhere."""
    contract = known.faults["cpu_runaway"].intensity
    at = {share: Intensity(value=contract.min + share * (contract.max - contract.min), unit="x") for share in (0.1, 0.6, 0.95)}
    runs = [
        run("service_kill"),
        run("cpu_runaway", intensity=at[0.6]),
        run("cpu_runaway", "failed", intensity=at[0.1]),
        run("cpu_runaway", intensity=at[0.95]),
        run("service_stop", "failed"),
        run("service_mask"),
        run("service_mask", "void", landed=False),
    ]
    told = measure_real(read_runs([written(runs)], known), known.held)["0.2.0"]
    found = {name: (score.value, score.of) for name, score in told["repaired"].items()}
    assert found == {
        "trained, intensities inside": (1.0, 2),
        "trained, intensities outside": (0.5, 2),
        "tuning families": (0.0, 1),
        "held-out families": (1.0, 1),
    }


def test_more_than_three_repairs_are_too_many_and_looks_are_none(written, known):
    """What found that its cause was not there touched nothing; what never began did not either."""
    looked = said(detail="not the case: the port is free")
    runs = [run("service_kill"), run("service_kill"), run("service_kill")]
    decisions = [[said()] * 3 + [looked] * 2, [said()] * 4, [said(started=False)] * 3 + [said(action="wait")] + [said()]]
    told = measure_real(read_runs([written(runs, decisions=decisions)], known), known.held)["0.2.0"]
    assert (told["repaired_all"].value, told["repairs_counted"]) == (pytest.approx(2 / 3), True)


def test_without_details_it_is_said_that_nobody_counted(written, known):
    """The figure is there, under another name."""
    report = measure_real(read_runs([written([run("service_kill")])], known), known.held)
    assert not report["0.2.0"]["repairs_counted"]
    assert "with any number of repairs" in real_tables(report)


def test_a_held_out_family_is_counted_where_it_hurts_most(written, known):
    """Touching something healthy outweighs a repair; a call is right; silence is apart. The shares add up to one."""
    runs = [
        run("service_hang"),
        run("service_hang", touched_healthy=True),
        run("service_hang", "failed", repair=Repair(name="service_restart", target="unit:nginx.service")),
        run("certificate_expired", "escalated", right_end="escalated"),
        run("certificate_expired", "not_seen", right_end="escalated"),
        run("service_hang", "failed"),
    ]
    found = measure_real(read_runs([written(runs)], known), known.held)["0.2.0"]["held_out"]
    counts = {name: round(score.value * 6) for name, score in found.items()}
    assert counts == {"repaired_wrongly": 2, "rightly_repaired": 1, "escalated": 1, "not_noticed": 2}


def test_false_repairs_are_told_by_the_hour(written, known):
    """Two quiet stretches of half an hour and a decoy; one of each kind is repaired."""
    repaired = {"repair": Repair(name="process_stop", target="process:1:1"), "decoy": True}
    runs = [run("quiet", "left_alone", decoy=True), run("quiet", "failed", **repaired), run("batch_job", "failed", **repaired)]
    folder = written(runs, decisions=[[], [said()], [said()]], length_s=1800.0)
    false = measure_real(read_runs([folder], known), known.held)["0.2.0"]["false_repairs"]
    assert (false["quiet"]["runs"].value, false["quiet"]["hours"], false["quiet"]["per_hour"].value) == (0.5, 1.0, 1.0)
    assert false["decoys"]["per_hour"].value == pytest.approx(2.0)


def test_without_details_there_are_no_hours(written, known):
    """A rate nobody measured is no rate."""
    runs = [run("quiet", "left_alone", decoy=True)]
    false = measure_real(read_runs([written(runs)], known), known.held)["0.2.0"]["false_repairs"]["quiet"]
    assert false["hours"] is None
    assert math.isnan(false["per_hour"].value)


def test_a_decoy_that_was_unhealthy_afterwards_is_no_false_repair(written, known):
    """Nothing was repaired."""
    runs = [run("batch_job", "failed", decoy=True)]
    assert measure_real(read_runs([written(runs)], known), known.held)["0.2.0"]["false_repairs"]["decoys"]["runs"].value == 0.0


def test_pairs_are_judged_together_and_apart_from_singles(written, known):
    """Both repaired, both named; a pair of which one family is held out is held out."""
    right = Diagnosis(failure="service_down", entity="unit:nginx.service", probability=1.0, source="model")
    runs = [
        run("service_kill", beside=["service_mask"], diagnosis=right),
        run("service_mask", "failed", beside=["service_kill"]),
        run("service_kill"),
    ]
    told = measure_real(read_runs([written(runs)], known), known.held)["0.2.0"]
    assert told["repaired_all"].of == 1
    assert (told["pairs"]["held out"]["fully_repaired"].value, told["pairs"]["held out"]["fully_repaired"].of) == (0.0, 1)
    assert told["pairs"]["trained"]["fully_repaired"].of == 0


def test_who_decided_is_told_apart(written, known):
    """A drill without a model is the rules'."""
    folders = [written([run("service_kill")], "a", version=""), written([run("service_kill", "failed")], "b")]
    report = measure_real(read_runs(folders, known), known.held)
    assert {who: told["repaired_all"].value for who, told in report.items()} == {"rules": 1.0, "0.2.0": 0.0}


def test_time_to_repair_is_of_what_was_repaired(written, known):
    """Never is no number; it is counted beside."""
    runs = [run("service_kill", seconds=Times(healthy=s)) for s in (1.0, 3.0, 9.0)] + [run("service_kill", "failed")]
    row = measure_real(read_runs([written(runs)], known), known.held)["0.2.0"]["mttr_s"]["service_kill"]
    assert (row["seconds"].value, row["repaired"], row["runs"]) == (3.0, 3, 4)


def test_a_fault_ended_well_when_it_was_repaired_or_rightly_handed_over(written, known):
    """Decoys and pairs are told elsewhere."""
    runs = [
        run("service_kill"),
        run("service_kill", "escalated"),
        run("certificate_expired", "escalated", right_end="escalated"),
        run("batch_job", "left_alone", decoy=True),
    ]
    faults = measure_real(read_runs([written(runs)], known), known.held)["0.2.0"]["faults"]
    assert {fault: score.value for fault, score in faults.items()} == {"certificate_expired": 1.0, "service_kill": 0.5}


def test_the_standard_battery_that_was_run_is_read(known):
    """Its own counts are found again."""
    file = ROOT / "tests" / "bench" / "results" / "standard.json"
    runs = read_runs([file], known)
    told = measure_real(runs, known.held)["0.1.0"]
    assert len(runs) == 93
    assert sum(each.run.outcome == "repaired" for each in runs) == 62
    assert told["false_repairs"]["decoys"]["runs"].of == 8


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"{", "not a result of a drill"), (b'{"version": 2}', "not a result of a drill"), (None, "No such file")],
)
def test_what_is_no_drill_is_refused_with_its_name(tmp_path, known, content, said):
    """And the command that makes one."""
    file = tmp_path / "drill.json"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(DrillFileError, match=rf"drill\.json: .*{said}.*ordertrainer drill"):
        read_runs([file], known)


def test_no_results_say_how_they_are_made(tmp_path):
    """Where they are looked for, and the command."""
    with pytest.raises(DrillFileError, match="no results; `ordertrainer drill --battery standard` makes them"):
        newest(tmp_path / "latest")

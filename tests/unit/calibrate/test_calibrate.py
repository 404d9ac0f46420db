"""`ordertrainer calibrate` from a data directory to a file that the simulator reads."""

import json
import tomllib

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from orderd.domain.signals import ENTITY_INDEX
from ordertrainer.calibrate import cli, gap, report
from ordertrainer.calibrate.fitted import fit, text, write
from ordertrainer.calibrate.recording import cut
from ordertrainer.calibrate.twins import layout_of, simulate
from ordertrainer.sim import load_compiled
from ordertrainer.sim.fitted import FittedError, Provenance, read

PROVENANCE = Provenance(data="0" * 64, command="ordertrainer calibrate", commit="abc", seed=0, runs=1, hosts=1)
LATENCY = ENTITY_INDEX["probe_latency_s"]


@pytest.fixture(autouse=True)
def _few_trees(monkeypatch):
    """These samples differ in one way each: few trees tell them apart."""
    monkeypatch.setattr(gap, "TREES", 12)
    monkeypatch.setattr(gap, "RESAMPLES", 20)


@pytest.fixture
def data(recorder):
    """Return a data directory: a dozen runs of one fault, some to fit to and some to tell the gap of."""
    for number in range(16):
        recorder.run(fault="service_kill", split="train" if number % 2 else "tune", host=f"host-{number % 4}")
    return recorder.write()


@pytest.fixture
def run():
    """Return what runs the verb."""
    app = typer.Typer()
    app.command("calibrate")(cli.calibrate)
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


def test_what_was_fitted_is_read_back_as_it_was(data, tmp_path):
    """Every value survives the file, and the file is TOML."""
    recording = report.read(data)
    fitted = fit(recording.train, recording.contracts, PROVENANCE)
    write(fitted, tmp_path / "fitted.toml")
    assert read(tmp_path / "fitted.toml") == fitted
    assert fitted.healthy["unit"]["probe_latency_s"].values[12] == pytest.approx(0.01, rel=0.1)
    assert tomllib.loads(text(fitted))["provenance"]["runs"] == 1


def test_only_the_split_train_is_fitted_to(recorder, tmp_path):
    """Whatever runs of tune show, what is fitted stays what it is."""
    for _ in range(8):
        recorder.run(fault="service_kill", split="train")
    recorder.latency_s, recorder.onset_s = 0.3, 6.0
    for _ in range(8):
        recorder.run(fault="service_kill", split="tune", host="host-b")
    recording = report.read(recorder.write())
    fitted = fit(recording.train, recording.contracts, PROVENANCE)
    assert max(fitted.healthy["unit"]["probe_latency_s"].values) < 0.02
    assert fitted.onsets["service_down"]["probe_ok_ratio"].latest_s < 3.0


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("[provenance]", "[provenanced]", "provenance"),
        ("probe_latency_s", "probe_lateness_s", "healthy.unit.probe_lateness_s: no such signal"),
        ("between = 1.0", "between = 7.0", "between"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(data, tmp_path, before, after, said):
    """The message names the file, the key and the remedy."""
    recording = report.read(data)
    broken = text(fit(recording.train, recording.contracts, PROVENANCE)).replace(before, after)
    (tmp_path / "fitted.toml").write_text(broken, encoding="utf-8")
    with pytest.raises(FittedError, match=rf"fitted\.toml: .*{said}.*restore it, or fit anew with `ordertrainer calibrate`"):
        read(tmp_path / "fitted.toml")


def test_twins_have_the_same_entities_faults_and_seconds(data):
    """As many of each kind, broken as long as the recorded one, and missing where that had no sample yet."""
    recording = report.read(data)
    runs = recording.tune
    cuts = [cut(each, [3, 15]) for each in runs]
    world = load_compiled(layout=layout_of(runs), fitted=None)
    twin = simulate(world, runs, cuts, seed=0)
    span = world.layout.span("unit")
    assert twin.present[:, span].sum(1).tolist() == [2, 2] * len(runs)
    active = twin.rows[np.arange(len(twin.slot)), twin.slot, :, ENTITY_INDEX["unit_active_ratio"]]
    assert (active[::2, 0] == 1.0).all()
    assert (active[1::2, 0] == 0.0).all()
    seen = np.concatenate([each.seen for each in cuts])
    assert np.array_equal(~np.isnan(twin.host[..., 0]), seen)
    # 15 s after the beginning is 7 s after the landing: slots of 8 s and more show the time before it.
    assert (active[1::2, 3] == 0.0).all()
    assert (active[1::2, 4] == 1.0).all()


def test_fitting_closes_the_gap(data):
    """What hosts in order measure is told from simulated ones before, and hardly after."""
    recording = report.read(data)
    fitted = fit(recording.train, recording.contracts, PROVENANCE)
    areas = {}
    for stage, values in (("before", None), ("after", fitted)):
        cells = report.gaps(recording, values, 0, lambda _share: None)
        areas[stage] = {(cell["state"], cell["kind"], cell["signal"]): cell["auc"] for cell in cells}
    for signal in (("in order", "unit", "probe_latency_s"), ("in order", "host signals", "cpu_iowait_ratio")):
        assert areas["before"][signal] > 0.75, signal
        assert areas["after"][signal] < 0.65, signal


def test_the_verb_writes_values_figures_and_a_table(run, data, tmp_path, monkeypatch):
    """And the simulator reads what it wrote."""
    drill = tmp_path / "drill.json"
    faults = ("service_kill", "service_stop", "net_loss", "nic_down", "disk_forgotten_scratch")
    runs = [
        {"fault": name, "decoy": False, "landed": True, "outcome": "repaired", "seconds": {"repaired": 1.0 + n}}
        for n, name in enumerate(faults)
    ]
    drill.write_text(json.dumps({"runs": runs}))
    monkeypatch.setattr(report, "HOSTS_PER_FAULT", 1)
    monkeypatch.setattr(report.difficulty, "PATIENCE_S", 12.0)
    out, figures = tmp_path / "new" / "fitted.toml", tmp_path / "new" / "gap.json"
    done = run("--data", data, "--out", out, "--json", figures, "--results", drill)
    assert done.exit_code == 0, done.output
    assert "told apart by all signals of a row" in done.output
    told = json.loads(figures.read_text(encoding="utf-8"))
    assert set(told["gap"]) == set(told["difficulty"]) == {"before", "after"}
    assert told["data"]["entities"]["unit"]["recorded"] == 2
    assert load_compiled(fitted=out).recorded_share == 0.5
    assert str(tmp_path) not in out.read_text(encoding="utf-8")


def test_nothing_to_compare_is_an_error(run, recorder):
    """Exit status 2, one line that says what is missing."""
    done = run("--data", recorder.run(fault="service_kill").write())
    assert done.exit_code == 2
    assert "error:" in done.output
    assert "no runs of the split 'tune'" in done.output


def test_an_interruption_keeps_what_was_found(run, data, tmp_path, monkeypatch):
    """Fitted values and the first figures are there, and the exit status is that of an interrupted program."""
    whole = report.gaps

    def interrupted(recording, fitted, *rest):
        if fitted is not None:
            raise KeyboardInterrupt
        return whole(recording, fitted, *rest)

    monkeypatch.setattr(report, "gaps", interrupted)
    done = run("--data", data, "--out", tmp_path / "fitted.toml", "--json", tmp_path / "gap.json")
    assert done.exit_code == 130
    assert "interrupted; the gap before is in" in done.output
    assert read(tmp_path / "fitted.toml").provenance.runs == 8
    assert set(json.loads((tmp_path / "gap.json").read_text(encoding="utf-8"))["gap"]) == {"before"}

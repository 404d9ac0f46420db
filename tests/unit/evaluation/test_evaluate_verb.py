"""`ordertrainer evaluate` as a person meets it: tables, files, refusals."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from orderd.domain.schema import SCHEMAS, digest_of
from ordertrainer.dataset import DatasetError
from ordertrainer.evaluation import report, whole
from ordertrainer.evaluation.cli import evaluate
from ordertrainer.evaluation.parts import HELD, INSIDE, TRAINED, TUNING, part_of, parts
from ordertrainer.evaluation.real.runs import Known
from ordertrainer.evaluation.schemas import check_one_schema
from ordertrainer.imitation.checkpoint import save
from ordertrainer.imitation.toy import toy_examples
from ordertrainer.nets.order import OrderNet, Shape
from toymodels import package_of, tiny_graph, write_package

ROOT = Path(__file__).parents[3]
STANDARD = ROOT / "tests" / "bench" / "results" / "standard.json"


@pytest.fixture(scope="module", autouse=True)
def _one_thread(one_thread):
    """Whatever is computed here."""


@pytest.fixture(scope="module")
def app():
    """Return the verb as an app."""
    made = typer.Typer()
    made.command()(evaluate)
    return made


@pytest.fixture
def asked(app, tmp_path, monkeypatch):
    """Return what runs the verb in an empty folder and returns status, output and errors."""
    monkeypatch.chdir(tmp_path)

    def ask(*words):
        done = CliRunner().invoke(app, [str(word) for word in words])
        return done.exit_code, done.stdout, done.stderr

    return ask


@pytest.fixture
def toy_data(tmp_path, monkeypatch):
    """Return a directory whose splits are toy drills."""
    splits = {"train": (1, 40), "test": (3, 30)}
    monkeypatch.setattr(
        report, "load_examples", lambda _dir, name: toy_examples(seed=splits[name][0], runs=splits[name][1], name=name)
    )
    monkeypatch.setattr(report, "digest", lambda _dir: "d" * 64)
    return tmp_path


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Return the folder of a small model."""
    return write_package(tmp_path_factory.mktemp("models") / "tiny", package_of(tiny_graph()))


@pytest.fixture
def foreign(tmp_path):
    """Return a foreign file in which a load average rises while something is wrong."""
    rng = np.random.default_rng(0)
    wrong = np.arange(1200) % 300 >= 240
    values = rng.random((1200, 3), dtype=np.float32)
    values[wrong, 0] += 3.0
    path = tmp_path / "foreign.npz"
    names = np.array(["load_per_core", "?", "probe_ok_ratio"])
    np.savez(path, values=values, channels=names, labels=wrong.astype(int), label_names=np.array(["busy"]))
    return path


def test_foreign_telemetry_is_scored_beside_its_peers(asked, tiny, foreign, tmp_path):
    """Tables on standard output, every figure in the file, and what could not be mapped is said."""
    status, said, errors = asked("--model", tiny, "--external", foreign, "--json", "out/evaluation.json")
    assert status == 0, errors
    assert "shown to the order model: 2 of 3 channels (load_per_core, probe_ok_ratio)" in said
    assert "could not be mapped: columns 1" in said
    (told,) = json.loads((tmp_path / "out" / "evaluation.json").read_text())["external"]
    assert list(told["scorers"]) == ["order model", "rules", "logistic regression", "extra trees", "persistence"]
    trees = told["scorers"]["extra trees"]
    assert trees["auc"]["value"] > 0.95
    assert trees["labels"]["busy"]["events_found"]["value"] == 1.0
    assert all(0.0 < told["scorers"][name]["auc"]["value"] < 1.0 for name in ("order model", "rules"))


def test_an_older_model_and_a_checkpoint_are_asked_the_same_way(asked, foreign, tmp_path):
    """A model of an older schema says nothing of classes it does not know; a checkpoint needs no export."""
    save(tmp_path / "best.pt", OrderNet(Shape(width=16, hidden=16, layers=1, heads=2)), seed=3)
    for who in (("--model", ROOT / "models" / "order" / "0.1.0"), ("--checkpoint", tmp_path / "best.pt")):
        status, said, errors = asked(*who, "--external", foreign)
        assert status == 0, errors
        assert "| order model | 0." in said


@pytest.mark.parametrize(
    "change",
    [
        {"values": np.full((1200, 3), np.nan)},
        {"channels": np.array(["load", "?", "?"])},
        {"labels": np.zeros(7, int)},
        {"label_names": np.array(["busy", None], dtype=object)},
    ],
)
def test_a_bad_file_is_one_line_and_nothing_is_written(asked, tiny, foreign, tmp_path, change):
    """Exit status 2, the file's name, no report and no picture; an older report stays."""
    old = tmp_path / "old.json"
    old.write_text("{}")
    with np.load(foreign) as file:
        arrays = dict(file)
    np.savez(tmp_path / "bad.npz", **(arrays | change))
    before = sorted(tmp_path.rglob("*"))
    for out in ("new.json", "old.json"):
        words = ("--external", foreign, "--external", tmp_path / "bad.npz", "--json", out, "--plots", "pictures")
        status, said, errors = asked("--model", tiny, *words)
        assert (status, said) == (2, "")
        assert errors.startswith(f"error: {tmp_path / 'bad.npz'}: ")
        assert len(errors.splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before
    assert old.read_text() == "{}"


def test_one_sample_is_a_series(asked, tiny, tmp_path):
    """There is nothing to rank, and every figure says so."""
    path = tmp_path / "one.npz"
    np.savez(path, values=np.ones((1, 1)), channels=np.array(["?"]), labels=np.array([1]), label_names=np.array(["x"]))
    status, said, errors = asked("--model", tiny, "--external", path)
    assert status == 0, errors
    assert "| order model | - |" in said
    assert "extra trees is not scored: " in said


def test_real_drills_fill_the_table(asked, tmp_path):
    """The standard battery that was run gives its rows; pictures are drawn of it."""
    status, said, errors = asked("--real", STANDARD, "--json", "e.json", "--plots", "pictures")
    assert status == 0, errors
    name = "verified repair, single fault, at most 3 repairs (not counted: no details.json)"
    assert f"| {name} | AIOpsLab agents at most .55 | .97, then .99 | 0." in said
    table = {row["row"]: row for row in json.loads((tmp_path / "e.json").read_text())["table"]}
    assert table["harmful actions per drill"]["verdict"] == "does not hold"
    assert (tmp_path / "pictures" / "mttr-0.1.0.svg").read_text().startswith("<?xml")


def test_without_drills_it_says_how_they_are_made(asked):
    """The newest are looked for under out/drill."""
    status, _, errors = asked("--real")
    assert status == 2
    assert "ordertrainer drill --battery standard" in errors


def test_drills_without_real_are_not_taken_for_something_else(asked):
    """A file name alone says nothing."""
    status, _, errors = asked(STANDARD)
    assert status == 2
    assert "scored with --real" in errors


def test_an_arm_without_its_drills_is_refused(asked, toy_data, tmp_path):
    """Equal drills cannot be checked without them: a model does not tell, nor does an old checkpoint."""
    status, _, errors = asked("--arm", "real only")
    assert status == 2
    assert "needs --checkpoint" in errors
    save(tmp_path / "best.pt", OrderNet(Shape(width=16, hidden=16, layers=1, heads=2)), seed=7)
    status, _, errors = asked("--checkpoint", tmp_path / "best.pt", "--data", toy_data, "--arm", "real only", "--no-baselines")
    assert status == 2
    assert "best.pt: does not say how many drills" in errors


def test_surprise_without_a_series_is_refused(asked):
    """There would be nothing to be surprised at."""
    status, _, errors = asked("--pretrained", "best.pt")
    assert status == 2
    assert "name some with --external" in errors


def test_nothing_asked_for_is_a_table_that_says_what_it_lacks(asked):
    """Without data in out/data nothing is measured."""
    status, said, _ = asked()
    assert status == 0
    assert "- not measured, needs --data with a test split of trained families: trained families" in said
    assert "triples never trained" in said


def test_an_interruption_writes_nothing(asked, tiny, foreign, tmp_path, monkeypatch):
    """Exit status 130, and no half of a report."""

    def interrupted(*_arguments, **_named):
        raise KeyboardInterrupt

    monkeypatch.setattr(whole, "examine", interrupted)
    status, _, errors = asked("--model", tiny, "--external", foreign, "--json", "e.json")
    assert status == 130
    assert "nothing was written" in errors
    assert not (tmp_path / "e.json").exists()


def test_recorded_drills_are_scored_by_part_and_noted_as_an_arm(asked, toy_data, tmp_path):
    """The test split, beside peers, in parts; the same figures as one line of an ablation; pictures of all."""
    learned = {name: {"drills": drills, "share": 0.25} for name, drills in (("recorded", 30), ("simulated", 6), ("drilled", 4))}
    save(tmp_path / "best.pt", OrderNet(Shape(width=16, hidden=16, layers=1, heads=2)), seed=7, **learned)
    words = ("--checkpoint", tmp_path / "best.pt", "--data", toy_data, "--json", "e.json", "--plots", "pictures")
    status, said, errors = asked(*words, "--arm", "real only", "--ablations", "arms.jsonl")
    assert status == 0, errors
    assert f"| {TRAINED} | extra trees |" in said
    (line,) = (json.loads(text) for text in (tmp_path / "arms.jsonl").read_text().splitlines())
    test = json.loads((tmp_path / "e.json").read_text())["test"]
    assert (line["arm"], line["seed"], line["drills"], line["exam"]) == ("real only", 7, 40, "d" * 64)
    assert line["scores"]["macro_f1"] == test["diagnosers"]["order model"]["macro_f1"]
    assert {"confusion-order-model.svg", "reliability.svg"} <= {file.name for file in (tmp_path / "pictures").iterdir()}


def _parquet(root, digest, segment, table="samples"):
    path = root / table / "host=h" / f"{segment:08d}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"a": [1]}).replace_schema_metadata({"schema_digest": digest}), path)


def test_a_data_set_that_mixes_schemas_is_refused_with_both(tmp_path, asked, tiny):
    """Two digests, a file of each; one alone, old or new, is none of this check's business."""
    old, new = digest_of(SCHEMAS[0]), digest_of(SCHEMAS[-1])
    _parquet(tmp_path / "data", old, 1)
    check_one_schema(tmp_path / "data")
    _parquet(tmp_path / "data", old, 2)
    _parquet(tmp_path / "data", new, 2, "entities")
    with pytest.raises(DatasetError, match=rf"{old} in .*{new} in entities/host=h/00000002\.parquet"):
        check_one_schema(tmp_path / "data")
    status, _, errors = asked("--model", tiny, "--data", tmp_path / "data", "--json", "e.json")
    assert status == 2
    assert old in errors
    assert new in errors
    assert not (tmp_path / "e.json").exists()


@pytest.mark.parametrize(
    ("fault", "share", "part"),
    [
        ("cpu_runaway", 0.1, TRAINED),
        ("cpu_runaway", 0.6, INSIDE),
        ("service_kill", None, TRAINED),
        ("service_stop", None, TUNING),
        ("disk_fill", 0.6, HELD),
    ],
)
def test_a_run_of_the_test_split_belongs_where_training_put_its_fault(fault, share, part):
    """By family first, then by intensity; what has none differs in its host."""
    from ordertrainer import heldout
    from ordertrainer.chaos.catalogue import load_faults

    known = Known(held=heldout.load(), faults=load_faults(ROOT / "playbooks" / "faults").faults)
    contract = known.faults.get(fault)
    value = None if share is None else contract.intensity.min + share * (contract.intensity.max - contract.intensity.min)
    assert part_of(fault, value, known.held, known.faults) == part


def test_quiet_runs_belong_to_every_part_and_a_run_to_one():
    """A run counts whole, its calm beginning too."""
    from ordertrainer import heldout

    examples = toy_examples(seed=1, runs=2)
    examples.fault[examples.fault != ""] = "service_hang"
    found = parts(examples, heldout.load(), {})
    assert list(found) == [HELD]
    assert found[HELD].all()
    quiet, hung = examples.run_id == "toy-0", examples.run_id == "toy-1"
    examples.fault[quiet] = "service_kill"
    assert (parts(examples, heldout.load(), {})[HELD] == hung).all()

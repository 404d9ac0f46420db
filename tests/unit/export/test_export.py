"""From a checkpoint to a model folder that orderd accepts."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from typer.testing import CliRunner

from orderd.inference.admission import admit
from orderd.inference.manifest import Package, read_package
from orderd.inference.session import Model
from ordertrainer.evaluation import report as report_module
from ordertrainer.evaluation.predictions import by_exported, by_network
from ordertrainer.export import cli as export_cli
from ordertrainer.export import folder as folder_module
from ordertrainer.export.folder import PARITY_MAX, Built, ParityError, build, write
from ordertrainer.imitation.checkpoint import read, save
from ordertrainer.imitation.toy import toy_examples
from ordertrainer.nets.order import OrderNet

DIGEST = "c" * 64


@pytest.fixture(scope="module")
def net():
    """Return a network that saw no data."""
    torch.manual_seed(5)
    return OrderNet().eval()


@pytest.fixture(scope="module")
def built(net):
    """Return it exported."""
    return build(net, "1.2.3")


@pytest.fixture
def invoke():
    """Return a caller of ``ordertrainer export``."""
    import typer

    app = typer.Typer()
    app.command()(export_cli.export)
    return lambda *arguments: CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def checkpoint(net, tmp_path):
    """Return a checkpoint as training leaves it."""
    path = tmp_path / "best.pt"
    tune = {"tune_loss": 0.5, "tune_macro_f1": 0.5}
    about = {"seed": 1, "settings": {"epochs": 7, "steps": 9}, "data_digest": DIGEST, "commit": "abc", "epoch": 2}
    about["simulated"] = {"windows": 600, "share": 0.25, "drills": 60}
    about["drilled"] = {"windows": 80, "share": 0.25, "drills": 40}
    about["commands"] = ["ordertrainer train --seed 1 --epochs 7", "ordertrainer harden --seed 1"]
    save(path, net, **about, tune=tune, temperature=1.0, never_trained=["clock_stepped"])
    return path


def test_the_graph_names_no_path_of_the_machine_that_trained(built):
    """A model is given to strangers: stack traces stay at home."""
    root = str(Path(__file__).parents[3]).encode()
    assert root not in built.package.model
    assert b"site-packages" not in built.package.model


def test_onnxruntime_repeats_torch(built, net):
    """Over random windows of 1 to 64 entities, and over toy drills, both engines agree."""
    assert built.parity <= PARITY_MAX
    examples = toy_examples(seed=6, runs=3)
    exported = by_exported(Model(built.package, provider="cpu"), examples)
    ours = by_network(net, examples)
    assert np.abs(exported.failure - ours.failure).max() <= PARITY_MAX
    assert np.abs(exported.wrong - ours.wrong).max() <= PARITY_MAX


def test_the_graph_is_one_file_with_free_batch_and_entities(built):
    """Nothing lives outside the file, and neither axis is fixed."""
    model = onnx.load_model_from_string(built.package.model)
    assert not any(tensor.external_data for tensor in model.graph.initializer)
    dims = model.graph.input[1].type.tensor_type.shape.dim
    assert (dims[0].dim_param, dims[1].dim_param) == ("batch", "entity")


def test_other_weights_fail_parity(net, built, monkeypatch):
    """An engine that computes something else is found before anything is written."""
    other = OrderNet().eval()
    monkeypatch.setattr(folder_module, "to_onnx", lambda _net: built.package.model)
    monkeypatch.setattr(folder_module, "admit", lambda _package: None)
    monkeypatch.setattr(folder_module, "Model", lambda _package, provider: Model(built.package, provider=provider))
    with pytest.raises(ParityError, match="differ by"):
        build(other, "1.0.0")


def test_written_folder_is_what_orderd_accepts(built, tmp_path):
    """Manifest, graph and card are there, admitted, and ``current`` names them."""
    folder = write(built, "card\n", tmp_path / "order")
    assert sorted(p.name for p in folder.iterdir()) == ["card.md", "manifest.json", "model.onnx"]
    admit(read_package(tmp_path / "order" / "current"))


def test_failed_write_leaves_nothing(built, tmp_path):
    """A model whose bytes do not match its manifest never gets its name, and no half folder stays."""
    damaged = Built(package=Package(manifest=built.package.manifest, model=b"x"), parity=0.0, cases=0)
    with pytest.raises(Exception, match="sha256"):
        write(damaged, "card\n", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_released_version_never_changes(built, tmp_path):
    """Writing a version twice is refused and leaves the first as it was."""
    folder = write(built, "first\n", tmp_path)
    with pytest.raises(FileExistsError, match="never changes"):
        write(built, "second\n", tmp_path)
    assert (folder / "card.md").read_text(encoding="utf-8") == "first\n"


@pytest.mark.parametrize("version", ["", "../up", "a/b", "-x", "1" * 65])
def test_version_that_is_no_folder_name_is_refused(net, version):
    """A version is a name, never a path."""
    with pytest.raises(ValueError, match="want letters, digits"):
        build(net, version)


def test_card_without_data_says_that_nothing_is_known(checkpoint, tmp_path, invoke):
    """A model that was not evaluated says so in its card."""
    done = invoke("--checkpoint", checkpoint, "--version", "0.1.0", "--out", tmp_path / "order")
    assert done.exit_code == 0, done.output
    assert "Not evaluated" in (tmp_path / "order/0.1.0/card.md").read_text(encoding="utf-8")


def test_card_holds_figures_of_every_diagnoser(checkpoint, tmp_path, invoke, monkeypatch):
    """With data the card compares model, rules and baselines, with the command, seed, commit and data digest."""
    splits = {"train": (1, 20), "test": (3, 12)}
    monkeypatch.setattr(
        report_module, "load_examples", lambda _dir, name: toy_examples(seed=splits[name][0], runs=splits[name][1], name=name)
    )
    monkeypatch.setattr(report_module, "digest", lambda _dir: DIGEST)
    monkeypatch.setattr(export_cli, "digest", lambda _dir: DIGEST)
    done = invoke("--checkpoint", checkpoint, "--version", "0.1.0", "--out", tmp_path / "order", "--data", tmp_path)
    assert done.exit_code == 0, done.output
    text = (tmp_path / "order/0.1.0/card.md").read_text(encoding="utf-8")
    for expected in (
        "| order model |",
        "    ordertrainer train --seed 1 --epochs 7\n    ordertrainer harden --seed 1\n",
        "600 windows of the simulator, 25% of what each step is shown",
        "80 of drills in which chaos met this model as it was before, 25%",
        "| rules |",
        "| logistic regression |",
        "clock_stepped",
        "| extra trees |",
        DIGEST,
        "ordertrainer evaluate",
    ):
        assert expected in text


def test_a_checkpoint_of_before_says_that_it_does_not_know(net, checkpoint, tmp_path, invoke):
    """Commands and drills of chaos were not always kept; such a model is exported all the same."""
    about = {
        key: value for key, value in read(checkpoint).items() if key not in {"commands", "drilled", "weights", "shape", "format"}
    }
    about.pop("schema_digest")
    save(checkpoint, net, **about)
    done = invoke("--checkpoint", checkpoint, "--version", "0.1.0", "--out", tmp_path / "order")
    assert done.exit_code == 0, done.output
    text = (tmp_path / "order/0.1.0/card.md").read_text(encoding="utf-8")
    assert "Its checkpoint does not say by which commands." in text
    assert "600 windows of the simulator" in text


def test_figures_on_other_data_are_refused(checkpoint, tmp_path, invoke, monkeypatch):
    """Other data could hold runs the training saw: no card is written from it."""
    monkeypatch.setattr(export_cli, "digest", lambda _dir: "d" * 64)
    done = invoke("--checkpoint", checkpoint, "--version", "0.1.0", "--out", tmp_path / "order", "--data", tmp_path)
    assert done.exit_code == 2
    assert "is not the data of this checkpoint" in done.output
    assert not (tmp_path / "order").exists()


def test_report_is_json(built, monkeypatch, tmp_path):
    """Figures that do not exist are null, never NaN."""
    monkeypatch.setattr(report_module, "load_examples", lambda _dir, name: toy_examples(seed=1, runs=2, name=name))
    monkeypatch.setattr(report_module, "digest", lambda _dir: DIGEST)
    report = report_module.measure(Model(built.package, provider="cpu"), tmp_path, 0, baselines=False)
    assert json.dumps(report_module.plain(report), allow_nan=False)

"""Pictures: there where there are figures, equal where figures are equal."""

import pytest

from ordertrainer.evaluation.plots.all import draw_all

CONFUSION = {"classes": ["ok", "disk_full"], "counts": [[90, 1], [2, 7]]}
BINS = [
    {"confidence": 0.95, "right": 0.9, "share": 0.8, "verdicts": 80},
    {"confidence": 0.55, "right": 0.6, "share": 0.2, "verdicts": 20},
]
SECONDS = {"value": 2.5, "low": 1.0, "high": 4.0, "of": 3}
FOUND = {
    "test": {
        "diagnosers": {
            "order model": {"confusion": CONFUSION, "reliability": BINS},
            "rules": {"confusion": CONFUSION, "reliability": []},
        }
    },
    "real": {
        "0.2.0": {
            "mttr_s": {
                "service_kill": {"seconds": SECONDS, "repaired": 3, "runs": 3, "part": "train"},
                "disk_fill": {"seconds": {"value": None, "low": None, "high": None}, "repaired": 0, "runs": 2, "part": "held"},
            },
            "faults": {"service_kill": {"value": 1.0, "of": 3}, "disk_fill": {"value": 0.0, "of": 2}},
        }
    },
    "calibrate": {
        "gap": {
            "before": [{"state": "in order", "kind": "unit", "signal": "(all of a row)", "auc": 0.9, "low": 0.8, "high": 0.95}],
            "after": [
                {"state": "in order", "kind": "unit", "signal": "(all of a row)", "auc": 0.6, "low": 0.5, "high": 0.7},
                {"state": "in order", "kind": "unit", "signal": "probe_ok_ratio", "auc": 0.5, "low": 0.5, "high": 0.5},
            ],
        }
    },
    "exam": {
        "suites": {
            "singles": {
                "single": True,
                "families": {"network": {"disk_fill": {"hosts": 9, "settled": 8}, "x": {"hosts": 1, "settled": 1}}},
            },
            "pairs": {"single": False, "families": {"network": {"service_kill": {"hosts": 9, "settled": 1}}}},
        }
    },
    "history": {"one": [{"epoch": e, "train_loss": 1 / e, "tune_loss": 2 / e, "tune_macro_f1": e / 9} for e in range(1, 9)]},
    "evolve": [
        {"cross_play": {"regret_s": {"order 0": {"flat": 9.0, "chaos 1": 31.5}, "order 1": {"flat": 7.5, "chaos 1": 12}}}}
    ],
}
STEMS = {
    "confusion-order-model",
    "confusion-rules",
    "reliability",
    "mttr-0.2.0",
    "learning",
    "crossplay-1",
    "sim-to-real-0.2.0",
    "sim-to-real-signals",
}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Return a folder with every picture."""
    folder = tmp_path_factory.mktemp("plots")
    draw_all(FOUND, folder)
    return folder


def test_every_figure_there_is_has_its_picture(drawn):
    """And no file that is not whole is left."""
    assert {file.name for file in drawn.iterdir()} == {f"{stem}.svg" for stem in STEMS}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("confusion-order-model.svg", ["disk_full (9)", ".78", "called"]),
        ("reliability.svg", ["order model, error 0.050"]),
        ("mttr-0.2.0.svg", ["disk_fill (0 of 2)", "never in 2", "held-out family"]),
        ("learning.svg", ["one: tune_loss", "one: tune_macro_f1"]),
        ("sim-to-real-0.2.0.svg", ["disk_fill (2)", "simulated"]),
        ("sim-to-real-signals.svg", ["in order: unit", "before", "after"]),
        ("crossplay-1.svg", ["chaos 1", "31.5"]),
    ],
)
def test_a_picture_says_what_it_shows(drawn, name, words):
    """Text is text: it can be searched, and read by a machine that reads aloud."""
    content = (drawn / name).read_text()
    assert [word for word in words if word not in content] == []


def test_equal_figures_are_equal_files(drawn, tmp_path):
    """No date and no chance is in them, so that a change of a picture is a change of figures."""
    for file in draw_all({key: FOUND[key] for key in ("evolve", "history")}, tmp_path):
        assert file.read_bytes() == (drawn / file.name).read_bytes()


def test_what_was_not_measured_is_not_drawn(tmp_path):
    """An empty picture would be a claim."""
    assert draw_all({}, tmp_path) == []
    assert list(tmp_path.iterdir()) == []

"""The score table: what holds, what is not proven, what nobody measured; and the ablations beside it."""

import json
import math

import pytest

from ordertrainer.evaluation.ablations import (
    EVERYTHING,
    AblationError,
    Line,
    ablation_table,
    append_line,
    read_lines,
    remarks,
    summary,
)
from ordertrainer.evaluation.goals import Goal, Row, goals_table
from ordertrainer.evaluation.intervals import NO_SCORE, Score, rate, share
from ordertrainer.evaluation.parts import TRAINED
from ordertrainer.evaluation.report import summary_table
from ordertrainer.evaluation.reports import ReportError, read_reports
from ordertrainer.evaluation.scoretable import rows

HIGH = Goal(words=".97", at_least=0.97)
LOW = Goal(words="<= 1 %", at_most=0.01)


def score(value, low, high):
    """Return a score of a hundred."""
    return Score(value=value, low=low, high=high, of=100)


@pytest.mark.parametrize(
    ("goal", "found", "verdict"),
    [
        (HIGH, score(0.99, 0.98, 1.0), "holds"),
        (HIGH, score(0.99, 0.90, 1.0), "not proven"),
        (HIGH, score(0.96, 0.90, 0.99), "does not hold"),
        (HIGH, score(0.99, math.nan, math.nan), "not proven"),
        (LOW, score(0.0, 0.0, 0.005), "holds"),
        (LOW, score(0.0, 0.0, 0.05), "not proven"),
        (LOW, score(0.02, 0.0, 0.05), "does not hold"),
        (HIGH, NO_SCORE, "not measured"),
    ],
)
def test_a_goal_holds_only_with_its_whole_interval(goal, found, verdict):
    """A lucky value is not proven."""
    assert goal.verdict(found) == verdict


def test_a_row_says_plainly_whom_the_model_does_not_beat():
    """More is better where a goal is a least, less where it is a most; as good is not better."""

    def row(goal, own, **peers):
        scores = {name.replace("_", " "): score(value, 0.0, 1.0) for name, value in {"order_model": own, **peers}.items()}
        return Row(name="a row", reference="-", goal=goal, lacks="nothing", scores=scores)

    assert row(HIGH, 0.9, rules=0.8, extra_trees=0.95, logistic_regression=0.9).not_beaten == [
        "extra trees",
        "logistic regression",
    ]
    assert row(LOW, 0.02, rules=0.0, extra_trees=0.03).not_beaten == ["rules"]
    assert row(HIGH, 0.9, rules=math.nan).not_beaten == []
    assert "| does not hold | extra trees |" in goals_table([row(HIGH, 0.9, rules=0.8, extra_trees=0.95)])
    assert "| does not hold | - |" in goals_table([row(HIGH, 0.9, rules=0.8)])


def test_a_summary_says_in_what_each_peer_is_not_beaten():
    """By column, in words; nothing where the model is better in everything."""

    def said(f1, alarms):
        rate = {"per_hour": alarms, "alarms": 1, "hours": 1.0}
        named = {"right_first": f1, "runs": 3, "seconds_median": 1.0}
        told = {"macro_f1": f1, "macro_f1_95": (0.0, 1.0), "right_entity": f1, "first_sample": f1, "named_runs": named}
        return told | {"false_alarms": {"quiet": rate, "decoys": rate}, "calibration_error": alarms}

    table = summary_table({"diagnosers": {"order model": said(0.9, 0.5), "rules": said(0.8, 0.0), "extra trees": said(0.7, 0.9)}})
    assert table.endswith("The order model does not beat rules in false alarms, alarms on decoys, calibration error.")
    assert "does not beat" not in summary_table({"diagnosers": {"order model": said(0.9, 0.1), "rules": said(0.8, 0.2)}})


def test_nothing_happened_proves_as_much_as_was_watched():
    """No interval of a rate reaches 0; three hundred host-days without an event are what was promised."""
    goal = Goal(words="0 in 300 host-days", at_most=0.0, of_min=300.0)
    assert goal.verdict(rate(0, 24.0), of=1.0) == "not proven"
    assert goal.verdict(rate(0, 7200.0), of=300.0) == "holds"
    assert goal.verdict(rate(1, 7200.0), of=300.0) == "does not hold"


def test_every_row_that_was_not_measured_says_what_it_lacks():
    """With nothing at all the table is whole, and every row names what to give."""
    table = rows({})
    assert len(table) >= 18
    for row in table:
        assert row.verdict.startswith("not measured: ")
        assert len(row.lacks) > 5
    assert [row.name for row in table if row.name not in goals_table(table)] == []
    assert "| order model |" not in goals_table(table)


def fresh(chaos, regret_s):
    """Return a report of an evolution that a fresh chaos examined."""
    told = {"value": regret_s, "low": regret_s - 1, "high": regret_s + 1, "hosts": 99}
    return {"chaos": chaos, "fresh_chaos": {"evolved": {"regret_s": told}}}


def test_rows_find_their_figures():
    """From the test split, the exam, a calibration, and foreign series."""
    headline = {"runs": 30, "macro_f1": 0.98, "macro_f1_95": [0.975, 0.99], "right_entity": 0.9, "right_entity_95": [0.8, 0.95]}
    exam = {"value": 0.75, "low": 0.71, "high": 0.8, "hosts": 256}
    found = {
        "test": {"parts": {TRAINED: {"order model": headline, "rules": headline}}, "latency_ms": {"cpu_p99": 0.5}},
        "exam": {
            "suites": {"triples": {"scores": {"network": {"repaired": exam}, "rules": {"repaired": {**exam, "value": None}}}}}
        },
        "confidence": {
            "coverage": {"own": {"value": 0.9, "low": 0.885, "high": 0.91, "of": 40}, "other_adapted": share(80, 100)}
        },
        "pretrain": {"foreign": [{"name": "a", "rows": {"network, zero-shot": {"bits": 2.0}, "xz of deltas": {"bits": 2.5}}}]},
        "evolve": [fresh("population", 10.0), fresh("uniform", 20.0), fresh("population", 12.0)],
    }
    verdicts = {row.name: row.verdict for row in rows(found)}
    assert verdicts["trained families, unseen host and intensity: macro-F1"] == "holds"
    assert verdicts["trained families, unseen host and intensity: right entity"] == "does not hold"
    assert verdicts["simulated: triples never trained"] == "holds"
    assert verdicts["conformal coverage at .90, own workload"] == "holds"
    assert verdicts["conformal coverage at .90, new hosts, the later half of their runs"] == "does not hold"
    assert verdicts["16 entities on one thread, p99 of processor time, ms"] == "holds"
    assert verdicts["bits per value (8 bit), a, zero-shot"] == "holds"
    assert "xz of deltas 2.50 here" in goals_table(rows(found))
    regret = next(row for row in rows(found) if row.name.startswith("regret")).scores["order model"]
    assert (regret.value, regret.low, regret.high) == pytest.approx((11 / 20 - 1, 10 / 21 - 1, 12 / 19 - 1))
    assert (
        "| simulated: triples never trained | .55 | .70, then .85 | 0.750 (0.710 to 0.800) | - | - | - | holds |"
        in goals_table(rows(found))
    )


def test_a_row_is_plain_for_json():
    """Value, interval, verdict."""
    row = Row(name="x", reference="-", goal=HIGH, lacks="y", scores={"order model": score(0.99, 0.98, 1.0)})
    assert json.loads(json.dumps(row.plain()))["scores"]["order model"] == {"value": 0.99, "low": 0.98, "high": 1.0, "of": 100}


def line(arm=EVERYTHING, seed=0, **changes):
    """Return a training."""
    return Line(**({"arm": arm, "seed": seed, "drills": 1000, "exam": "a", "scores": {"macro_f1": 0.9 + seed / 100}} | changes))


def test_arms_are_compared_seed_by_seed(tmp_path):
    """The difference to everything is taken before it is averaged; of one arm and seed the newest line counts."""
    file = tmp_path / "ablations.jsonl"
    for seed in range(3):
        append_line(file, line(seed=seed))
        append_line(file, line("real only", seed, scores={"macro_f1": 0.1}))
        append_line(file, line("real only", seed, scores={"macro_f1": 0.85 + seed / 100}))
    arms = summary(read_lines(file))
    assert list(arms) == [EVERYTHING, "real only"]
    gap = arms["real only"]["against_everything"]["macro_f1"]
    assert [gap[key] for key in ("mean", "least", "most")] == pytest.approx([-0.05] * 3)
    assert remarks(arms) == [f"no training of the arm {arm!r}" for arm in ("no evolution", "no pretraining", "simulator only")]
    assert "| real only | 3 | 1000 | 0.860 [0.850 to 0.870] |" in ablation_table(arms)


def test_unequal_drills_and_few_seeds_are_said(tmp_path):
    """An arm with half the drills is no ablation."""
    file = tmp_path / "ablations.jsonl"
    append_line(file, line())
    append_line(file, line("real only", drills=500))
    said = remarks(summary(read_lines(file)))
    assert "real only: its drills differ from those of 'everything'" in said
    assert "everything: 1 seed(s), want 3" in said


def test_arms_that_answered_other_questions_are_refused(tmp_path):
    """Both exams are named."""
    file = tmp_path / "ablations.jsonl"
    append_line(file, line())
    append_line(file, line(seed=1, exam="b"))
    with pytest.raises(AblationError, match="examined on different things: a, b"):
        read_lines(file)


@pytest.mark.parametrize(
    "text", ["{", '{"arm": "x"}', '{"version": 2, "arm": "x", "seed": 0, "drills": 1, "exam": "a", "scores": {}}']
)
def test_a_damaged_line_is_named(tmp_path, text):
    """File and line."""
    file = tmp_path / "ablations.jsonl"
    append_line(file, line())
    file.write_text(file.read_text() + text + "\n")
    with pytest.raises(AblationError, match=r"ablations\.jsonl:2: "):
        read_lines(file)


def test_reports_are_told_apart_by_what_is_in_them(tmp_path):
    """Nobody has to say which file is which; of a folder what is known is taken."""
    (tmp_path / "exam.json").write_text('{"suites": {}, "hosts": 4, "seed": 0}')
    (tmp_path / "evolve.json").write_text('{"history": [], "cross_play": {"regret_s": {}}}')
    (tmp_path / "other.json").write_text('{"what": 1}')
    (tmp_path / "history.jsonl").write_text('{"epoch": 1, "train_loss": 0.5}\n{"epoch": 2, "train_loss": 0.4}\n')
    append_line(tmp_path / "arms.jsonl", line())
    found = read_reports([tmp_path])
    assert sorted(found) == ["ablations", "evolve", "exam", "history"]
    assert [each["epoch"] for each in found["history"][tmp_path.name]] == [1, 2]
    with pytest.raises(ReportError, match=r"other\.json: a report of no known kind; known are: exam"):
        read_reports([tmp_path / "other.json"])


@pytest.mark.parametrize("content", ["{", None])
def test_a_report_that_cannot_be_read_is_named(tmp_path, content):
    """File and remedy."""
    file = tmp_path / "exam.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ReportError, match=r"exam\.json: .*name the JSON"):
        read_reports([file])

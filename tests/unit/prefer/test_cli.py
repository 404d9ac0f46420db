"""`ordertrainer compare` and `ordertrainer prefer`: what they ask, keep, print and refuse."""

import json

import pytest
import typer
from typer.testing import CliRunner

from ordertrainer.costs import Costs, read_costs, write_costs
from ordertrainer.prefer import cli
from ordertrainer.prefer.answers import Said, read_answers


@pytest.fixture
def run(monkeypatch, playbooks, words, scenes):
    """Return what runs a verb; catalogue and hosts are those that were read and drawn for all tests."""
    monkeypatch.setattr(cli, "_playbooks", lambda: playbooks)
    monkeypatch.setattr(cli, "_words", lambda _: words)
    monkeypatch.setattr(cli, "_scenes", lambda *_: scenes)
    app = typer.Typer()
    for verb in (cli.compare, cli.prefer):
        app.command(verb.__name__)(verb)
    return lambda *words, typed="": CliRunner().invoke(app, [str(word) for word in words], input=typed)


@pytest.fixture
def file(tmp_path):
    """Return a place for answers."""
    return tmp_path / "answers.jsonl"


def test_a_sitting_asks_keeps_and_tells_how_sure_the_weights_are(run, file):
    """Two plans in words, an answer, and what is known then; quit ends it without losing anything."""
    done = run("compare", "--answers", file, typed="a\nequal\nskip\nb\nquit\n")
    assert done.exit_code == 0, done.output
    assert done.output.count("Plan A") == done.output.count("somebody looks at the host anyway") == 5
    assert "3 answers; weights known within a factor of" in done.output
    assert [answer.said for answer in read_answers(file)] == [Said.A, Said.EQUAL, Said.SKIP, Said.B]
    first = read_answers(file)[0]
    assert first.plan_a in done.output
    assert first.at.endswith("Z")
    assert first.by


def test_the_next_sitting_goes_on_and_asks_nothing_twice(run, file):
    """What was answered or skipped is not asked again; the count is of all sittings together."""
    run("compare", "--answers", file, typed="a\nskip\n")
    done = run("compare", "--answers", file, "--count", 4, typed="b\nb\nb\nb\nb\n")
    assert done.exit_code == 0
    assert "Question 2 of 4" in done.output
    answers = read_answers(file)
    assert len(answers) == 5
    assert len({answer.question for answer in answers}) == 5


def test_an_answer_decides_what_is_asked_next(run, tmp_path):
    """Two people who answer otherwise are soon asked otherwise."""
    for typed, name in (("a\n" * 6, "one"), ("b\n" * 6, "other")):
        run("compare", "--answers", tmp_path / name, typed=typed)
    one, other = (read_answers(tmp_path / name) for name in ("one", "other"))
    assert one[0].question == other[0].question
    assert [answer.question for answer in one] != [answer.question for answer in other]


def test_an_answer_that_means_nothing_ends_a_piped_sitting_by_name(run, file):
    """With what was said before it kept."""
    done = run("compare", "--answers", file, typed="a\nmaybe\n")
    assert done.exit_code == 2
    assert "error: standard input: line 2 = 'maybe': want a, b, equal, skip or quit" in done.output
    assert len(read_answers(file)) == 1


def test_an_interruption_keeps_everything(run, file, monkeypatch):
    """The exit status of an interrupted program, and how to go on."""
    lines = iter(["a\n", "b\n"])

    def read(_keys):
        if (line := next(lines, None)) is None:
            raise KeyboardInterrupt
        return cli.Key(line.strip())

    monkeypatch.setattr(cli.Keys, "read", read)
    done = run("compare", "--answers", file)
    assert done.exit_code == cli.INTERRUPTED
    assert f"every answer is kept in {file}" in done.output
    assert len(read_answers(file)) == 2


@pytest.fixture
def answered(run, file, scenes, person):
    """Return answers of somebody who does not mind being called."""
    she = person(1)
    she.costs = Costs(false_call=15.0, call=5.0)
    from ordertrainer.prefer.answers import Answer, AnswersFile

    pairs = [pair for scene in scenes for pair in scene.pairs()][::9][:80]
    with AnswersFile.opened(file) as kept:
        for one, other in pairs:
            kept.append(Answer(a=one.bill, b=other.bill, said=Said(she.pick(one, other))))
    return file


def test_what_was_learned_is_printed_and_written(run, answered, tmp_path):
    """Weights before and after with their intervals, agreement, what is decided otherwise, and a file for --costs."""
    out, told = tmp_path / "new" / "costs.toml", tmp_path / "prefer.json"
    done = run("prefer", "--answers", answered, "--out", out, "--json", told, "--scenes", 32)
    assert done.exit_code == 0, done.output
    report = json.loads(told.read_text(encoding="utf-8"))
    learned = read_costs(out)
    assert learned.false_call < 0.5 * Costs().false_call
    assert learned.false_call == pytest.approx(report["weights"]["false_call"]["after"], rel=1e-3)
    assert report["agreement"]["after"] > 0.9
    ways = report["decisions"]["ways"]
    assert next(iter(ways)) == min(ways, key=lambda name: ways[name]["after"])
    assert f"it is now: {next(iter(ways))}" in done.output
    assert report["decisions"]["hosts_with_plans_that_turned"] > 10
    assert done.output.count("Better before") == done.output.count("Better now") == 2
    assert "# From 80 answers and 0 ratings; before: the defaults." in out.read_text(encoding="utf-8")


def test_what_was_learned_before_is_where_the_next_learning_begins(run, answered, tmp_path):
    """--costs is the prior; what it gets wrong is told by its file, key and value."""
    write_costs(tmp_path / "mine.toml", Costs(harm=500.0))
    done = run("prefer", "--answers", answered, "--costs", tmp_path / "mine.toml", "--out", tmp_path / "next.toml")
    assert done.exit_code == 0
    assert "before: " + str(tmp_path / "mine.toml") in (tmp_path / "next.toml").read_text(encoding="utf-8")
    (tmp_path / "wrong.toml").write_text("[costs]\nharm = -1\n", encoding="utf-8")
    for verb in ("prefer", "compare"):
        done = run(verb, "--answers", answered, "--costs", tmp_path / "wrong.toml")
        assert done.exit_code == 2
        assert "wrong.toml: costs.harm = -1: want seconds of trouble" in done.output


def test_without_answers_nothing_is_learned(run, file, tmp_path):
    """Neither from nothing nor from what was only skipped; no file is written."""
    run("compare", "--answers", file, typed="skip\n")
    for words in (("prefer",), ("prefer", "--answers", file)):
        done = run(*words, "--out", tmp_path / "costs.toml")
        assert done.exit_code == 2
        assert "there is no answer to learn from" in done.output
    assert not (tmp_path / "costs.toml").exists()

"""`ordertrainer rules` from the command line, and what it writes."""

import json
from dataclasses import replace

import pytest
import typer
import yaml
from typer.testing import CliRunner

from ordertrainer.dataset import Examples
from ordertrainer.imitation.toy import toy_examples
from ordertrainer.rules import cli
from ordertrainer.rules.choose import Budget
from ordertrainer.rules.cli import INTERRUPTED
from ordertrainer.rules.distil import LIST, distil
from ordertrainer.rules.pages import markdown, plain


@pytest.fixture(scope="module")
def run():
    """Return what runs the verb."""
    app = typer.Typer()
    app.command()(cli.rules)
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


def test_a_list_is_printed_and_written(run, tmp_path):
    """The model of this tree, a few simulated hosts: table, JSON, Markdown and rulebook tell of the same rules."""
    files = [tmp_path / "out" / name for name in ("rules.json", "rules.md", "rules.yml")]
    done = run("--hosts", 40, "--rules", 5, "--json", files[0], "--markdown", files[1], "--rulebook", files[2])
    assert done.exit_code == 0, done.output
    told = json.loads(files[0].read_text(encoding="utf-8"))
    assert 0 < len(told["rules"]) <= 5
    assert told["seed"] == 0
    assert "in rules; the first that holds decides".replace("in", f"in {len(told['rules'])}", 1) in done.output
    page, ruleset = files[1].read_text(encoding="utf-8"), yaml.safe_load(files[2].read_text(encoding="utf-8"))[0]
    for number, rule in enumerate(told["rules"], start=1):
        assert f"| {number} | {rule['kind']}: {rule['when']} | {rule['answer']} |" in page
        assert any(each["name"].startswith(f"{number:02d} {rule['kind']} {rule['answer']}") for each in ruleset["rules"])


def test_a_list_is_held_against_the_teacher_and_the_rules_are_too(truthful, playbooks, examples):
    """On toy hosts whose faults show what the textbook says, ten rules say nearly all that is true, and every figure is there."""
    unseen = toy_examples(seed=2, runs=27, name="unseen")
    found = distil(truthful, playbooks.repairs, examples, {"unseen": unseen}, seed=0, budget=Budget(rules=20))
    figures = found.fidelity["unseen"]
    assert set(figures) == {LIST, "orderd's rules"}
    assert figures[LIST]["macro_f1"]["value"] > 0.9
    assert figures[LIST]["macro_f1"]["value"] > figures["orderd's rules"]["macro_f1"]["value"]
    first = {each.answer: each.repair for each in reversed(found.rules)}
    assert first["service_masked"] == "service_unmask_and_start"
    assert first["clock_stepped"] == ""
    assert all(each.support > 0 for each in found.rules)
    assert len(plain(found)["rules"]) == len(found.rules) <= 20
    assert markdown(found).count("\n| ") >= len(found.rules)


def test_a_teacher_that_names_nothing_is_told_so(truthful, playbooks, examples):
    """Instead of an empty list."""
    quiet: Examples = replace(examples, failure=examples.failure.clip(max=0))
    with pytest.raises(ValueError, match="names nothing"):
        distil(truthful, playbooks.repairs, quiet, {"unseen": quiet}, seed=0, budget=Budget())


def test_one_list_tells_of_one_teacher(run, tmp_path):
    """Both at once are refused."""
    done = run("--model", tmp_path, "--policy", tmp_path)
    assert done.exit_code == 2
    assert "give --model or --policy" in done.output


@pytest.mark.parametrize("option", ["--model", "--policy"])
def test_what_is_no_model_is_refused(run, tmp_path, option):
    """In one line."""
    done = run(option, tmp_path / "none")
    assert done.exit_code == 2
    assert done.output.startswith("error: ")


def test_an_interruption_is_told(run, monkeypatch):
    """With the exit status of an interrupted program."""

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "distil", interrupted)
    monkeypatch.setattr(cli, "simulated_sets", lambda *_, **__: (None, {}))
    done = run()
    assert done.exit_code == INTERRUPTED
    assert "nothing was written" in done.output

"""Questions, progress and reports for people. Writes the terminal; rich."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from ordertrainer.costs import Costs
from ordertrainer.prefer.belief import Belief
from ordertrainer.prefer.bills import MEANS, total_s
from ordertrainer.prefer.report import Case
from ordertrainer.prefer.session import Question
from ordertrainer.prefer.words import Words

SHOWN: Final = 2
"""Examples of plans whose order has turned."""
_WHOLE_S: Final = 10.0


def show_question(console: Console, asked: Question, words: Words, number: int, count: int) -> None:
    """Show a host and two plans for it."""
    console.print(f"\n[bold]Question {number} of {count}[/]  [dim](expected to tell {asked.bits:.2f} bits)[/]")
    console.print(words.scene(asked.scene), markup=False)
    for title, plan in (("Plan A", asked.a), ("Plan B", asked.b)):
        console.print(f"\n[bold]{title}[/]")
        console.print(words.plan(asked.scene, plan), markup=False)


def progress(answers: int, belief: Belief) -> str:
    """Return how sure the weights are after some answers."""
    widest = max(belief.factors, key=belief.factors.__getitem__)
    return (
        f"{counted(answers)}; weights known within a factor of {belief.factor:.2f}, "
        f"least of all {widest} (a factor of {belief.factors[widest]:.2f})"
    )


def counted(number: int, what: str = "answer") -> str:
    """Return a number of things in words."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def show_report(console: Console, report: Mapping[str, Any]) -> None:
    """Show weights before and after, and how far they can be believed."""
    console.print(weights_table(report))
    console.print(f"a plan that saves twice of what it costs is preferred in {report['twice']:.0%} of answers")
    if report["ratings"] or report["ratings_that_say_nothing"]:
        console.print(f"{counted(report['ratings'], 'rating')}, each counted as a quarter of an answer")
    for why, number in report["ratings_that_say_nothing"].items():
        console.print(f"{number} more say nothing of weights: {why}", markup=False)
    if told := report["agreement"]:
        console.print(
            f"agreement with {counted(told['answers'])}, each left out of the learning: {told['after']:.0%}; "
            f"with the weights before: {told['before']:.0%}"
        )


def weights_table(told: Mapping[str, Any]) -> Table:
    """Return weights before and after; a star where the weight before is outside the interval."""
    table = Table(show_edge=False, caption="seconds of trouble; *: moved, by 95 %", caption_justify="left")
    table.add_column("weight")
    for column in ("before", "after", "95 % interval", "answers that bear on it"):
        table.add_column(column, justify="right")
    for name, row in told["weights"].items():
        after = f"{seconds(row['after'])}{'*' if row['moved'] else ' '}"
        interval = f"{seconds(row['low'])} to {seconds(row['high'])}"
        table.add_row(f"{name}  [dim]{MEANS[name]}[/]", seconds(row["before"]), after, interval, str(row["answers"]))
    return table


def seconds(value: float) -> str:
    """Return seconds with two digits, or whole."""
    return f"{value:.2g}" if value < _WHOLE_S else f"{value:.0f}"


def show_ways(console: Console, ways: Mapping[str, Mapping[str, float]], scenes: int) -> None:
    """Show what ways of keeping hosts in order come to that do not know what is wrong, the cheapest first."""
    table = Table(show_edge=False, caption=f"seconds of trouble a host, on {scenes} simulated hosts", caption_justify="left")
    table.add_column("who does not know what is wrong")
    for moment in ("before", "now"):
        table.add_column(moment, justify="right")
    for name, told in ways.items():
        table.add_row(name, seconds(told["before"]), seconds(told["after"]))
    console.print("", table)
    was, now = min(ways, key=lambda name: ways[name]["before"]), next(iter(ways))
    console.print(f"the best of them is still: {now}" if was == now else f"the best of them was: {was}; it is now: {now}")


def show_turned(console: Console, cases: Sequence[Case], words: Words, costs: tuple[Costs, Costs]) -> None:
    """Show plans whose order has turned.

    Args:
        console: where.
        cases: of each host the two plans that have turned most.
        words: to tell them in.
        costs: weights before and after.
    """
    for case in cases[:SHOWN]:
        console.print(f"\n{words.scene(case.scene)}", markup=False)
        for title, plan in (("Better before", case.before), ("Better now", case.after)):
            before, after = (total_s(each, plan.bill) for each in costs)
            console.print(f"[bold]{title}[/] ({before:.0f} s by the weights before, {after:.0f} s by these)")
            console.print(words.plan(case.scene, plan), markup=False)

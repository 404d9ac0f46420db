"""Fills the score table from all that was measured: the test split, real drills, and the reports of other verbs. Pure.

    test        `ordertrainer evaluate --data`: macro-F1 and right entity of trained families at intensities that are not
    real        `ordertrainer evaluate --real`: what orderd did on disposable hosts
    exam        `ordertrainer exam --held-out --json`: the same questions in the simulator, in rows of their own
    confidence  `ordertrainer calibrate-confidence --json`
    pretrain    `ordertrainer pretrain --external FILE --json`
    evolve      `ordertrainer evolve --fresh N --json` of both arms: ``chaos`` says which one a report is of

A report that is not there leaves rows that say what they lack.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from ordertrainer.evaluation.goals import COLUMNS, Goal, Row
from ordertrainer.evaluation.intervals import NO_SCORE, Score, as_score, share
from ordertrainer.evaluation.parts import TRAINED
from ordertrainer.evaluation.real.runs import RULES_ONLY

_MODEL, _RULES = COLUMNS[:2]
_ARMS: Final = ("population", "uniform")
_DAY_H: Final = 24.0
_HOST_DAYS: Final = 300.0
_DATA: Final = "--data with a test split of trained families"
_REAL: Final = "--real with a drill"
_PAIRS: Final = "--real with the battery `pairs`"
_EXAM: Final = "--report with JSON of `ordertrainer exam --held-out`"

Report = Mapping[str, Any]


def rows(found: Mapping[str, Any]) -> list[Row]:
    """Return every row of the table.

    Args:
        found: reports by the names above; what is missing makes rows say so.
    """
    return [
        *_named(found.get("test")),
        *_repaired(found.get("real")),
        *_confidence(found.get("confidence")),
        *_bits(found.get("pretrain")),
        *_regret(found.get("evolve") or []),
        *_speed(found.get("test")),
        *_simulated(found.get("exam")),
    ]


def _named(test: Report | None) -> list[Row]:
    own = (test or {}).get("parts", {}).get(TRAINED, {})
    goal = Goal(words=".97, then .99", at_least=0.97)
    about = ("trained families, unseen host and intensity", "BARO Avg@5 .67 to 1.0")
    return [
        Row(name=f"{about[0]}: {name}", reference=about[1], goal=goal, lacks=_DATA, scores=_of_diagnosers(own, key))
        for name, key in (("macro-F1", "macro_f1"), ("right entity", "right_entity"))
    ]


def _of_diagnosers(own: Report, key: str) -> dict[str, Score]:
    return {
        name: Score(value=scored[key], low=scored[f"{key}_95"][0], high=scored[f"{key}_95"][1], of=scored["runs"])
        for name, scored in own.items()
    }


_SHARES: Final = (
    (
        "verified repair, single fault, at most 3 repairs",
        "AIOpsLab agents at most .55",
        Goal(words=".97, then .99", at_least=0.97),
        _REAL,
    ),
    ("unseen pairs: exact set", "0 to .39", Goal(words=".85", at_least=0.85), _PAIRS),
    ("unseen pairs: fully repaired", ".53", Goal(words=".88", at_least=0.88), _PAIRS),
    ("held-out families: escalated or rightly repaired", "-", Goal(words=">= .90", at_least=0.90), _REAL),
    ("held-out families: repaired wrongly", "-", Goal(words="<= 1 %", at_most=0.01), _REAL),
    ("false repairs: decoys, a run", "LLM agents mostly fail no-op tasks", Goal(words="<= .5 %", at_most=0.005), _REAL),
    ("harmful actions per drill", "25 % to 1 % (prototype)", Goal(words="<= .2 %", at_most=0.002), _REAL),
)
"""Name, reference, goal and what is lacked, in the order of ``_shares``."""


def _repaired(real: Report | None) -> list[Row]:
    told = _columns(real or {})
    shares = {column: _shares(figures) for column, figures in told.items()}
    rows = [
        Row(name=name, reference=reference, goal=goal, lacks=lacks, scores={column: each[n] for column, each in shares.items()})
        for n, (name, reference, goal, lacks) in enumerate(_SHARES)
    ]
    if not all(figures["repairs_counted"] for figures in told.values()):
        rows[0] = replace(rows[0], name=f"{rows[0].name} (not counted: no details.json)")
    return [*rows, _quiet(told)]


def _shares(figures: Report) -> tuple[Score, ...]:
    """Return what the rows of _SHARES ask of one column."""
    pairs, held, false = figures["pairs"]["held out"], figures["held_out"], figures["false_repairs"]
    return (
        figures["repaired_all"],
        pairs["exact_set"],
        pairs["fully_repaired"],
        _sum(held["escalated"], held["rightly_repaired"]),
        held["repaired_wrongly"],
        false["decoys"]["runs"],
        figures["touched_healthy"],
    )


def _quiet(told: Mapping[str, Report]) -> Row:
    quiet = {column: figures["false_repairs"]["quiet"] for column, figures in told.items()}
    return Row(
        name="false repairs: quiet hosts, a host-hour",
        reference="LLM agents mostly fail no-op tasks",
        goal=Goal(words="0 in 300 host-days", at_most=0.0, of_min=_HOST_DAYS),
        scores={column: each["per_hour"] for column, each in quiet.items()},
        of=(quiet.get(_MODEL, {}).get("hours") or 0.0) / _DAY_H,
        unit="host-days",
        lacks="--real with the battery `quiet` and its details.json",
    )


def _columns(real: Report) -> dict[str, Report]:
    """Return figures by column: those of the newest model there are drills of, and those of rules alone."""
    models = sorted(who for who in real if who != RULES_ONLY)
    found = {_MODEL: real[models[-1]]} if models else {}
    return found | ({_RULES: real[RULES_ONLY]} if RULES_ONLY in real else {})


def _sum(one: Score, other: Score) -> Score:
    """Return two shares of the same runs that exclude each other as one share."""
    return share(round((one.value + other.value) * one.of), one.of) if one.of else NO_SCORE


def _confidence(told: Report | None) -> list[Row]:
    lacks = "--report with JSON of `ordertrainer calibrate-confidence`"
    coverage = (told or {}).get("coverage", {})
    return [
        Row(
            name="conformal coverage at .90, own workload",
            reference=".89",
            goal=Goal(words=".90 +- .02", at_least=0.88, at_most=0.92),
            scores=_one(coverage.get("own")),
            lacks=lacks,
        ),
        Row(
            name="conformal coverage at .90, new hosts, the later half of their runs",
            reference="0 to .23",
            goal=Goal(words=">= .85", at_least=0.85),
            scores=_one(coverage.get("other_adapted")),
            lacks=lacks,
        ),
    ]


def _bits(pretrain: Report | None) -> list[Row]:
    """Return a row for each foreign file that was scored: with the weights that ship, and fitted to the file's own train part."""
    told = {file["name"]: file["rows"] for file in (pretrain or {}).get("foreign", [])} or {"public server data": {}}
    ways = (("network, zero-shot", "zero-shot"), ("network, fitted", "the same architecture, fitted to its train part"))
    found: list[Row] = []
    for name, said in told.items():
        here = "; ".join(f"{way} {row['bits']:.2f} here" for way, row in said.items() if not way.startswith("network"))
        found += [
            Row(
                name=f"bits per value (8 bit), {name}, {words}",
                reference=f"xz of deltas 2.5; adaptive persistence 3.3 to 4.0{'; ' if here else ''}{here}",
                goal=Goal(words="2.1, then 1.8", at_most=2.1),
                scores={_MODEL: _exact(said[way]["bits"])} if way in said else {},
                lacks="--report with JSON of `ordertrainer pretrain --external`",
            )
            for way, words in ways
        ]
    return found


def _regret(evolve: Sequence[Report]) -> list[Row]:
    """Return what a fresh chaos costs an evolved order, against what one costs an order that was trained evenly."""
    evolved, even = (_mean([as_score(each["fresh_chaos"]["evolved"]["regret_s"]) for each in told]) for told in _by_arm(evolve))
    scores = {}
    if math.isfinite(evolved.value) and even.low > 0:
        # Both were examined on hosts of their own: the ends are the worst and the best that both intervals allow.
        ends = (evolved.low / even.high - 1.0, evolved.high / even.low - 1.0)
        scores = {_MODEL: Score(value=evolved.value / even.value - 1.0, low=ends[0], high=ends[1], of=evolved.of)}
    return [
        Row(
            name="regret under a fresh chaos against a uniformly trained order, equal drills",
            reference="-9 %",
            goal=Goal(words="-25 %", at_most=-0.25),
            scores=scores,
            lacks="--report with JSON of `ordertrainer evolve --fresh`, of --chaos population and of --chaos uniform",
        )
    ]


def _by_arm(evolve: Sequence[Report]) -> list[list[Report]]:
    """Return the reports of each arm that a fresh chaos examined."""
    return [[each for each in evolve if each.get("chaos") == arm and "fresh_chaos" in each] for arm in _ARMS]


def _mean(scores: Sequence[Score]) -> Score:
    """Return the mean of the scores of several seeds."""
    if not scores:
        return NO_SCORE
    value, low, high = (math.fsum(getattr(score, key) for score in scores) / len(scores) for key in ("value", "low", "high"))
    return Score(value=value, low=low, high=high, of=len(scores))


def _exact(value: float) -> Score:
    return Score(value=value, low=value, high=value, of=1)


def _speed(test: Report | None) -> list[Row]:
    p99 = (test or {}).get("latency_ms", {}).get("cpu_p99")
    return [
        Row(
            name="16 entities on one thread, p99 of processor time, ms",
            reference="2.8 ms CPU",
            goal=Goal(words="2 ms", at_most=2.0),
            scores={} if p99 is None else {_MODEL: _exact(p99)},
            lacks="--data, and a model that was exported",
        )
    ]


def _simulated(exam: Report | None) -> list[Row]:
    """Return the questions that the simulator asks, as rows of their own: a simulated host is not a host."""
    asked = (
        ("singles", "repaired_within_3", "verified repair, single fault, at most 3 repairs", Goal(words=".97", at_least=0.97)),
        ("held pairs", "repaired", "unseen pairs: fully repaired", Goal(words=".88", at_least=0.88)),
        ("triples", "repaired", "triples never trained", Goal(words=".70, then .85", at_least=0.70)),
        ("held families", "settled", "held-out families: escalated or repaired", Goal(words=">= .90", at_least=0.90)),
        ("held families", "harmful_per_host", "held-out families: harmful", Goal(words="<= 1 %", at_most=0.01)),
        ("quiet", "calm_hosts_touched", "false repairs: quiet hosts", Goal(words="0", at_most=0.005)),
        ("held decoys", "calm_hosts_touched", "false repairs: decoys", Goal(words="<= .5 %", at_most=0.005)),
    )
    references = {"triples": ".55", "held pairs": ".53"}
    return [
        Row(
            name=f"simulated: {name}",
            reference=references.get(suite, "-"),
            goal=goal,
            scores=_of_policies(exam, suite, key),
            lacks=_EXAM,
        )
        for suite, key, name, goal in asked
    ]


def _of_policies(exam: Report | None, suite: str, key: str) -> dict[str, Score]:
    scored = (exam or {}).get("suites", {}).get(suite, {}).get("scores", {})
    network = next((name for name in ("network + rules", "network") if name in scored), None)
    wanted = {_MODEL: network, _RULES: "rules"}
    return {column: as_score(scored[name][key]) for column, name in wanted.items() if name in scored}


def _one(told: Report | None) -> dict[str, Score]:
    return {} if told is None else {_MODEL: as_score(told)}

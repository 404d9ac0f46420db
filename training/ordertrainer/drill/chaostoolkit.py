"""A drill in the words of the Chaos Toolkit: every run as an experiment it accepts, its result as a journal its tools read.

Touches: the folder it is told to write. The toolkit itself is not needed; its experiment format is 1.0, the journal's is that of
chaostoolkit-lib 1.x.

The experiments can be carried out with `chaos run` as well: the hypothesis asks the host's services, the method injects through
`ordertrainer.drill.activity`, and the rollback reverts, whatever happened in between. They act on the hosts of the inventory in
the environment variable ORDERD_INVENTORY.

References:
    https://chaostoolkit.org/reference/api/experiment/ and https://chaostoolkit.org/reference/api/journal/
"""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec

from ordertrainer.chaos import Experiment
from ordertrainer.drill.battery import Item
from ordertrainer.drill.details import RunDetails
from ordertrainer.drill.result import Run, ended_well
from ordertrainer.drill.result import write as write_file
from ordertrainer.drill.store import DoneItem, Outline

LIB_VERSION: Final = "1.0.0"
ACTIVITY: Final = "ordertrainer.drill.activity"
HEALTHY: Final = "services-answer"
SETTLE_S: Final = 45
INJECT_TIMEOUT_S: Final = 120
STAMP: Final = "%Y-%m-%d %H:%M:%S"


def write(directory: Path, outline: Outline, done: Sequence[DoneItem]) -> list[Path]:
    """Write `experiment-N.json` and `journal-N.json` for every item that injected something.

    Args:
        directory: is made.
        outline: of the drill.
        done: what came of it; an item that is not in the outline, because its plan had no end, has no experiment to write.

    Returns:
        The files.
    """
    items = {item.number: item for item in outline.items}
    files = []
    for each in done:
        item = items.get(each.number)
        if item is None or not item.experiments:
            continue
        declared = experiment(item, each.details)
        for name, value in (("experiment", declared), ("journal", journal(declared, outline, each))):
            files.append(write_file(directory, f"{name}-{each.number}.json", json.dumps(value, indent=2).encode() + b"\n"))
    return files


def experiment(item: Item, seen: Sequence[RunDetails] = ()) -> dict[str, Any]:
    """Return an item as an experiment of the Chaos Toolkit."""
    summaries = [details.summary for details in seen] or [each.fault.replace("_", " ") for each in item.experiments]
    return {
        "version": "1.0.0",
        "title": f"orderd repairs {' and '.join(each.fault for each in item.experiments)}",
        "description": " ".join(summaries),
        "tags": ["orderd", *sorted({each.fault for each in item.experiments})],
        "configuration": {"inventory": {"type": "env", "key": "ORDERD_INVENTORY", "default": "inventory.yml"}},
        "contributions": {"reliability": "high", "availability": "high"},
        "steady-state-hypothesis": {
            "title": "Every service of the host answers",
            "probes": [
                {
                    "type": "probe",
                    "name": HEALTHY,
                    "tolerance": 0,
                    "provider": _process("probe", None, SETTLE_S),
                }
            ],
        },
        "method": [
            {
                "type": "action",
                "name": f"inject-{each.fault}",
                "provider": _process("inject", each, INJECT_TIMEOUT_S),
                **({"pauses": {"before": item.gap_s}} if number and item.gap_s else {}),
            }
            for number, each in enumerate(item.experiments)
        ]
        + [
            {
                "type": "probe",
                "name": f"landed-{each.fault}",
                "provider": _process("landed", each, INJECT_TIMEOUT_S),
                "tolerance": 0,
            }
            for each in item.experiments
        ],
        "rollbacks": [
            {"type": "action", "name": f"revert-{each.fault}", "provider": _process("revert", each, INJECT_TIMEOUT_S)}
            for each in reversed(item.experiments)
        ],
    }


def journal(declared: dict[str, Any], outline: Outline, done: DoneItem) -> dict[str, Any]:
    """Return what came of an item, as the toolkit would have written it: moments of the drill, outcomes of its verdict."""
    landed = all(run.landed for run in done.runs)
    well = landed and all(ended_well(run) and not run.touched_healthy for run in done.runs)
    void = any(run.outcome == "void" for run in done.runs)
    start = datetime.strptime(outline.started_utc, STAMP)  # noqa: DTZ007  UTC without saying so, as the toolkit writes it
    end = start + timedelta(seconds=done.took_s)
    healthy = {"name": declared["steady-state-hypothesis"]["title"]}
    probe = declared["steady-state-hypothesis"]["probes"][0]
    before = _activity(probe, start, 0.0, "succeeded", _printed(int(void))) | {"tolerance_met": not void}
    after = _activity(probe, end, 0.0, "succeeded", _printed(int(not well))) | {"tolerance_met": well}
    return {
        "chaoslib-version": LIB_VERSION,
        "platform": platform.platform(),
        "node": done.host,
        "experiment": declared,
        "start": start.isoformat(),
        "status": "aborted" if void else "completed",
        "deviated": not void and not well,
        "steady_states": {
            "before": {"steady_state_met": not void, "probes": [before], **healthy},
            "after": {"steady_state_met": well, "probes": [after], **healthy},
            "during": [],
        },
        "run": [_ran(activity, start, done) for activity in declared["method"]],
        "rollbacks": [_activity(each, end, 0.0, "succeeded", _printed(0)) for each in declared["rollbacks"]],
        "end": end.isoformat(),
        "duration": done.took_s,
        "orderd": {"version": done.version, "runs": msgspec.to_builtins(done.runs)},
    }


def _ran(activity: dict[str, Any], start: datetime, done: DoneItem) -> dict[str, Any]:
    run, seen = next(
        (run, seen) for run, seen in zip(done.runs, done.details, strict=True) if activity["name"].endswith(f"-{run.fault}")
    )
    status = "failed" if run.outcome == "void" else "succeeded"
    output = _printed(int(not run.landed), _words(run, seen), run.reason)
    return _activity(activity, start, max(0.0, -seen.start_s), status, output)


def _printed(status: int, out: str = "", err: str = "") -> dict[str, Any]:
    """Return what the toolkit keeps of a process."""
    return {"status": status, "stdout": out, "stderr": err}


def _words(run: Run, seen: RunDetails) -> str:
    said = [f"{at:.3f} s {what}" for each in seen.said for at, what, _ in each.steps]
    return json.dumps({"outcome": run.outcome, "seconds": msgspec.to_builtins(run.seconds), "said": said})


def _activity(activity: dict[str, Any], at: datetime, seconds: float, status: str, output: Any) -> dict[str, Any]:
    return {
        "activity": activity,
        "output": output,
        "status": status,
        "start": at.isoformat(),
        "end": (at + timedelta(seconds=seconds)).isoformat(),
        "duration": round(seconds, 3),
    }


def _process(verb: str, about: Experiment | None, timeout_s: int) -> dict[str, Any]:
    arguments = ["-m", ACTIVITY, verb, "--inventory", "${inventory}"]
    arguments += ["--experiment", msgspec.json.encode(about).decode()] if about else []
    return {"type": "process", "path": sys.executable, "arguments": arguments, "timeout": timeout_s}

import json
from pathlib import Path

import msgspec
import pytest

from ordertrainer.drill.result import VERSION, Drill, Model, Run, Times, schema, summary

SCHEMA = Path(__file__).with_name("drill.schema.json")
ISSUE_KEYS = {"version", "seed", "host", "model", "runs", "summary"}
ISSUE_RUN_KEYS = {
    "fault", "target", "intensity", "decoy", "landed", "diagnosis", "repair", "seconds", "outcome", "touched_healthy", "residue",
}  # fmt: skip


def one_run(**changes):
    values = {
        "fault": "service_kill",
        "target": "unit:nginx.service",
        "intensity": None,
        "decoy": False,
        "landed": True,
        "diagnosis": None,
        "repair": None,
        "seconds": Times(),
        "outcome": "failed",
        "reason": "orderd decided nothing",
        "touched_healthy": False,
        "residue": [],
    }
    return Run(**(values | changes))


def document(*runs):
    drill = Drill(version=VERSION, seed=1, host="drill-1", model=Model(), runs=list(runs), summary=summary(runs))
    return json.loads(msgspec.json.encode(drill))


def test_published_schema_is_the_one_the_code_writes():
    """The schema file is generated from the structs and fresh; write `schema()` to it after a change."""
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == schema()


def test_document_has_every_key_people_were_promised():
    """The document and its runs hold the keys of the contract, and the reason beside them."""
    written = document(one_run())
    assert set(written) == ISSUE_KEYS
    assert set(written["runs"][0]) == ISSUE_RUN_KEYS | {"reason"}
    assert set(written["runs"][0]["seconds"]) == {"detected", "decided", "repaired", "healthy"}
    assert set(written["summary"]["seconds"]["healthy"]) == {"median", "maximum"}


@pytest.mark.parametrize(
    ("path", "value"),
    [(("version",), 2), (("runs", 0, "outcome"), "fine"), (("runs", 0, "extra"), 1), (("model",), None), (("seed",), "one")],
)
def test_document_that_breaks_the_schema_is_refused(path, value):
    """A wrong version, an unknown outcome, an unknown key, a missing model and a wrong type are refused."""
    broken = document(one_run())
    place = broken
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(json.dumps(broken), type=Drill, strict=True)

"""orderctl as a program: what it tells orderd and what it asks why, against a real server."""

import asyncio
import json
import os
import pwd
import sys
from pathlib import Path

import pytest

from orderd.domain.clock import Instant
from orderd.domain.faults import Entity, Failure
from orderd.domain.packed import pack
from orderd.domain.signals import ENTITY_SIGNALS, HOST_SIGNALS
from orderd.domain.standing import Authority, Denial, Score
from orderd.domain.values import NAN, Action, Candidate, EntityRow, Evidence, Mode, Reason, Sample
from orderd.domain.window import History
from orderd.rpc import serve

ROOT = Path(__file__).resolve().parents[2]
TARGET = Entity.parse("unit:nginx.service")
ME = f"{pwd.getpwuid(os.getuid()).pw_name} (uid {os.getuid()})"
pytestmark = pytest.mark.usefixtures("server")


@pytest.fixture
async def server(rpc_config, rpc_journal, hub, imagined_host):
    """Return a running server."""
    running = await serve(rpc_config, rpc_journal, hub, imagined_host, kept=rpc_journal.kept)
    yield running
    await running.stop(0.1)


@pytest.fixture
def orderctl(rpc_config):
    """Return a runner of orderctl: exit code, output, complaint."""

    async def run(*words: str) -> tuple[int, str, str]:
        argv = [sys.executable, "-m", "orderd.ctl", "--socket", rpc_config.socket, *words]
        process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
        out, err = await asyncio.wait_for(process.communicate(), 60)
        return process.returncode, out.decode(), err.decode()

    return run


@pytest.fixture
def waiting(rpc_journal, make_decision, imagined_host):
    """Return a recorded decision that waits for a person."""
    refused = Candidate(repair="start", rung=0, reason=Reason.MODE_APPROVE, detail="mode approve asks a person first")
    decision = make_decision(action=Action.WAIT, repair="", reason=Reason.MODE_APPROVE, candidates=(refused,))
    rpc_journal.record(decision)
    imagined_host.ask(decision)
    return decision


async def test_show_says_what_a_person_would_type(orderctl, waiting):
    """How long the question stands, both answers ready to paste, and what the guard said of each candidate."""
    _, page, _ = await orderctl("show")
    assert f"a person, for 10 m more: orderctl approve {waiting.decision_id}" in page
    assert f"or no: orderctl reject {waiting.decision_id} --why ..." in page
    assert "refused, mode_approve: mode approve asks a person first" in page


async def test_status_says_what_waits_for_a_person(orderctl, waiting, imagined_host):
    """Questions, pause, denials, budget, identity, changes and reasons stand above the table."""
    imagined_host.denied["start", TARGET] = Denial(repair="start", target=TARGET, at=Instant(mono_ns=1, utc_ns=1), why="d1, d2")
    imagined_host.pause("freeze", "alice", 90.0)
    _, page, _ = await orderctl("status")
    for words in (
        "nothing is repaired for 1 m 30 s more, by alice: freeze",
        f"start on nginx.service (service_down), for 10 m more: orderctl approve {waiting.decision_id}",
        "start is not used on nginx.service: d1, d2; orderctl allow start nginx.service --why ...",
        "2 of 10 hosts under repair",
        "spiffe://fleet/host/h, for 11 h 6 m more",
        "dpkg (pid 4711) installs packages",
        "3 allowed, 1 cooldown",
    ):
        assert words in page


async def test_a_question_is_answered(orderctl, waiting, imagined_host):
    """Checked, then approved; a second answer is exit 1 and one line."""
    code, out, _ = await orderctl("approve", waiting.decision_id[-5:], "--validate-only")
    assert (code, out[:14], imagined_host.done) == (0, "would be done:", [])
    assert (await orderctl("approve", waiting.decision_id))[0] == 0
    assert imagined_host.done == ["approve"]
    code, _, err = await orderctl("reject", waiting.decision_id, "--why", "too late")
    assert (code, err.count("\n"), "does not wait" in err) == (1, 1, True)


async def test_a_decision_is_rated(orderctl, rpc_journal, make_decision):
    """The rating stands on the page with the words and the name."""
    decision = rpc_journal.record(make_decision()).decision
    assert (await orderctl("rate", decision.decision_id, "bad", "--note", "it came back"))[0] == 0
    assert f"bad, says {ME}: it came back" in (await orderctl("show"))[1]
    assert (await orderctl("rate", decision.decision_id, "meh"))[0] == 2


async def test_a_host_is_paused_and_resumed(orderctl, imagined_host):
    """For a while or until resume; resuming twice is exit 5."""
    code, out, _ = await orderctl("pause", "--why", "freeze", "--for", "2m")
    assert (code, out) == (0, f"nothing is repaired for 2 m (paused by {ME}: freeze)\n")
    assert (await orderctl("resume"))[0] == 0
    assert (await orderctl("resume"))[0] == 5
    assert "until orderctl resume" in (await orderctl("pause", "--why", "freeze"))[1]


async def test_a_repair_is_run_by_hand(orderctl, imagined_host):
    """It says under which decision; a repair that is not in the catalogue is exit 5."""
    code, out, _ = await orderctl("run", "start", "nginx", "--why", "I know better", "--json")
    assert (code, json.loads(out)["decisionId"][0]) == (0, "d")
    assert imagined_host.ran == [("start", TARGET, "I know better", ME)]
    assert (await orderctl("run", "reboot", "nginx", "--why", "w"))[0] == 5


async def test_tickets_are_listed_and_closed(orderctl, imagined_host, ticket):
    """Open ones, then with --all the closed one too, with what its cause was."""
    assert (await orderctl("tickets"))[1] == "No tickets: nothing comes back again and again.\n"
    imagined_host.kept_tickets = [ticket(2), ticket(1)]
    assert ticket(1).ticket_id in (await orderctl("tickets"))[1]
    assert (await orderctl("close", ticket(2).ticket_id, "--why", "bad disk"))[0] == 0
    _, page, _ = await orderctl("tickets", "--all")
    assert f"closed by {ME}: bad disk" in page
    assert len(json.loads((await orderctl("tickets", "--json"))[1])["tickets"]) == 1


async def test_authority_is_overruled(orderctl, imagined_host):
    """The scorecard shows the numbers; a person's word is told back with the mode."""
    key = Failure.SERVICE_DOWN, "start"
    score = Score(failure=key[0], repair="start", authority=Authority.SHADOW, right=3, wrong=1, recent=(), why="3 of 4 right")
    imagined_host.scores[key] = score, Mode.APPROVE
    assert "3 of 4 right" in (await orderctl("scorecard"))[1]
    code, out, _ = await orderctl("authority", "service_down", "start", "grant", "--why", "seen it work")
    assert (code, out) == (0, "start for service_down: granted_by_person, mode approve\n")


async def test_a_denial_is_lifted(orderctl, imagined_host):
    """The repair may be used there again; a second time is exit 5."""
    imagined_host.denied["start", TARGET] = Denial(repair="start", target=TARGET, at=Instant(mono_ns=1, utc_ns=1), why="d1, d2")
    assert (await orderctl("allow", "start", "nginx", "--why", "fixed"))[0] == 0
    assert (await orderctl("allow", "start", "nginx", "--why", "fixed"))[0] == 5


async def test_explain_and_replay_are_pages(orderctl, imagined_host, rpc_journal, make_decision):
    """Sentences and weights; the fields that came out differently."""
    decision = rpc_journal.record(make_decision()).decision
    code, _, err = await orderctl("explain")
    assert (code, err.count("\n")) == (1, 1)
    imagined_host.explained[decision.decision_id] = True
    _, page, _ = await orderctl("explain")
    assert "nginx.service was not active." in page
    assert "unit_active_ratio" in page
    assert "-0.66" in page
    _, page, _ = await orderctl("replay")
    assert "action" in page
    assert "cooldown" in page


@pytest.fixture
def recorded(rpc_journal, make_decision):
    """Return a recorded decision with a real window."""
    down = EntityRow(entity=TARGET, values=(0.0,) * len(ENTITY_SIGNALS))
    at = Instant(mono_ns=10**12, utc_ns=1_795_000_000_000_000_000)
    sample = Sample(at=at, cause="timer", host=(NAN,) * len(HOST_SIGNALS), entities=(down,))
    from orderd.decision.facts import Facts, encode

    decision = make_decision()
    facts = Facts(now=at, incident_id=decision.incident_id, target=TARGET, failure=Failure.SERVICE_DOWN, opened=at)
    window = pack(History().add(sample))
    rpc_journal.record(decision, Evidence(decision_id=decision.decision_id, window=window, scores=None, facts=encode(facts)))
    return decision


@pytest.mark.usefixtures("recorded")
async def test_replay_decides_with_a_model_that_is_not_installed(orderctl, tmp_path):
    """The model of this repository judges the recorded window in a process of its own; a folder without one is one line."""
    model = next(path.parent for path in sorted((ROOT / "models").rglob("model.onnx")))
    config = tmp_path / "orderd.toml"
    config.write_text(f'[executor]\nrepairs_dir = "{ROOT / "playbooks" / "repairs"}"\n')
    code, out, err = await orderctl("replay", "--model", str(model), "--config", str(config), "--json")
    assert code == 0, err
    assert json.loads(out)["modelVersion"]
    assert json.loads(out)["recorded"]["repair"] == "start"
    code, _, err = await orderctl("replay", "--model", str(ROOT / "proto"))
    assert (code, err.count("\n")) == (1, 1)


async def test_decisions_are_narrowed(orderctl, rpc_journal, make_decision):
    """By unit, state, reason and age, each alone."""
    rpc_journal.record(make_decision(1))
    for words, count in (
        (("--on", "nginx"), 1),
        (("--on", "redis"), 0),
        (("--state", "repairing"), 1),
        (("--reason", "held"), 0),
        (("--before", "1s"), 1),
        (("--since", "1s"), 0),
    ):
        found = json.loads((await orderctl("decisions", *words, "--json"))[1])["decisions"]
        assert len(found) == count, words


async def test_show_says_where_the_diagnosis_bundle_is(orderctl, rpc_journal, make_decision, imagined_host):
    """On the page and in --json; of an incident without one nothing is said."""
    decision = rpc_journal.record(make_decision()).decision
    assert "bundle" not in (await orderctl("show"))[1]
    imagined_host.bundles[decision.incident_id] = "/var/lib/orderd/bundles/i1.json"
    assert "/var/lib/orderd/bundles/i1.json" in (await orderctl("show"))[1]
    _, text, _ = await orderctl("show", "--json")
    assert json.loads(text)["bundle"] == "/var/lib/orderd/bundles/i1.json"

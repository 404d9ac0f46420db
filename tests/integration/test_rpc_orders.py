"""What people tell orderd over its real socket: answers, pause, repairs by hand, tickets, authority; and what happens twice."""

import asyncio
import os
import pwd

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from orderd.domain.clock import Instant
from orderd.domain.faults import FAILURES, Entity, Failure
from orderd.domain.standing import Authority, Denial, Score
from orderd.domain.values import Action, Evidence, IncidentState, Mode, Reason, Scores
from orderd.rpc import serve
from orderd.v1 import common_pb2, decision_pb2, decision_pb2_grpc, host_pb2, host_pb2_grpc
from orderd.wire import evidence_from_wire

NGINX = common_pb2.Entity(kind="unit", key="nginx.service")
TARGET = Entity.parse("unit:nginx.service")
ME = f"{pwd.getpwuid(os.getuid()).pw_name} (uid {os.getuid()})"


class Daemon:
    """A server that can be restarted, and stubs to it."""

    def __init__(self, parts) -> None:
        self.parts = parts
        self.server = None
        self.channel = None

    async def start(self) -> None:
        """Serve, and connect."""
        config, journal, hub, host = self.parts
        self.server = await serve(config, journal, hub, host, kept=journal.kept)
        self.channel = grpc.aio.insecure_channel(f"unix:{config.socket}")
        self.decisions = decision_pb2_grpc.DecisionServiceStub(self.channel)
        self.host = host_pb2_grpc.HostServiceStub(self.channel)

    async def stop(self) -> None:
        """End it."""
        await self.channel.close()
        await self.server.stop(0.1)

    async def restart(self) -> None:
        """End it and start it again; what it remembered in memory is gone."""
        await self.stop()
        await self.start()


@pytest.fixture
async def daemon(rpc_config, rpc_journal, hub, imagined_host):
    """Return a running daemon."""
    running = Daemon((rpc_config, rpc_journal, hub, imagined_host))
    await running.start()
    yield running
    await running.stop()


async def refused(call) -> tuple[str, str, str]:
    """Return code, stable reason and message of a refused call."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    status = status_pb2.Status.FromString(dict(caught.value.trailing_metadata())["grpc-status-details-bin"])
    info = error_details_pb2.ErrorInfo()
    status.details[0].Unpack(info)
    return caught.value.code().name, info.reason, caught.value.details()


async def told(watch) -> decision_pb2.WatchDecisionsResponse:
    """Return the next change; one that never comes is a failure, not a wait."""
    return await asyncio.wait_for(watch.read(), 10)


@pytest.fixture
def waiting(rpc_journal, make_decision, imagined_host):
    """Return a recorded decision that waits for a person."""
    decision = make_decision(action=Action.WAIT, repair="", reason=Reason.MODE_APPROVE)
    rpc_journal.record(decision)
    imagined_host.ask(decision)
    return decision


async def test_a_waiting_decision_says_how_long_it_waits(daemon, waiting):
    """Seconds left to answer are told by get and list; a decision that waits for nobody has none."""
    found = await daemon.decisions.GetDecision(decision_pb2.GetDecisionRequest(id=waiting.decision_id))
    assert found.decision.approval_remaining_s == 600
    page = await daemon.decisions.ListDecisions(decision_pb2.ListDecisionsRequest())
    assert page.decisions[0].approval_remaining_s == 600


@pytest.mark.parametrize(("answer", "what"), [("Approve", "approve"), ("Reject", "reject")])
async def test_a_question_is_answered_once(daemon, imagined_host, waiting, answer, what):
    """Checked only, it goes on waiting; answered, it is done; answered again, FAILED_PRECONDITION with the reason."""
    call, request = getattr(daemon.decisions, f"{answer}Decision"), getattr(decision_pb2, f"{answer}DecisionRequest")
    told = await call(request(id=waiting.decision_id[-5:], why="it is fine", validate_only=True))
    assert (told.decision.id, imagined_host.done) == (waiting.decision_id, [])
    await call(request(id=waiting.decision_id, why="it is fine"))
    assert imagined_host.done == [what]
    code, reason, _ = await refused(call(request(id=waiting.decision_id, why="again")))
    assert (code, reason) == ("FAILED_PRECONDITION", "not_waiting")


async def test_a_no_needs_words(daemon, waiting):
    """Who takes over has to know why."""
    code, reason, text = await refused(
        daemon.decisions.RejectDecision(decision_pb2.RejectDecisionRequest(id=waiting.decision_id))
    )
    assert (code, reason, text[:4]) == ("INVALID_ARGUMENT", "invalid_field", "why:")


async def test_a_rating_is_shown_with_the_decision(daemon, rpc_journal, make_decision):
    """Good or bad, with the words and the name of who said it, newest first."""
    decision = rpc_journal.record(make_decision()).decision
    for good, note in ((True, "quick"), (False, "it came back")):
        request = decision_pb2.RateDecisionRequest(id=decision.decision_id, good=good, note=note)
        rated = await daemon.decisions.RateDecision(request)
    assert [(r.good, r.note, r.by) for r in rated.decision.ratings] == [(False, "it came back", ME), (True, "quick", ME)]


async def test_pause_and_resume(daemon, imagined_host):
    """A pause has words, a name and perhaps an end; ending it twice is NOT_FOUND."""
    paused = await daemon.host.Pause(host_pb2.PauseRequest(why="freeze", duration_s=90))
    assert (paused.pause.why, paused.pause.by, paused.pause.remaining_s) == ("freeze", ME, 90)
    status = await daemon.host.GetStatus(host_pb2.GetStatusRequest())
    assert status.pause.why == "freeze"
    await daemon.host.Resume(host_pb2.ResumeRequest(validate_only=True))
    assert imagined_host.paused is not None
    await daemon.host.Resume(host_pb2.ResumeRequest())
    assert (await refused(daemon.host.Resume(host_pb2.ResumeRequest())))[:2] == ("NOT_FOUND", "not_found")


async def test_a_repair_by_hand_runs_unless_the_guard_refuses(daemon, imagined_host):
    """Its decision is named; paused, FAILED_PRECONDITION with the guard's own reason code."""
    request = host_pb2.RunRepairRequest(repair="start", entity=NGINX, why="I know better")
    assert (await daemon.host.RunRepair(request)).decision_id
    assert imagined_host.ran == [("start", TARGET, "I know better", ME)]
    await daemon.host.Pause(host_pb2.PauseRequest(why="freeze"))
    assert (await refused(daemon.host.RunRepair(request)))[:2] == ("FAILED_PRECONDITION", "paused")
    unknown = host_pb2.RunRepairRequest(repair="reboot", entity=NGINX, why="w")
    assert (await refused(daemon.host.RunRepair(unknown)))[0] == "NOT_FOUND"


async def test_tickets_are_listed_by_pages_and_closed(daemon, imagined_host, ticket):
    """Open ones newest first; a closed one only on request; tokens walk through all of them."""
    imagined_host.kept_tickets = [ticket(n) for n in range(5, 0, -1)]
    seen, token = [], ""
    while True:
        page = await daemon.host.ListTickets(host_pb2.ListTicketsRequest(page_size=2, page_token=token))
        seen += [t.id for t in page.tickets]
        token = page.next_page_token
        if not token:
            break
    assert seen == [ticket(n).ticket_id for n in range(5, 0, -1)]
    closed = await daemon.host.CloseTicket(host_pb2.CloseTicketRequest(id=seen[0], why="bad disk replaced"))
    assert (closed.ticket.why, closed.ticket.by, closed.ticket.HasField("closed_at")) == ("bad disk replaced", ME, True)
    assert len((await daemon.host.ListTickets(host_pb2.ListTicketsRequest())).tickets) == 4
    assert len((await daemon.host.ListTickets(host_pb2.ListTicketsRequest(closed=True))).tickets) == 5


async def test_a_person_overrules_the_scorecard(daemon, imagined_host):
    """Grant and back to the numbers; what only the numbers may say is refused."""
    key = Failure.SERVICE_DOWN, "start"
    score = Score(failure=key[0], repair="start", authority=Authority.SHADOW, right=3, wrong=1, recent=(), why="3 of 4")
    imagined_host.scores[key] = score, Mode.APPROVE
    words = {"failure": "service_down", "repair": "start", "why": "seen it work"}
    granted = await daemon.host.SetAuthority(host_pb2.SetAuthorityRequest(authority="granted_by_person", **words))
    assert granted.score.authority == "granted_by_person"
    card = await daemon.host.GetScorecard(host_pb2.GetScorecardRequest())
    assert [(s.failure, s.repair, s.right, s.wrong, s.mode) for s in card.scores] == [("service_down", "start", 3, 1, "approve")]
    _, reason, text = await refused(daemon.host.SetAuthority(host_pb2.SetAuthorityRequest(authority="earned", **words)))
    assert (reason, text[:9]) == ("invalid_field", "authority")


async def test_a_denial_is_lifted_once(daemon, imagined_host):
    """It is gone from the status; a second time it is NOT_FOUND."""
    imagined_host.denied["start", TARGET] = Denial(repair="start", target=TARGET, at=Instant(mono_ns=1, utc_ns=1), why="d1, d2")
    request = host_pb2.LiftDenialRequest(repair="start", entity=NGINX, why="fixed the unit file")
    await daemon.host.LiftDenial(request)
    assert not (await daemon.host.GetStatus(host_pb2.GetStatusRequest())).denials
    assert (await refused(daemon.host.LiftDenial(request)))[0] == "NOT_FOUND"


async def test_an_explanation_weighs_signals(daemon, imagined_host, rpc_journal, make_decision):
    """Sentences and weights arrive, a missing value is absent; without the window the reason says so."""
    decision = rpc_journal.record(make_decision()).decision
    request = decision_pb2.ExplainDecisionRequest(id=decision.decision_id)
    assert (await refused(daemon.decisions.ExplainDecision(request)))[:2] == ("FAILED_PRECONDITION", "evidence_dropped")
    imagined_host.explained[decision.decision_id] = True
    told = await daemon.decisions.ExplainDecision(request)
    assert [(w.signal, w.HasField("value")) for w in told.signals] == [("unit_active_ratio", True), ("host_cpu_ratio", False)]
    assert told.sentences[0] == "nginx.service was not active."


async def test_a_replay_tells_the_difference(daemon, rpc_journal, make_decision):
    """What was recorded, what is decided now, and each field that differs."""
    decision = rpc_journal.record(make_decision()).decision
    told = await daemon.decisions.ReplayDecision(decision_pb2.ReplayDecisionRequest(id=decision.decision_id))
    assert next((d.field, d.recorded, d.replayed) for d in told.differences) == ("action", "repair", "wait")
    assert (told.recorded.action, told.replayed.action) == ("repair", "wait")


async def test_a_decision_comes_with_what_it_was_made_from(daemon, rpc_journal, make_decision):
    """Only when asked for: window, scores and facts as they were recorded."""
    decision = make_decision()
    rows = ((0.25, 0.75) + (0.0,) * (len(FAILURES) - 2),)
    evidence = Evidence(decision_id=decision.decision_id, window=b"w", scores=Scores(failures=rows, wrong=0.5), facts=b"{}")
    rpc_journal.record(decision, evidence)
    plain = await daemon.decisions.GetDecision(decision_pb2.GetDecisionRequest(id=decision.decision_id))
    assert not plain.HasField("evidence")
    found = await daemon.decisions.GetDecision(decision_pb2.GetDecisionRequest(id=decision.decision_id, evidence=True))
    assert evidence_from_wire(found.evidence, decision.decision_id) == evidence


async def test_an_id_may_be_cut_while_it_fits_one(daemon, rpc_journal, make_decision):
    """Its end is enough; what fits several is refused and names some."""
    for number in (1, 2):
        rpc_journal.record(make_decision(number))
    found = await daemon.decisions.GetDecision(decision_pb2.GetDecisionRequest(id="20000"))
    assert found.decision.id == make_decision(2).decision_id
    code, _, text = await refused(daemon.decisions.GetDecision(decision_pb2.GetDecisionRequest(id="d0000")))
    assert (code, make_decision(1).decision_id in text) == ("INVALID_ARGUMENT", True)


FILTERS = [
    ({"entity": NGINX}, [2, 1]),
    ({"state": "resolved"}, [1]),
    ({"reason": "cooldown"}, [2]),
    ({"action": "wait", "reason": "cooldown"}, [2]),
    ({"since_utc_ns": 2_000}, [2]),
    ({"until_utc_ns": 2_000}, [1]),
    ({"entity": common_pb2.Entity(kind="unit", key="redis.service")}, []),
]


@pytest.mark.parametrize(("filters", "numbers"), FILTERS)
async def test_a_listing_is_narrowed(daemon, rpc_journal, make_decision, make_step, filters, numbers):  # noqa: PLR0917 - fixtures
    """Each filter, and two together, let through what fits."""
    first = make_decision(1, at=Instant(mono_ns=1, utc_ns=1_000))
    rpc_journal.record(first)
    rpc_journal.append(make_step(first, IncidentState.RESOLVED, "verified"))
    later = {"at": Instant(mono_ns=2, utc_ns=2_000), "action": Action.WAIT, "repair": "", "reason": Reason.COOLDOWN}
    rpc_journal.record(make_decision(2, **later))
    page = await daemon.decisions.ListDecisions(decision_pb2.ListDecisionsRequest(**filters))
    assert [d.id for d in page.decisions] == [make_decision(n).decision_id for n in numbers]


async def test_a_page_token_is_good_for_its_filters_only(daemon, rpc_journal, make_decision):
    """The second page of one list is not the second page of another."""
    for number in (1, 2, 3):
        rpc_journal.record(make_decision(number))
    page = await daemon.decisions.ListDecisions(decision_pb2.ListDecisionsRequest(page_size=1))
    other = decision_pb2.ListDecisionsRequest(page_size=1, page_token=page.next_page_token, state="repairing")
    assert (await refused(daemon.decisions.ListDecisions(other)))[2].startswith("page_token")


def by_hand(request_id: str, why: str = "w", **fields) -> host_pb2.RunRepairRequest:
    """Return a request that does something."""
    return host_pb2.RunRepairRequest(repair="start", entity=NGINX, why=why, request_id=request_id, **fields)


async def test_a_repeated_request_is_done_once(daemon, imagined_host):
    """The second call with the same id gets the first one's answer, and nothing runs again."""
    first = await daemon.host.RunRepair(by_hand("a-1"))
    assert await daemon.host.RunRepair(by_hand("a-1")) == first
    assert len(imagined_host.ran) == 1
    assert (await daemon.host.RunRepair(by_hand("a-2"))).decision_id != first.decision_id


async def test_a_repeated_request_is_done_once_across_a_restart(daemon, imagined_host):
    """The daemon is restarted between the two calls."""
    first = await daemon.host.RunRepair(by_hand("a-1"))
    await daemon.restart()
    assert await daemon.host.RunRepair(by_hand("a-1")) == first
    assert len(imagined_host.ran) == 1


async def test_an_id_is_not_used_for_something_else(daemon, imagined_host):
    """Another content under the same id is refused by field, and nothing runs."""
    await daemon.host.RunRepair(by_hand("a-1"))
    code, _, text = await refused(daemon.host.RunRepair(by_hand("a-1", why="other")))
    assert (code, text.split(" ")[0], len(imagined_host.ran)) == ("INVALID_ARGUMENT", "request_id", 1)


async def test_a_check_uses_up_no_id(daemon, imagined_host):
    """Checked first with the id, then done with it."""
    assert not (await daemon.host.RunRepair(by_hand("a-1", validate_only=True))).decision_id
    assert (await daemon.host.RunRepair(by_hand("a-1"))).decision_id
    assert len(imagined_host.ran) == 1


async def test_a_refused_request_may_be_sent_again(daemon, imagined_host):
    """What was refused was not done: the same id works once it may be done."""
    await daemon.host.Pause(host_pb2.PauseRequest(why="freeze"))
    await refused(daemon.host.RunRepair(by_hand("a-1")))
    await daemon.host.Resume(host_pb2.ResumeRequest())
    assert (await daemon.host.RunRepair(by_hand("a-1"))).decision_id


async def test_what_was_cut_off_is_not_done_again(daemon, imagined_host, monkeypatch):
    """The daemon died in the middle of it: a repetition is refused, because nobody can say whether it was done."""
    monkeypatch.setattr("orderd.rpc.requests.Requests._forget", lambda *_: None)
    monkeypatch.setattr(imagined_host, "run_repair", lambda *_, **__: (_ for _ in ()).throw(LookupError("died here")))
    await refused(daemon.host.RunRepair(by_hand("a-1")))
    monkeypatch.undo()
    await daemon.restart()
    assert (await refused(daemon.host.RunRepair(by_hand("a-1"))))[:2] == ("FAILED_PRECONDITION", "outcome_unknown")
    assert imagined_host.ran == []


async def test_a_watch_goes_on_across_a_restart_of_orderd(daemon, hub, rpc_journal, make_decision, make_step):
    """What changed while nobody served arrives first, then what changes now; nothing is missed."""
    first, second, third = (make_decision(n) for n in (1, 2, 3))
    watch = daemon.decisions.WatchDecisions(decision_pb2.WatchDecisionsRequest())
    await watch.initial_metadata()
    hub.publish(rpc_journal.record(first))
    token = (await told(watch)).resume_token
    await daemon.stop()
    rpc_journal.append(make_step(first, IncidentState.RESOLVED, "verified"))
    rpc_journal.record(second)
    await daemon.start()
    again = daemon.decisions.WatchDecisions(decision_pb2.WatchDecisionsRequest(resume_after=token))
    seen = [await told(again) for _ in range(2)]
    assert [(r.decision.id, r.decision.state) for r in seen] == [
        (first.decision_id, "resolved"),
        (second.decision_id, "repairing"),
    ]
    hub.publish(rpc_journal.record(third))
    assert (await told(again)).decision.id == third.decision_id
    again.cancel()


async def test_a_watch_goes_on_that_was_cut_off_before_the_first_change(daemon, hub, rpc_journal, make_decision):
    """The token of the beginning is in the initial metadata."""
    rpc_journal.record(make_decision(1))
    await daemon.restart()
    watch = daemon.decisions.WatchDecisions(decision_pb2.WatchDecisionsRequest())
    token = dict(await watch.initial_metadata())["orderd-resume-token"]
    watch.cancel()
    rpc_journal.record(make_decision(2))
    again = daemon.decisions.WatchDecisions(decision_pb2.WatchDecisionsRequest(resume_after=token))
    assert (await told(again)).decision.id == make_decision(2).decision_id
    again.cancel()


async def test_a_token_of_another_journal_is_refused(daemon, rpc_journal, make_decision):
    """A watch does not silently go on somewhere else."""
    from orderd.rpc.tokens import resume_token

    rpc_journal.record(make_decision(1))
    for token in (resume_token(1, "dffffffffffff0000"), resume_token(99, ""), "rubbish"):
        request = decision_pb2.WatchDecisionsRequest(resume_after=token)
        code, _, text = await refused(daemon.decisions.WatchDecisions(request).read())
        assert (code, text.split(":")[0]) == ("INVALID_ARGUMENT", "resume_after")

"""What people are told: through real HTTP and SMTP servers on loopback, well-behaved and not."""

import asyncio
import contextlib
import email
import email.policy
import json
import logging
import subprocess
import sys
import time

import pytest
from notify_servers import Post, Web, listening

from orderd.domain.standing import Standing
from orderd.errors import JournalError
from orderd.notify import Notifier
from orderd.notify.notice import Notice

HOSTILE = "x\r\nBcc: victim@example.org\r\n\r\n\x1b[31m\x00\ud800\u202e<!channel> &" + "y" * 100_000


@contextlib.asynccontextmanager
async def running(config, store, clock, **fields):
    """Run a notifier; ends it as a restart would."""
    notifier = Notifier(config, store, "host-1", clock, pauses_s=(0.02, 0.05), chance=lambda: 0.5, **fields)
    task = asyncio.create_task(notifier.run())
    try:
        yield notifier
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def settled(notifier, within_s=5):
    """Wait until nobody has to be told anything, and all of it is kept."""
    async with asyncio.timeout(within_s):
        while notifier.waiting or notifier._dirty:  # noqa: ASYNC110  nothing tells the end of it
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)


def webhook(server, path="/hook"):
    return {"kind": "webhook", "url": f"http://127.0.0.1:{server.port}{path}"}


def slack(server):
    return {"kind": "slack", "url": f"http://127.0.0.1:{server.port}/services/T0/B0/secret"}


def mail(server, **fields):
    return {
        "kind": "email",
        "server": f"127.0.0.1:{server.port}",
        "to": ["oncall@example.org"],
        "sender": "o@example.org",
        **fields,
    }


async def test_every_sink_is_told_in_its_own_words(store, settings, manual_clock, tmp_path):
    """Webhook, Slack, PagerDuty and mail each get the notice in the shape they understand."""
    key = tmp_path / "key"
    key.write_text("R0UTING\n")
    async with listening(Web()) as hook, listening(Web()) as chat, listening(Web()) as pager, listening(Post()) as post:
        url = f"http://127.0.0.1:{pager.port}/v2/enqueue"
        pagerduty = {"kind": "pagerduty", "routing_key_file": str(key), "url": url}
        async with running(settings(webhook(hook), slack(chat), pagerduty, mail(post)), store, manual_clock) as notifier:
            notifier.say("escalated", "i1", "nginx.service is down", {"decision": "d1"})
            notifier.resolve("i1")
            first, last = await hook.until(2)
            assert (first["event"], first["key"], first["host"], first["resolved"]) == ("escalated", "i1", "host-1", False)
            assert first["body"] == {"decision": "d1"}
            assert last["resolved"] is True
            assert (await chat.until(2))[0] == {"text": "*[host-1] escalated: nginx.service is down*\ndecision: d1"}
            trigger, resolve = await pager.until(2)
            assert (trigger["event_action"], resolve["event_action"]) == ("trigger", "resolve")
            assert trigger["dedup_key"] == resolve["dedup_key"]
            assert trigger["routing_key"] == "R0UTING"
            assert trigger["payload"]["severity"] == "critical"
            message = email.message_from_bytes((await post.until(2))[0], policy=email.policy.default)
            assert message["subject"] == "[host-1] escalated: nginx.service is down"
            assert "decision: d1" in message.get_content()
            await settled(notifier)
            assert (notifier.problem, notifier.waiting, store.rows) == ("", 0, {})


async def test_hostile_text_breaks_nothing(store, settings, manual_clock):
    """Line breaks, control characters, mentions and megabytes stay data: one header, one JSON object, bounded."""
    async with (
        listening(Web()) as hook,
        listening(Web()) as chat,
        listening(Post()) as post,
        running(settings(webhook(hook), slack(chat), mail(post)), store, manual_clock) as notifier,
    ):
        notifier.say("escalated", HOSTILE, HOSTILE, {HOSTILE: HOSTILE} | {f"n{i}": HOSTILE for i in range(100)})
        (body,) = await hook.until(1)
        assert "\n" not in body["title"]
        assert len(json.dumps(body, ensure_ascii=False).encode()) < 64 << 10
        assert max(map(len, store.rows.values())) < 64 << 10
        json.dumps(body, ensure_ascii=False).encode()
        (said,) = await chat.until(1)
        assert "<!channel>" not in said["text"]
        assert len(said["text"]) < 4000
        (raw,) = await post.until(1)
        message = email.message_from_bytes(raw, policy=email.policy.default)
        assert set(message.keys()) >= {"Subject", "To", "From"}
        assert "Bcc" not in message
        assert "\n" not in message["subject"]


async def test_the_same_is_not_said_again_within_its_time(store, settings, manual_clock):
    """Per event and key once within again_s; then again, and at once after it was resolved."""
    async with (
        listening(Web()) as hook,
        running(settings(webhook(hook), again_s=100.0), store, manual_clock) as notifier,
    ):
        for _ in range(5):
            notifier.say("escalated", "i1", "down", {})
        await settled(notifier)
        notifier.say("escalated", "i1", "down", {})
        notifier.say("ticket", "i1", "masked", {})
        await settled(notifier)
        assert [body["event"] for body in await hook.until(2)] == ["escalated", "ticket"]
        manual_clock.advance(101)
        notifier.say("escalated", "i1", "still down", {})
        await settled(notifier)
        notifier.resolve("i1")
        notifier.say("escalated", "i1", "down anew", {})
        await settled(notifier)
        assert [body["title"] for body in hook.requests[2:] for body in body[1:]] == ["still down", "still down", "down anew"]


async def test_what_was_said_survives_a_restart_and_is_not_said_twice(store, settings, manual_clock):
    """A notice that a dead sink has not taken is told after a restart; what was told is not told again."""
    async with listening(Web(answers=["503 Later"])) as dead, listening(Web()) as hook:
        config = settings(webhook(hook), webhook(dead, "/dead"))
        async with running(config, store, manual_clock) as notifier:
            notifier.say("escalated", "i1", "down", {})
            await hook.until(1)
            await dead.until(2)
            await asyncio.sleep(0.1)
        dead.answers, told = ["200 OK"], len(dead.requests)
        async with running(config, store, manual_clock) as notifier:
            assert notifier.waiting == 1
            notifier.say("escalated", "i1", "down", {})
            await dead.until(told + 1)
            await settled(notifier)
        async with running(config, store, manual_clock) as notifier:
            notifier.say("escalated", "i1", "down", {})
            await asyncio.sleep(0.2)
        assert len(hook.requests) == 1
        assert len(dead.requests) == told + 1


@pytest.mark.parametrize("answer", ["silent", "drip", "hang up", "500 Broken", "429 Slow down"])
async def test_a_server_that_misbehaves_is_tried_again_and_holds_up_nobody(store, settings, manual_clock, answer):
    """Half-open, dripping, broken: the other sink is told at once, this one when it is well again."""
    async with (
        listening(Web(answers=[answer, answer, "200 OK"])) as bad,
        listening(Web()) as good,
        running(settings(webhook(bad), webhook(good)), store, manual_clock) as notifier,
    ):
        began = time.monotonic()
        for number in range(3):
            notifier.say("escalated", f"i{number}", "down", {})
        assert time.monotonic() - began < 0.05
        await good.until(3, within_s=1.5)
        assert "webhook at 127.0.0.1" in notifier.problem or len(bad.requests) < 2 or not notifier.waiting
        await bad.until(5, within_s=10)
        await settled(notifier)
        assert [body["key"] for _, body in bad.requests] == ["i0", "i0", "i0", "i1", "i2"]
        assert notifier.problem == ""


async def test_a_refusal_for_good_does_not_hold_up_the_next(store, settings, manual_clock):
    """A notice that is refused (400) is given up and counted; the next one goes out."""
    async with (
        listening(Web(answers=["400 No", "200 OK"])) as hook,
        running(settings(webhook(hook)), store, manual_clock) as notifier,
    ):
        notifier.say("escalated", "i1", "down", {})
        notifier.say("escalated", "i2", "down", {})
        await hook.until(2)
        await settled(notifier)
        assert notifier.given_up == 1


async def test_a_redirect_is_refused(store, settings, manual_clock):
    """A server cannot send a notice elsewhere."""
    async with listening(Web()) as elsewhere:
        answer = f"307 There\r\nLocation: http://127.0.0.1:{elsewhere.port}/"
        async with (
            listening(Web(answers=[answer])) as hook,
            running(settings(webhook(hook)), store, manual_clock) as notifier,
        ):
            notifier.say("escalated", "i1", "down", {})
            await hook.until(1)
            await settled(notifier)
            assert notifier.given_up == 1
        assert elsewhere.requests == []


async def test_the_environment_names_no_proxy(store, settings, manual_clock, monkeypatch):
    """http_proxy is not heeded."""
    async with listening(Web()) as proxy, listening(Web()) as hook:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        async with running(settings(webhook(hook)), store, manual_clock) as notifier:
            notifier.say("escalated", "i1", "down", {})
            await hook.until(1)
        assert proxy.requests == []


async def test_what_cannot_be_told_is_given_up_in_the_end(store, settings, manual_clock):
    """After give_up_s a notice is dropped, counted and logged, not kept for ever."""
    config = settings({"kind": "webhook", "url": "http://127.0.0.1:9/"}, give_up_s=60.0)
    async with running(config, store, manual_clock) as notifier:
        notifier.say("escalated", "i1", "down", {})
        await asyncio.sleep(0.2)
        assert notifier.waiting == 1
        manual_clock.advance(61)
        await settled(notifier)
        assert (notifier.given_up, notifier.waiting) == (1, 0)


async def test_a_full_queue_drops_the_least_important_first(store, settings, manual_clock):
    """Of too many the oldest of the least important goes, and it is said."""
    config = settings({"kind": "webhook", "url": "http://127.0.0.1:9/"}, queue_max=3, events=["escalated", "degraded"])
    async with running(config, store, manual_clock) as notifier:
        for event, key in (("degraded", "a"), ("escalated", "b"), ("degraded", "c"), ("escalated", "d"), ("escalated", "e")):
            notifier.say(event, key, key, {})
        await asyncio.sleep(0.1)
        assert {row for _, row in store.rows} == {"escalated b", "escalated d", "escalated e"}
        assert notifier.dropped == 2
        assert "2 notices were dropped" in notifier.problem


async def test_a_journal_that_cannot_be_written_does_not_silence_it(store, settings, manual_clock):
    """Without a durable copy people are told all the same, and the danger is said."""
    store.fails = True
    async with (
        listening(Web()) as hook,
        running(settings(webhook(hook)), store, manual_clock) as notifier,
    ):
        notifier.say("escalated", "i1", "down", {})
        await hook.until(1)
        assert "lost in a restart" in notifier.problem
        store.fails = False
        await asyncio.sleep(0.1)
        assert notifier.problem == ""
        assert store.load(Standing.NOTICE, dict)


async def test_a_refused_recipient_is_given_up_and_a_busy_server_is_not(store, settings, manual_clock):
    """SMTP: 550 is for good, 451 is for now."""
    async with (
        listening(Post(refuses="550 unknown")) as post,
        running(settings(mail(post)), store, manual_clock) as notifier,
    ):
        notifier.say("escalated", "i1", "down", {})
        await settled(notifier)
        assert notifier.given_up == 1
        post.refuses = "451 later"
        notifier.say("escalated", "i2", "down", {})
        await asyncio.sleep(0.2)
        assert notifier.waiting == 1
        post.refuses = ""
        await post.until(1)


async def test_no_secret_is_said(store, settings, manual_clock, tmp_path, caplog):
    """Neither the log nor the problem shows a webhook's path, a routing key or a password."""
    caplog.set_level(logging.DEBUG)
    key = tmp_path / "key"
    key.write_text("R0UTINGKEY")
    async with listening(Web(answers=["500 No"])) as web, listening(Post()) as post:
        pager = {"kind": "pagerduty", "routing_key_file": str(key), "url": f"http://127.0.0.1:{web.port}/pd-path"}
        away = mail(post, user="u", password_file=str(key)) | {"server": "192.0.2.1:25"}
        async with running(settings(slack(web), pager, away), store, manual_clock) as notifier:
            notifier.say("escalated", "i1", "down", {})
            await web.until(4)
            said = notifier.problem + caplog.text + repr(store.rows)
            assert "slack at 127.0.0.1" in notifier.problem
            for secret in ("R0UTINGKEY", "services/T0", "pd-path"):
                assert secret not in said


async def test_a_password_is_not_sent_without_tls(store, settings, manual_clock, tmp_path, monkeypatch):
    """To a server that is not this host, without TLS: not even tried."""
    key = tmp_path / "key"
    key.write_text("secret")
    monkeypatch.setattr("orderd.notify.sinks._LOOPBACK", frozenset())
    async with (
        listening(Post()) as post,
        running(settings(mail(post, user="u", password_file=str(key))), store, manual_clock) as notifier,
    ):
        notifier.say("escalated", "i1", "down", {})
        await asyncio.sleep(0.2)
        assert "without TLS" in notifier.problem


async def test_an_event_nobody_asked_for_is_not_told(store, settings, manual_clock):
    """Only events in notify.events, and nothing at all without sinks."""
    async with (
        listening(Web()) as hook,
        running(settings(webhook(hook), events=["ticket"]), store, manual_clock) as notifier,
    ):
        notifier.say("repaired", "i1", "all is well", {})
        notifier.resolve("i1")
        assert notifier.waiting == 0
    async with running(settings(), store, manual_clock) as notifier:
        notifier.say("escalated", "i1", "down", {})
        assert (notifier.waiting, notifier.problem, store.rows) == (0, "", {})


def test_nothing_heavy_is_imported_before_the_first_notice():
    """Mail and HTTP clients cost megabytes that a host at rest does not have to spare."""
    program = "import sys, orderd.notify; print([m for m in ('smtplib', 'http.client', 'email.message') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip() == "[]"


async def test_what_is_said_durably_is_kept_before_it_returns(store, settings, manual_clock):
    """Nothing has run, and a restart finds it; a second word about the same changes nothing."""
    config = settings({"kind": "webhook", "url": "http://127.0.0.1:9/hook"})
    notifier = Notifier(config, store, "host-1", manual_clock)
    notifier.say_durably("escalated", "i1", "nginx needs a person", {"bundle": "/b/i1.json"})
    notifier.say_durably("escalated", "i1", "nginx needs a person", {"bundle": "/b/other.json"})
    (kept,) = store.load(Standing.NOTICE, Notice).values()
    assert (kept.key, kept.body["bundle"]) == ("i1", "/b/i1.json")
    assert Notifier(config, store, "host-1", manual_clock).waiting == 1


async def test_what_cannot_be_made_durable_is_not_said(store, settings, manual_clock):
    """Whoever waits for it is told, and nothing is half said."""
    store.fails = True
    notifier = Notifier(settings({"kind": "webhook", "url": "http://127.0.0.1:9/hook"}), store, "host-1", manual_clock)
    with pytest.raises(JournalError):
        notifier.say_durably("escalated", "i1", "nginx needs a person", {})
    assert notifier.waiting == 0

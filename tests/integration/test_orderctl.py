"""orderctl as a program, against a real server."""

import asyncio
import json
import os
import pwd
import signal
import sys
from dataclasses import replace

import pytest

from orderd.domain.faults import Entity
from orderd.domain.standing import Standing
from orderd.domain.values import Action, IncidentState
from orderd.record import DecisionHub
from orderd.rpc import serve

NGINX = Entity.parse("unit:nginx.service")
ME = f"{pwd.getpwuid(os.getuid()).pw_name} (uid {os.getuid()})"


@pytest.fixture
async def server(rpc_config, rpc_journal, hub, imagined_host):
    """Return a running server."""
    running = await serve(rpc_config, rpc_journal, hub, imagined_host, kept=rpc_journal.kept)
    yield running
    await running.stop(0.1)


@pytest.fixture
def start(rpc_config):
    """Return a starter of orderctl."""

    async def begin(*words: str) -> asyncio.subprocess.Process:
        environment = os.environ | {"ORDERD_SOCKET": rpc_config.socket, "COLUMNS": "200"}
        pipes = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE}
        return await asyncio.create_subprocess_exec(sys.executable, "-m", "orderd.ctl", *words, env=environment, **pipes)

    return begin


@pytest.fixture
def orderctl(start):
    """Return a runner: exit code, standard output, standard error."""

    async def run(*words: str) -> tuple[int, str, str]:
        process = await start(*words)
        out, err = await asyncio.wait_for(process.communicate(), 20)
        return process.returncode, out.decode(), err.decode()

    return run


async def test_status_is_a_page_for_people_and_json_for_programs(server, orderctl):
    """Without a terminal there are no colours; --json holds every field by its proto JSON name."""
    code, page, _ = await orderctl("status")
    assert (code, page.split("   ")[0], "\x1b" in page) == (0, "web-3", False)
    code, text, _ = await orderctl("status", "--json")
    status = json.loads(text)
    assert (status["hostname"], status["openIncidents"], status["model"]["provider"]) == ("web-3", 1, "CPUExecutionProvider")
    assert status["holds"] == []


async def test_decisions_are_listed_and_filtered(server, orderctl, rpc_journal, make_decision):
    """-n bounds the list, --action and --failure narrow it."""
    for number in range(1, 5):
        rpc_journal.record(make_decision(number, action=Action.WAIT if number == 2 else Action.REPAIR))
    _, text, _ = await orderctl("decisions", "-n", "2", "--json")
    assert [d["id"] for d in json.loads(text)["decisions"]] == [make_decision(n).decision_id for n in (4, 3)]
    _, text, _ = await orderctl("decisions", "--action", "wait", "--json")
    assert [d["id"] for d in json.loads(text)["decisions"]] == [make_decision(2).decision_id]
    _, page, _ = await orderctl("decisions", "--failure", "disk_full")
    assert page == "No decisions of that kind.\n"


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(("words", "number"), [("latest", 3), ("d000000000002", 2), ("d0000000000010000", 1), ("30000", 3)])
async def test_show_takes_ids_their_ends_and_latest(orderctl, rpc_journal, make_decision, words, number):
    """A whole id, a unique beginning or end, or the newest."""
    for n in (1, 2, 3):
        rpc_journal.record(make_decision(n))
    code, text, _ = await orderctl("show", words, "--json")
    assert (code, json.loads(text)["id"]) == (0, make_decision(number).decision_id)


async def test_show_refuses_what_fits_none_or_several(server, orderctl, rpc_journal, make_decision):
    """Exit 5 for none, 2 for several, each in one line."""
    code, out, err = await orderctl("show")
    assert (code, out, err) == (5, "", "orderctl: orderd has decided nothing yet\n")
    rpc_journal.record(make_decision(1))
    rpc_journal.record(make_decision(2))
    assert (await orderctl("show", "zzz"))[0] == 5
    code, _, err = await orderctl("show", "d0")
    assert (code, err.count("\n")) == (2, 1)
    assert "write more of the id" in err


async def test_hold_and_release_reach_orderd(server, orderctl, imagined_host):
    """A hold is placed in the caller's name and ended again; ending it twice is exit 5."""
    code, page, _ = await orderctl("hold", "nginx", "--for", "2m", "--why", "planned restart")
    assert (code, page) == (0, f"nginx.service is left alone for 2 m (held by {ME}: planned restart)\n")
    assert [hold.why for hold in imagined_host.holds()] == ["planned restart"]
    assert (await orderctl("release", "nginx"))[0] == 0
    code, _, err = await orderctl("release", "nginx")
    assert (code, err) == (5, "orderctl: entity: there is no hold on unit:nginx.service\n")


async def test_hold_and_release_can_be_checked_first(server, orderctl, imagined_host):
    """With --validate-only nothing changes; what would be refused is refused."""
    code, page, _ = await orderctl("hold", "nginx", "--for", "2m", "--why", "w", "--validate-only")
    assert (code, page) == (0, f"would be done: nginx.service is left alone for 2 m (held by {ME}: w)\n")
    assert imagined_host.holds() == ()
    assert (await orderctl("release", "nginx", "--validate-only"))[0] == 5
    await orderctl("hold", "nginx", "--for", "2m", "--why", "w")
    code, page, _ = await orderctl("release", "nginx", "--validate-only")
    assert (code, page) == (0, "would be done: nginx.service is no longer held\n")
    assert len(imagined_host.holds()) == 1


async def test_hold_and_release_send_a_request_id(server, orderctl, rpc_journal):
    """Each its own, remembered by orderd, so that a call that was cut off is done once."""
    before = len(rpc_journal.kept.load(Standing.REQUEST, dict))
    await orderctl("hold", "nginx", "--for", "2m", "--why", "w")
    await orderctl("release", "nginx")
    assert len(rpc_journal.kept.load(Standing.REQUEST, dict)) == before + 2


async def test_status_tells_what_was_seen_from_what_was_announced(server, orderctl, imagined_host):
    """A change that orderd saw a person make stands among the holds, with what they did; release ends it."""
    imagined_host.hold(NGINX, 600.0, "systemctl stop nginx.service", "alice on pts/0")
    imagined_host.held[NGINX] = replace(imagined_host.held[NGINX], seen=True)
    _, page, _ = await orderctl("status")
    assert "by alice on pts/0 (seen, not announced): systemctl stop nginx.service" in page
    assert json.loads((await orderctl("status", "--json"))[1])["holds"][0]["seen"] is True
    assert (await orderctl("release", "nginx"))[0] == 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("hold", "nginx", "--for", "soon", "--why", "w"), 2, "orderctl: --for: 'soon' is no duration"),
        (("hold", "a b", "--for", "2m", "--why", "w"), 2, "orderctl: UNIT: 'a b.service' is not a valid unit key"),
        (("hold", "nginx", "--for", "2h", "--why", "w"), 1, "decision.hold_max_s"),
        (("hold", "other", "--for", "2m", "--why", "w"), 5, "not watched"),
    ],
)
async def test_a_hold_that_cannot_be_is_refused_in_one_line(server, orderctl, words, code, said):
    """The exit code says whose fault it was, the line what to change."""
    found, out, err = await orderctl(*words)
    assert (found, out, err.count("\n")) == (code, "", 1)
    assert said in err


@pytest.fixture
def resolved(make_decision, make_step):
    """Return a decision and the step that ends it."""
    decision = make_decision()
    return decision, make_step(decision, IncidentState.RESOLVED, "verified")


async def until_watched(server) -> None:
    """Wait until somebody watches."""
    for _ in range(1000):
        if server.feed.watchers:
            return
        await asyncio.sleep(0.01)


async def test_watch_prints_a_line_per_change_and_ends_cleanly(server, start, hub, rpc_journal, resolved):
    """Ctrl-C ends the watch with exit 0 and no traceback."""
    process = await start("watch", "--json")
    await until_watched(server)
    decision, step = resolved
    hub.publish(rpc_journal.record(decision))
    hub.publish(rpc_journal.append(step))
    lines = [json.loads(await asyncio.wait_for(process.stdout.readline(), 5)) for _ in range(2)]
    assert [line["state"] for line in lines] == ["repairing", "resolved"]
    process.send_signal(signal.SIGINT)
    out, err = await asyncio.wait_for(process.communicate(), 5)
    assert (process.returncode, out, err) == (0, b"", b"")


@pytest.fixture
def run_orderd(rpc_config, rpc_journal, imagined_host):
    """Return a starter of servers, one after the other, with the hub of each."""

    async def begin():
        hub = DecisionHub(rpc_config.watchers_max)
        return await serve(rpc_config, rpc_journal, hub, imagined_host), hub

    return begin


@pytest.mark.parametrize("seen_before", [True, False], ids=["after a change", "before the first change"])
async def test_watch_goes_on_when_orderd_is_restarted(run_orderd, rpc_journal, start, make_decision, seen_before):
    """What was decided meanwhile is printed once, in order; that orderd was gone is said once, on standard error."""
    running, hub = await run_orderd()
    process = await start("watch", "--json")
    await until_watched(running)
    if seen_before:
        hub.publish(rpc_journal.record(make_decision(1)))
        assert json.loads(await asyncio.wait_for(process.stdout.readline(), 5))["id"] == make_decision(1).decision_id
    await running.stop(0.1)
    said = await asyncio.wait_for(process.stderr.readline(), 5)
    rpc_journal.record(make_decision(2))
    await asyncio.sleep(1.5)
    running, hub = await run_orderd()
    line = await asyncio.wait_for(process.stdout.readline(), 10)
    hub.publish(rpc_journal.record(make_decision(3)))
    lines = [json.loads(line), json.loads(await asyncio.wait_for(process.stdout.readline(), 5))]
    assert [line["id"] for line in lines] == [make_decision(n).decision_id for n in (2, 3)]
    process.send_signal(signal.SIGINT)
    out, err = await asyncio.wait_for(process.communicate(), 5)
    await running.stop(0.1)
    assert (process.returncode, out, said + err) == (0, b"", b"orderctl: orderd has gone; waiting for it to come back\n")


async def test_a_watch_of_an_orderd_that_never_ran_waits_for_nothing(orderctl):
    """Exit 3 at once: who is not there to begin with is no restart."""
    code, _, err = await orderctl("watch")
    assert (code, err.count("\n")) == (3, 1)
    assert "systemctl start orderd" in err


async def test_a_daemon_that_is_not_running_is_said_so(orderctl, rpc_config):
    """Exit 3, one line, and how to start it."""
    code, out, err = await orderctl("status")
    assert (code, out, err.count("\n")) == (3, "", 1)
    assert "systemctl start orderd" in err
    assert rpc_config.socket in err


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
async def test_a_user_who_may_not_is_told_what_would_help(server, rpc_config, tmp_path):
    """Exit 4, one line, naming the group."""
    for folder in [tmp_path, *tmp_path.parents][:-1]:
        if folder.stat().st_mode & 0o001 == 0:
            folder.chmod(folder.stat().st_mode | 0o001)
    uid = pwd.getpwnam("nobody").pw_uid
    # Only the question to the socket runs as nobody, who may not even read this interpreter's folder.
    script = (
        "import os, sys; from orderd.ctl.client import CtlError, check_socket\n"
        "os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(os.getgid())\n"
        "try: check_socket(sys.argv[1])\n"
        "except CtlError as error: sys.stderr.write(str(error)); sys.exit(error.code)\n"
    )
    argv = [sys.executable, "-c", script, rpc_config.socket, str(uid)]
    process = await asyncio.create_subprocess_exec(*argv, stderr=asyncio.subprocess.PIPE)
    _, err = await process.communicate()
    assert process.returncode == 4, err
    assert b"usermod -aG orderd" in err


async def test_a_reader_that_has_seen_enough_is_no_error(server, rpc_config, rpc_journal, make_decision):
    """``orderctl decisions | head -1`` ends without a complaint."""
    for number in range(1, 300):
        rpc_journal.record(make_decision(number, detail="x" * 300))
    command = f"{sys.executable} -m orderd.ctl --socket {rpc_config.socket} decisions -n 300 --json | head -1"
    process = await asyncio.create_subprocess_shell(command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    out, err = await process.communicate()
    assert (out, err) == (b"{\n", b"")


async def test_orderctl_starts_fast_enough_to_be_typed(server, orderctl):
    """The heavy rooms (ansible, onnxruntime, numpy, psutil) are not imported by it."""
    code = (
        "import sys, orderd.ctl.main; print(sorted({'ansible', 'onnxruntime', 'numpy', 'psutil', 'sqlite3'} & set(sys.modules)))"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    assert (await process.communicate())[0] == b"[]\n"

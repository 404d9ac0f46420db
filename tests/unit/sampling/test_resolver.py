import pytest

from orderd.config.schema import ResolverConfig
from orderd.sampling import resolver
from orderd.sampling.ask import NoAnswerError, ProbeFailedError
from orderd.sampling.resolver import name_servers, resolve


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nameserver 10.0.0.1\n# nameserver 9.9.9.9\noptions x\nnameserver ::1\n", ("10.0.0.1", "::1")),
        ("", ("127.0.0.1",)),
        ("nameserver\nnameserver evil;rm\n", ("127.0.0.1",)),
        ("".join(f"nameserver 10.0.0.{i}\n" for i in range(9)), ("10.0.0.0", "10.0.0.1", "10.0.0.2")),
    ],
)
def test_name_servers_are_read_as_glibc_reads_them(text, expected):
    """In order, at most three, comments and nonsense skipped, this host without any."""
    assert name_servers(text) == expected


@pytest.mark.parametrize(("server", "name"), [("::1%a..b", "a.test"), ("127.0.0.1", f"{'x' * 64}.test")])
async def test_what_cannot_be_asked_is_a_failed_probe(tmp_path, server, name):
    """An address or a name that no program could encode does not end the watch over name resolution."""
    file = tmp_path / "resolv.conf"
    file.write_text(f"nameserver {server}\n")
    with pytest.raises(ProbeFailedError):
        await resolve(ResolverConfig(name=name, resolv_conf=str(file)), port=1)


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """Return a function that resolves with servers that answer as given, and the servers asked."""
    log = []
    answers = {}

    async def ask(host, port, name):
        log.append(host)
        if answers.get(host):
            raise answers[host]

    monkeypatch.setattr(resolver, "ask_name_server", ask)
    file = tmp_path / "resolv.conf"
    file.write_text("nameserver 10.0.0.1\nnameserver 10.0.0.2\n")

    async def run(**given):
        answers.update({f"10.0.0.{key[1:]}": error for key, error in given.items()})
        await resolve(ResolverConfig(name="a.test", resolv_conf=str(file)))

    return run, log


async def test_the_first_server_that_answers_counts(asked):
    """A silent server is passed over; a good second one makes resolution good."""
    run, log = asked
    await run(s1=NoAnswerError("refused"))
    assert log == ["10.0.0.1", "10.0.0.2"]


async def test_no_such_name_is_final(asked):
    """A server that says there is no such name is believed, as by glibc: a wrong one first in the file is a failure."""
    run, log = asked
    with pytest.raises(ProbeFailedError):
        await run(s1=ProbeFailedError("NXDOMAIN"))
    assert log == ["10.0.0.1"]


async def test_resolution_fails_when_nobody_answers(asked):
    """All servers silent is a failure that names each."""
    run, _ = asked
    with pytest.raises(NoAnswerError, match="one; two"):
        await run(s1=NoAnswerError("one"), s2=NoAnswerError("two"))

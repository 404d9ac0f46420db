"""Where notices go and in which shape. ``send`` runs in a thread: it touches the network and the files that hold secrets.

Nothing heavy is imported before the first notice: http.client, smtplib and email cost 5 MiB that most hosts never need.
http.client follows no redirects and knows no proxies, so neither a server nor the environment can send a notice elsewhere. What
is told of a sink names its host only: the path of a webhook is a secret.
"""

import hashlib
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import SplitResult, urlsplit

import msgspec

from orderd.config.schema import EmailSink, PagerDutySink, SinkConfig, SlackSink, WebhookSink
from orderd.notify.notice import Notice
from orderd.notify.text import many_lines, one_line

_SECRET_BYTES_MAX: Final = 4096
_ANSWER_BYTES_MAX: Final = 4096
_OK: Final = range(200, 300)
# What a later try may cure: time-outs, too early, too many, and whatever is the server's own fault.
_TRY_AGAIN: Final = frozenset({408, 425, 429})
_REFUSED: Final = range(300, 500)
_SMTP_TLS_PORT: Final = 465
_SMTP_REFUSED: Final = range(550, 560)
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost"})
_SEVERITY: Final = {"escalated": "critical", "approval": "warning", "ticket": "error", "collateral": "error", "repaired": "info"}
_DEDUP_MAX: Final = 255


class SinkError(Exception):
    """A sink did not take a notice; trying again may help."""


class RefusedError(SinkError):
    """A sink will never take this notice."""


class Shutter(Protocol):
    """Lets the loop break off what a thread waits for."""

    def __call__(self, connection: object) -> AbstractContextManager[None]:
        """Return a context in which ``connection.sock`` is shut when time is up."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Sink:
    """One place where notices go.

    Attributes:
        name: stable over restarts: kind and a hash of its configuration.
        where: for people: kind and host, without anything secret.
        send: tells it one notice, in a thread; raises SinkError.
    """

    name: str
    where: str
    send: Callable[[Notice, Shutter], None]


def make_sink(config: SinkConfig, host: str, timeout_s: float) -> Sink:
    """Return a configured sink.

    Args:
        config: of the sink.
        host: name of this host, for people.
        timeout_s: how long one network operation may take.
    """
    kind = str(type(config).__struct_config__.tag)
    name = f"{kind}-{hashlib.sha256(msgspec.json.encode(config)).hexdigest()[:12]}"
    if isinstance(config, EmailSink):
        mail = _Mail(config=config, host=host, timeout_s=timeout_s)
        return Sink(name=name, where=f"mail over {config.server}", send=mail.send)
    url = urlsplit(config.url)
    post = _Post(url=url, timeout_s=timeout_s, body=_body_of(config, host))
    return Sink(name=name, where=f"{kind} at {url.hostname}", send=post.send)


def _body_of(config: WebhookSink | SlackSink | PagerDutySink, host: str) -> Callable[[Notice], dict[str, Any]]:
    match config:
        case WebhookSink():
            return lambda notice: webhook_body(notice, host)
        case SlackSink():
            return lambda notice: slack_body(notice, host)
        case PagerDutySink():
            return lambda notice: pagerduty_body(notice, host, _secret(config.routing_key_file))


def webhook_body(notice: Notice, host: str) -> dict[str, Any]:
    """Return the JSON object of a webhook."""
    return {
        "id": notice.notice_id,
        "event": notice.event,
        "key": notice.key,
        "host": host,
        "title": notice.title,
        "body": notice.body,
        "at": _time(notice).isoformat(),
        "resolved": notice.resolved,
    }


def slack_body(notice: Notice, host: str) -> dict[str, Any]:
    """Return the JSON object of a Slack incoming webhook; what Slack would read as a mention or a link is shown as text.

    References:
        docs.slack.dev, "Formatting message text": escape &, < and >.
    """
    lines = [f"*{_escaped(headline(notice, host))}*", *(f"{_escaped(n)}: {_escaped(v)}" for n, v in notice.body.items())]
    return {"text": many_lines("\n".join(lines), 3900)}


def pagerduty_body(notice: Notice, host: str, routing_key: str) -> dict[str, Any]:
    """Return an event of PagerDuty's Events API v2: one alert per key, resolved by the same dedup_key."""
    event: dict[str, Any] = {
        "routing_key": routing_key,
        "event_action": "resolve" if notice.resolved else "trigger",
        "dedup_key": one_line(f"orderd:{host}:{notice.key}", _DEDUP_MAX),
    }
    if not notice.resolved:
        event["payload"] = {
            "summary": headline(notice, host),
            "source": host,
            "severity": _SEVERITY.get(notice.event, "warning"),
            "timestamp": _time(notice).isoformat(),
            "class": notice.event,
            "custom_details": notice.body,
        }
    return event


def headline(notice: Notice, host: str) -> str:
    """Return one line that says what it is about."""
    return one_line(f"[{host}] {'resolved' if notice.resolved else notice.event}: {notice.title}", 300)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Post:
    """POSTs JSON to one URL."""

    url: SplitResult
    timeout_s: float
    body: Callable[[Notice], dict[str, Any]]

    def send(self, notice: Notice, shutter: Shutter) -> None:
        import http.client  # noqa: PLC0415  at the first notice, see the module's docstring

        data = json.dumps(self.body(notice)).encode("ascii")
        try:
            connection = self._connection()
            try:
                with shutter(connection):
                    headers = {"Content-Type": "application/json", "User-Agent": "orderd", "Connection": "close"}
                    connection.request("POST", self._target(), body=data, headers=headers)
                    response = connection.getresponse()
                    status, said = response.status, response.read(_ANSWER_BYTES_MAX)
            finally:
                connection.close()
        except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: a URL that http.client refuses
            raise SinkError(one_line(f"{type(error).__name__}: {error}")) from error
        _judge(status, said)

    def _connection(self) -> Any:
        import http.client  # noqa: PLC0415
        import ssl  # noqa: PLC0415

        host = self.url.hostname or ""
        if self.url.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(host, self.url.port, timeout=self.timeout_s, context=context)
        return http.client.HTTPConnection(host, self.url.port, timeout=self.timeout_s)

    def _target(self) -> str:
        return (self.url.path or "/") + (f"?{self.url.query}" if self.url.query else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mail:
    """Sends one plain-text mail."""

    config: EmailSink
    host: str
    timeout_s: float

    def send(self, notice: Notice, shutter: Shutter) -> None:
        import smtplib  # noqa: PLC0415  at the first notice, see the module's docstring

        try:
            session = self._session(smtplib)
            try:
                with shutter(session):
                    session.connect(self._server, self._port)
                    self._log_in(session)
                    refused = session.send_message(self._message(notice))
            finally:
                session.close()  # without QUIT: the server has taken it, and might never answer that
        except SinkError:
            raise
        except smtplib.SMTPRecipientsRefused as error:
            codes = {code for code, _ in error.recipients.values()}
            kind = RefusedError if all(code in _SMTP_REFUSED for code in codes) else SinkError
            raise kind(f"no recipient was accepted (codes {sorted(codes)})") from error
        except smtplib.SMTPResponseException as error:
            kind = RefusedError if error.smtp_code in _SMTP_REFUSED else SinkError
            raise kind(f"the server answered {error.smtp_code}") from error
        except (OSError, smtplib.SMTPException, ValueError) as error:
            raise SinkError(one_line(f"{type(error).__name__}: {error}")) from error
        if refused:
            raise SinkError(f"{len(refused)} of {len(self.config.to)} recipients were not accepted")

    def _session(self, smtplib: Any) -> Any:
        # The name in HELO: without it smtplib asks the name service for our own, which may hang.
        options: dict[str, Any] = {"local_hostname": "localhost", "timeout": self.timeout_s}
        tls = self._port == _SMTP_TLS_PORT
        session = smtplib.SMTP_SSL(context=_tls(), **options) if tls else smtplib.SMTP(**options)
        # Its constructor could connect too, but there nothing could break it off. The certificate is checked against this name.
        session._host = self._server  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        return session

    @property
    def _server(self) -> str:
        return self.config.server.rpartition(":")[0]

    @property
    def _port(self) -> int:
        return int(self.config.server.rpartition(":")[2])

    def _log_in(self, session: Any) -> None:
        if self.config.starttls:
            session.starttls(context=_tls())
        if self.config.user:
            if not (self.config.starttls or self._port == _SMTP_TLS_PORT or self._server in _LOOPBACK):
                raise SinkError("a password is not sent without TLS: set starttls = true or use port 465")
            session.login(self.config.user, _secret(self.config.password_file))

    def _message(self, notice: Notice) -> Any:
        from email.message import EmailMessage  # noqa: PLC0415
        from email.utils import format_datetime  # noqa: PLC0415

        message = EmailMessage()
        message["Subject"] = headline(notice, self.host)
        message["From"] = self.config.sender
        message["To"] = ", ".join(self.config.to)
        message["Date"] = format_datetime(_time(notice))
        message["Message-ID"] = f"<{notice.notice_id}@orderd.invalid>"
        message["Auto-Submitted"] = "auto-generated"
        lines = [
            notice.title,
            "",
            *(f"{name}: {value}" for name, value in notice.body.items()),
            "",
            f"-- \norderd on {self.host}",
        ]
        message.set_content("\n".join(lines))
        return message


def _judge(status: int, said: bytes) -> None:
    if status in _OK:
        return
    words = one_line(f"HTTP {status} {said.decode(errors='replace')}")
    if status in _REFUSED and status not in _TRY_AGAIN:
        raise RefusedError(words)
    raise SinkError(words)


def _tls() -> Any:
    import ssl  # noqa: PLC0415

    return ssl.create_default_context()


def _secret(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            return file.read(_SECRET_BYTES_MAX).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SinkError(f"{path}: cannot be read ({type(error).__name__}); user orderd has to be able to") from error


def _time(notice: Notice) -> datetime:
    return datetime.fromtimestamp(max(0, notice.at_utc_ns) / 1e9, tz=UTC)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

"""Join tokens as people carry them: one line of text. Pure.

It holds a secret that is good once, where the trainer is, and the authority's certificate, so that already the first contact is
with the right trainer and with nobody in between.
"""

import base64
import binascii
from typing import Annotated, Final

import msgspec
from msgspec import Meta

_PREFIX: Final = "orderd-join."
_TEXT_MAX: Final = 8192


class Token(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a token carries.

    Attributes:
        secret: known to nobody else; the authority keeps its hash only.
        role: what it is good for, ``host``, ``operator``, ...; for people, the authority goes by its own record.
        fleet: whose.
        enrol: ``HOST:PORT`` of the enrolment.
        trainer: ``HOST:PORT`` of everything else.
        authority: PEM.
        made_at: UTC seconds; only to tell a clock that is wrong from a token that is old.
        lifetime_s: seconds it is good for.
    """

    secret: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{20,100}$")]
    role: Annotated[str, Meta(pattern=r"^(host|operator|admin|reader|trainer)$")]
    fleet: Annotated[str, Meta(max_length=63)]
    enrol: Annotated[str, Meta(pattern=r"^\S{1,255}:[0-9]{1,5}$")]
    trainer: Annotated[str, Meta(pattern=r"^\S{1,255}:[0-9]{1,5}$")]
    authority: Annotated[str, Meta(max_length=4096)]
    made_at: float
    lifetime_s: Annotated[float, Meta(gt=0.0)]


def to_text(token: Token) -> str:
    """Return a token as one line."""
    return _PREFIX + base64.urlsafe_b64encode(msgspec.json.encode(token)).decode().rstrip("=")


def from_text(text: str) -> Token:
    """Return the token in a line.

    Raises:
        ValueError: it is none, or was cut or changed on the way.
    """
    text = text.strip()
    if not text.startswith(_PREFIX) or len(text) > _TEXT_MAX:
        raise ValueError("not a join token: it begins with orderd-join. and is one line; make one with `ordertrainer token`")
    body = text.removeprefix(_PREFIX)
    try:
        return msgspec.json.decode(base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True), type=Token)
    except (binascii.Error, msgspec.MsgspecError, ValueError) as error:
        raise ValueError("the join token was cut or changed on the way: copy it whole, on one line") from error

"""What a host consists of at one moment, as far as a repair could change it by mistake. Pure.

Keys are ``KIND NAME``; kinds are ``unit``, ``file``, ``mount``, ``link``, ``listener``. A contract's ``touches`` uses the same
words with patterns, so that what changed can be held against what a repair said it would change:

    touches: ["unit {target}", "file /etc/resolv.conf", "file {target}/**/*.log", "process"]

``process`` says that processes outside the target may be stopped, ``config`` that files may be changed which orderd.toml names
for the service; neither has a name. In patterns ``*`` and ``?`` stay within one part of a path, ``**/`` stands for any number of
directories, also for none.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from orderd.domain.clock import Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What was there.

    Attributes:
        at: when it was taken.
        things: ``KIND NAME`` -> its state, in words that differ when the thing was changed; bounded by the collector.
    """

    at: Instant
    things: Mapping[str, str]


def matches(pattern: str, thing: str) -> bool:
    """Tell whether a pattern of a contract's ``touches``, its ``{target}`` filled in, means a thing of the inventory."""
    return _compiled(pattern).fullmatch(thing) is not None


_WILD = re.compile(r"\*\*/|\*\*|\*|\?")
_MEANING = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts: list[str] = []
    end = 0
    for wild in _WILD.finditer(pattern):
        parts += [re.escape(pattern[end : wild.start()]), _MEANING[wild[0]]]
        end = wild.end()
    return re.compile("".join([*parts, re.escape(pattern[end:])]), re.DOTALL)

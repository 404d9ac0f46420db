"""Name resolution as the host's programs see it. Reads resolv.conf, asks its name servers over UDP.

Servers are asked in the order of the file, as glibc does: a server that is silent, refuses or fails is passed over, and the first
one that answers counts, also when it answers that there is no such name.

A changed resolv.conf is noticed by four stats a second (0.01 % of a core). The standard library has no inotify, and the
import of ctypes makes writable executable memory, which the unit's sandbox forbids.
"""

import asyncio
import contextlib
import functools
import ipaddress
import os
import time
from pathlib import Path

from orderd.config.schema import ResolverConfig
from orderd.domain.clock import Instant
from orderd.domain.faults import Entity, EntityKind
from orderd.sampling.ask import NoAnswerError, ask_name_server
from orderd.sampling.collector import Reading
from orderd.sampling.probe import probe_signals
from orderd.sampling.prober import Prober
from orderd.sampling.rounds import next_round_s

RESOLVER = Entity(kind=EntityKind.RESOLVER, key="system")
WATCH_EVERY_S = 0.25
SERVERS_MAX = 3
"""glibc's MAXNS: further name servers are never asked."""
_PORT = 53
_FILE_BYTES_MAX = 65536


@functools.lru_cache(maxsize=2)
def name_servers(text: str) -> tuple[str, ...]:
    """Return the name servers of a resolv.conf, at most three; without any, glibc asks this host."""
    words = (line.split() for line in text.splitlines())
    named = [each[1] for each in words if len(each) > 1 and each[0] == "nameserver"]
    return tuple(server for server in named if _is_address(server))[:SERVERS_MAX] or ("127.0.0.1",)


async def resolve(config: ResolverConfig, port: int = _PORT) -> None:
    """Resolve the configured name as a program on this host would.

    Raises:
        ProbeFailedError: there is no such name, or no server answered.
        NotAskedError: this host has nothing left to ask with.
    """
    silent: list[str] = []
    for server in name_servers(_read(Path(config.resolv_conf))):
        try:
            async with asyncio.timeout(config.timeout_s):
                await ask_name_server(server, port, config.name)
        except (NoAnswerError, TimeoutError) as error:
            silent.append(str(error) or f"{server}: no answer in {config.timeout_s:g} s")
        else:
            return
    raise NoAnswerError("; ".join(silent))


async def watch(config: ResolverConfig, prober: Prober) -> None:
    """Let the prober ask at once whenever resolv.conf changes."""
    before, first_s = _stamp(config.resolv_conf), time.monotonic()
    while True:
        now_s = time.monotonic()
        await asyncio.sleep(next_round_s(first_s, now_s, WATCH_EVERY_S) - now_s)
        now = _stamp(config.resolv_conf)
        if now != before:
            before = now
            prober.hurry()


class ResolverCollector:
    """Newest outcome and latency of name resolution."""

    name = "resolver"
    signals = frozenset({"probe_ok_ratio", "probe_latency_s"})
    kinds = frozenset({EntityKind.RESOLVER})
    every_s = 0.0

    def __init__(self, prober: Prober) -> None:
        """Read ``prober``, which runs elsewhere."""
        self._prober = prober

    async def collect(self, at: Instant) -> Reading:
        """Copy what is known."""
        del at  # nothing is measured here
        return Reading(entities={RESOLVER: probe_signals(self._prober)})


def _is_address(text: str) -> bool:
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(text)
        return True
    return False


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_FILE_BYTES_MAX).decode(errors="replace")
    except OSError:  # no file: glibc goes on with its default server
        return ""


def _stamp(path: str) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116  four a second
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns

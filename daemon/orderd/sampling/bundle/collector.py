"""Collects diagnosis bundles and keeps a bounded number of them. Starts one helper process; writes one folder.

What orderd knows itself (the decision, the window) comes from its memory; what it has to look for is looked for by a program of
its own, which is killed when its time is up. A part that failed is missing and says why; it never costs the others.
"""

import asyncio
import contextlib
import json
import logging
import math
import os
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final

from orderd.domain.clock import Clock
from orderd.domain.faults import Entity, EntityKind
from orderd.domain.signals import ENTITY_SIGNALS, HOST_SIGNALS, SLOT_AGES_S
from orderd.domain.values import Decision, DecisionRecord
from orderd.domain.window import Window

_log = logging.getLogger(__name__)

DIRECTORY: Final = Path("/var/lib/orderd/bundles")
LIMIT_S: Final = 5.0
BUNDLE_BYTES_MAX: Final = 2 << 20
KEPT_MAX: Final = 50
KEPT_BYTES_MAX: Final = 32 << 20
RECENT_MAX: Final = 20
_PROGRAM: Final = Path(__file__).with_name("program.py")
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_FILE_MODE: Final = 0o640
_DIRECTORY_MODE: Final = 0o750
# The helper needs a moment to start, and its last lines have to be read.
_HELPER_SHARE: Final = 0.8
_END_S: Final = 0.5
_AT_ONCE_MAX: Final = 2
"""Helpers at a time: where much breaks at once the host has better things to do."""


class BundleCollector:
    """Collects what a person needs.

    Attributes:
        problem: why the last bundle could not be written, empty when it was.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        directory: Path = DIRECTORY,
        limit_s: float = LIMIT_S,
        kept_max: int = KEPT_MAX,
        kept_bytes_max: int = KEPT_BYTES_MAX,
        program: Path = _PROGRAM,
    ) -> None:
        """Remember where bundles go; nothing is started yet.

        Args:
            clock: where time comes from.
            directory: made when the first bundle is written.
            limit_s: all of one bundle takes at most this long, once it is its turn.
            kept_max: bundles that are kept, the newest.
            kept_bytes_max: bytes they may have together; the newest is always kept.
            program: the helper; replaced in tests.
        """
        self._clock = clock
        self._directory = directory
        self._limit_s = limit_s
        self._kept_max = kept_max
        self._kept_bytes_max = kept_bytes_max
        self._program = program
        self._turn = asyncio.Semaphore(_AT_ONCE_MAX)
        self.problem = ""

    def place(self, incident_id: str) -> str:
        """Return the path of an incident's bundle, whether or not it is there yet; empty for what is no name of a file."""
        return str(self._directory / f"{incident_id}.json") if _NAME.fullmatch(incident_id) else ""

    async def collect(self, decision: Decision, *, window: Window | None = None, recent: Sequence[DecisionRecord] = ()) -> str:
        """Write the bundle of a decision's incident, replacing an earlier one.

        Args:
            decision: which gave up.
            window: what was seen; its newest values and the entity's series are kept.
            recent: earlier decisions about the entity; the first RECENT_MAX are kept.

        Returns:
            Path of the file; empty when none could be written, which ``problem`` then explains.
        """
        incident = decision.incident_id
        if _NAME.fullmatch(incident) is None:
            self.problem = f"{incident!r} is no name for a file"
            return ""
        entity = decision.diagnosis.entity
        known: dict[str, Any] = {
            "incident_id": incident,
            "collected_utc_ns": self._clock.now().utc_ns,
            "decision": plain(decision),
            "signals": _signals(window),
            "series": _series(window, entity),
            "recent_decisions": [plain(record) for record in recent[:RECENT_MAX]],
        }
        async with self._turn:
            known["host"] = await self._look(entity.key if entity.kind is EntityKind.UNIT else "")
        try:
            path = await asyncio.to_thread(self._write, incident, known)
        except OSError as error:
            self.problem = f"{self._directory}: {error.strerror}"
            _log.warning("no diagnosis bundle for %s: %s", incident, error)
            return ""
        self.problem = ""
        return str(path)

    async def _look(self, unit: str) -> dict[str, Any]:
        """Return what the helper found in time, by part."""
        request = json.dumps({"unit": unit, "limit_s": self._limit_s * _HELPER_SHARE})
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", str(self._program), request),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                limit=BUNDLE_BYTES_MAX,
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            return {"error": f"the helper could not be started: {error}"}
        parts: dict[str, Any] = {}
        try:
            async with asyncio.timeout(self._limit_s):
                await _read_parts(process, parts)
        except TimeoutError:
            parts["error"] = f"not everything was there after {self._limit_s:g} s"
        except ValueError as error:  # a line that is too long, or that was cut when the helper left
            parts["error"] = f"the helper's answer ends early: {error}"
        finally:
            await _end(process)
        return parts

    def _write(self, incident: str, content: Mapping[str, Any]) -> Path:
        self._directory.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
        data = _encoded(content)
        path, fresh = Path(self.place(incident)), self._directory / f".{incident}.new"
        try:
            with open(fresh, "wb", opener=_private) as file:
                file.write(data)
            fresh.replace(path)
        except OSError:
            fresh.unlink(missing_ok=True)
            raise
        self._make_room(path)
        return path

    def _make_room(self, newest: Path) -> None:
        kept = sorted(
            ((file.stat().st_mtime_ns, file) for file in self._directory.glob("*.json") if file != newest), reverse=True
        )
        room, count = self._kept_bytes_max - newest.stat().st_size, 1
        for _, file in kept:
            room, count = room - file.stat().st_size, count + 1
            if room < 0 or count > self._kept_max:
                file.unlink(missing_ok=True)


def plain(value: object) -> Any:
    """Return a value of the domain as JSON can hold it; what is missing becomes None."""
    if is_dataclass(value) and not isinstance(value, type):
        return {name: plain(each) for name, each in asdict(value).items()}
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return value


def _signals(window: Window | None) -> dict[str, Any]:
    if window is None:
        return {}
    host = zip((signal.name for signal in HOST_SIGNALS), window.newest.host, strict=True)
    names = [signal.name for signal in ENTITY_SIGNALS]
    return {
        "host": _present(host),
        "entities": {str(row.entity): _present(zip(names, row.values, strict=True)) for row in window.newest.entities},
        "failed_collectors": list(window.newest.failed_collectors),
    }


def _series(window: Window | None, entity: Entity) -> dict[str, Any]:
    """Return every signal of the entity over the window's slots, newest first; empty when the entity is gone."""
    if window is None or entity not in window.entities:
        return {}
    place = window.entities.index(entity)
    rows = {signal.name: window.series(place, at) for at, signal in enumerate(ENTITY_SIGNALS)}
    kept = {name: plain(values) for name, values in rows.items() if not all(math.isnan(value) for value in values)}
    return {"age_s": list(SLOT_AGES_S), "signals": kept}


def _present(pairs: "zip[tuple[str, float]]") -> dict[str, float]:
    return {name: value for name, value in pairs if not math.isnan(value)}


async def _read_parts(process: asyncio.subprocess.Process, parts: dict[str, Any]) -> None:
    assert process.stdout is not None
    while line := await process.stdout.readline():
        told = json.loads(line)
        parts[told["part"]] = told["value"] if "value" in told else {"error": told["error"]}


async def _end(process: asyncio.subprocess.Process) -> None:
    """End the helper and whatever it started; one that hangs in the kernel ends when the kernel lets it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_END_S):
            await process.wait()
    process._transport.close()  # noqa: SLF001  # pyright: ignore  what it has not been asked for would keep the pipe open


def _encoded(content: Mapping[str, Any]) -> bytes:
    """Return the file's content; when it is too large the largest part of the host's goes, until it fits."""
    held = dict(content)
    data = json.dumps(held, indent=1, default=str).encode()
    while len(data) > BUNDLE_BYTES_MAX and held["host"]:
        host = dict(held["host"])
        largest = max(host, key=lambda name: len(json.dumps(host[name], default=str)))
        if host[largest] == _TOO_LARGE:
            break
        host[largest] = _TOO_LARGE
        held["host"] = host
        data = json.dumps(held, indent=1, default=str).encode()
    return data


_TOO_LARGE: Final = {"error": "left out: the bundle would be too large"}


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, _FILE_MODE)

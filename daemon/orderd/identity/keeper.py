"""Keeps the identity fresh while orderd runs: sees a new one, renews it at half its life, says when it cannot. Starts processes.

Renewing makes a key and a request, which needs a crypto library, so it is done by a process that is thrown away. Whoever uses the
identity asks for ``identity`` at every connection, or waits for ``changed``; nothing is restarted.
"""

import asyncio
import contextlib
import logging
import os
import random
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from orderd.domain.clock import Clock
from orderd.errors import IdentityError
from orderd.identity.store import REMEDY, Identity, generation, load

LOG = logging.getLogger(__name__)

LOOK_S: Final = 2.0
"""How soon an identity that somebody else put in force is seen."""
RENEW_S_MAX: Final = 60.0
RETRY_S_MIN: Final = 10.0
RETRY_S_MAX: Final = 600.0
_SPREAD: Final = 0.05
"""Share of a life by which hosts that were enrolled together drift apart."""
_SAID_BYTES_MAX: Final = 2000

Renew = Callable[[Path, str], Awaitable[None]]


async def renew_in_a_process(directory: Path, trainer: str) -> None:
    """Have a process of its own renew the identity in a directory.

    Raises:
        IdentityError: it could not; what was in force stays so.
    """
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-m", "orderd.identity", "renew", "--directory", str(directory), "--trainer", trainer),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "GRPC_VERBOSITY": "NONE"},
    )
    try:
        async with asyncio.timeout(RENEW_S_MAX):
            _, said = await program.communicate()
    except TimeoutError as error:
        raise IdentityError(f"renewing took longer than {RENEW_S_MAX:g} s") from error
    finally:
        with contextlib.suppress(ProcessLookupError):
            program.kill()
    if program.returncode:
        lines = said[-_SAID_BYTES_MAX:].decode(errors="replace").strip().splitlines()
        raise IdentityError(lines[-1] if lines else f"renewing ended with {program.returncode}")


class Keeper:
    """The identity of a running orderd."""

    def __init__(
        self,
        directory: Path,
        clock: Clock,
        *,
        trainer: str = "",
        renew: Renew = renew_in_a_process,
        jitter: random.Random | None = None,
    ) -> None:
        """Read what there is; nothing is renewed before `run`.

        Args:
            directory: where the identity is kept.
            clock: its wall clock says whether a certificate holds.
            trainer: ``HOST:PORT`` to renew at; empty: as when it was enrolled.
            renew: puts a new certificate in force; replaced in tests.
            jitter: spreads renewals over hosts; a fresh generator when None.
        """
        self._directory = directory
        self._clock = clock
        self._trainer = trainer
        self._renew = renew
        self._jitter = jitter or random.Random()  # noqa: S311  spreads renewals, guards nothing
        self._news = asyncio.Condition()
        self._identity: Identity | None = None
        self._why = ""
        self._trouble = ""
        self._due_at = 0.0
        self._pause_s = RETRY_S_MIN
        self._look()

    @property
    def identity(self) -> Identity | None:
        """Return the identity in force, which may have expired; None: this host is not enrolled."""
        return self._identity

    @property
    def remaining_s(self) -> float:
        """Return seconds until the certificate ends; 0 when it has, or there is none."""
        return max(0.0, self._identity.not_after - self._utc()) if self._identity else 0.0

    @property
    def enrolled(self) -> bool:
        """Tell whether there is an identity at all."""
        return self._identity is not None

    @property
    def why(self) -> str:
        """Return why there is no identity; empty when there is one."""
        return self._why

    @property
    def problem(self) -> str:
        """Return what a person has to know of an identity that does not work or is not renewed; empty while all is well."""
        identity, now = self._identity, self._utc()
        if identity is None:
            return "" if self._why.startswith("not enrolled") else self._why
        if now > identity.not_after:
            return f"the certificate of {identity.name} has expired; {REMEDY}, or set the clock if it is wrong"
        if now < identity.not_before:
            return f"the certificate of {identity.name} begins {identity.not_before - now:.0f} s from now: set this host's clock"
        return f"the certificate is not renewed, {self.remaining_s:.0f} s are left: {self._trouble}" if self._trouble else ""

    def holds(self) -> Identity:
        """Return the identity in force.

        Raises:
            IdentityError: there is none, or it does not hold now; the message says what to do.
        """
        identity = self._identity
        if identity is None:
            raise IdentityError(self._why)
        if not identity.not_before <= self._utc() <= identity.not_after:
            raise IdentityError(self.problem)
        return identity

    async def changed(self, seen: str) -> None:
        """Wait until another identity is in force.

        Args:
            seen: generation of the one that is known, empty for none.
        """
        async with self._news:
            await self._news.wait_for(lambda: (self._identity.generation if self._identity else "") != seen)

    async def run(self) -> None:
        """Look and renew until cancelled."""
        while True:
            await self.look()
            if self._identity and self._due(self._identity):
                await self._try(self._identity)
            await asyncio.sleep(self._until_next())

    async def look(self) -> None:
        """Take over what is in force on disk."""
        if self._look():
            async with self._news:
                self._news.notify_all()

    def _utc(self) -> float:
        return self._clock.now().utc_ns / 1e9

    def _look(self) -> bool:
        known = self._identity.generation if self._identity else ""
        if known and generation(self._directory) == known:
            return False
        try:
            found = load(self._directory)
        except IdentityError as error:
            changed, self._identity, self._why = bool(known), None, str(error)
            return changed
        self._identity, self._why, self._trouble, self._pause_s = found, "", "", RETRY_S_MIN
        self._due_at = found.not_before + found.lifetime_s * (0.5 + self._jitter.uniform(0.0, _SPREAD))
        LOG.info("identity: %s, %.0f s left", found.name, self.remaining_s)
        return True

    def _due(self, identity: Identity) -> bool:
        # What has expired cannot be renewed, and the trainer would not believe a certificate from the future either.
        now = self._utc()
        return self._due_at <= now <= identity.not_after

    async def _try(self, identity: Identity) -> None:
        try:
            await self._renew(self._directory, self._trainer)
        except (IdentityError, OSError) as error:
            self._trouble = str(error)
            LOG.warning("identity: %s", self.problem)
            # A short life leaves little time to try again.
            self._pause_s = min(self._pause_s * 2, RETRY_S_MAX, identity.lifetime_s / 10)
            self._due_at = self._utc() + self._pause_s * self._jitter.uniform(0.5, 1.0)
        await self.look()

    def _until_next(self) -> float:
        return LOOK_S if not self._identity else min(LOOK_S, max(0.05, self._due_at - self._utc()))

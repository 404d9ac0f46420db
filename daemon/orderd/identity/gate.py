"""Who may call what, asked before any servicer runs: one table, default deny. Writes the log; used by orderd and by the trainer.

A call passes when the caller is known, the method is in the table, and the caller's role may do what the row asks. gRPC's
interceptors do not see the caller, so each handler is wrapped and the question is asked first thing inside the call. A stream
ends when the caller's certificate does: one that ran on would be worth more than the certificate.
"""

import asyncio
import inspect
import logging
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextvars import ContextVar
from typing import Any, Final

import grpc
import grpc.aio

from orderd.domain.peers import Caller, Role
from orderd.errors import IdentityError, NotAllowedError

Context = grpc.aio.ServicerContext[Any, Any]
Table = Mapping[str, Collection[Role]]
Who = Callable[[Context], Awaitable[Caller]]
Check = Callable[[Caller, Any], None]
Refuse = Callable[[Context, Exception], Awaitable[None]]

LOG = logging.getLogger(__name__)

_LOG_EVERY_S: Final = 1.0
_STRANGER: Final = Caller(name="unknown", role=Role.NONE, local=False, known=False)
_caller: ContextVar[Caller] = ContextVar("caller", default=_STRANGER)


def caller() -> Caller:
    """Return who makes the call that is being answered; a stranger who may do nothing outside of one."""
    return _caller.get()


def _nothing(_caller: Caller, _request: Any) -> None:
    """Let every request pass."""


async def _abort(context: Context, error: Exception) -> None:
    known = isinstance(error, NotAllowedError)
    await context.abort(grpc.StatusCode.PERMISSION_DENIED if known else grpc.StatusCode.UNAUTHENTICATED, str(error))


class Gate(grpc.aio.ServerInterceptor):
    """Refuses what the table does not allow."""

    def __init__(
        self,
        table: Table,
        who: Who,
        *,
        check: Check = _nothing,
        refuse: Refuse = _abort,
        utc: Callable[[], float] = time.time,
    ) -> None:
        """Guard a server.

        Args:
            table: full method name, ``/package.Service/Method``, to the roles any of which is needed.
            who: names the caller; IdentityError: it is nobody, NotAllowedError: it is somebody who may not come this way.
            check: looks at every request of an admitted caller; NotAllowedError refuses it.
            refuse: ends a call for a NotAllowedError (PERMISSION_DENIED) or an IdentityError (UNAUTHENTICATED).
            utc: seconds since 1970, against which certificates end.
        """
        self._table = table
        self._who = who
        self._check = check
        self._end = refuse
        self._utc = utc
        self._logged = 0.0
        self.refused: Counter[str] = Counter()
        """Calls refused since the start, by method."""

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:  # noqa: D102  gRPC's
        handler = await continuation(handler_call_details)
        return handler and self._guarded(handler_call_details.method, handler)

    def _guarded(self, method: str, handler: Any) -> Any:
        coders = {"request_deserializer": handler.request_deserializer, "response_serializer": handler.response_serializer}
        match (handler.request_streaming, handler.response_streaming):
            case (False, False):
                return grpc.unary_unary_rpc_method_handler(self._single(method, handler.unary_unary), **coders)
            case (True, False):
                return grpc.stream_unary_rpc_method_handler(self._single(method, handler.stream_unary), **coders)
            case (False, True):
                return grpc.unary_stream_rpc_method_handler(self._many(method, handler.unary_stream), **coders)
            case _:
                return grpc.stream_stream_rpc_method_handler(self._many(method, handler.stream_stream), **coders)

    def _single(self, method: str, behaviour: Any) -> Any:
        async def answer(request: Any, context: Context) -> Any:
            admitted = await self._admit(method, context)
            return await behaviour(await self._looked_at(method, admitted, request, context), context)

        return answer

    def _many(self, method: str, behaviour: Any) -> Any:
        if not inspect.isasyncgenfunction(behaviour):
            return self._written(method, behaviour)

        async def answer(request: Any, context: Context) -> AsyncGenerator[Any]:
            admitted = await self._admit(method, context)
            answers = behaviour(await self._looked_at(method, admitted, request, context), context)
            try:
                async for item in self._until_expiry(method, admitted, answers, context):
                    yield item
            finally:
                await answers.aclose()

        return answer

    def _written(self, method: str, behaviour: Any) -> Any:
        """Guard a handler that writes to the context instead of yielding."""

        async def answer(request: Any, context: Context) -> None:
            admitted = await self._admit(method, context)
            request = await self._looked_at(method, admitted, request, context)
            scope = asyncio.timeout_at(self._deadline(admitted))
            try:
                async with scope:
                    await behaviour(request, context)
            except TimeoutError:
                if not scope.expired():
                    raise
                await self._refuse(method, context, _ended(admitted))

        return answer

    async def _until_expiry(
        self, method: str, admitted: Caller, answers: AsyncIterator[Any], context: Context
    ) -> AsyncGenerator[Any]:
        deadline = self._deadline(admitted)
        while True:
            scope = asyncio.timeout_at(deadline)
            try:
                async with scope:
                    item = await anext(answers)
            except StopAsyncIteration:
                return
            except TimeoutError:
                if not scope.expired():
                    raise
                await self._refuse(method, context, _ended(admitted))
            else:
                yield item

    def _deadline(self, admitted: Caller) -> float | None:
        if not admitted.expires_at:
            return None
        return asyncio.get_running_loop().time() + admitted.expires_at - self._utc()

    async def _admit(self, method: str, context: Context) -> Caller:
        try:
            found = await self._who(context)
            self._allowed(method, found)
        except (IdentityError, NotAllowedError) as error:
            return await self._refuse(method, context, error)
        _caller.set(found)
        return found

    def _allowed(self, method: str, found: Caller) -> None:
        needed = self._table.get(method, ())
        if not any(found.role.may(role) for role in needed):
            words = " or ".join(role.name.lower() for role in needed) or "that nobody has"
            raise NotAllowedError(f"{found.name} has the role {found.role.name.lower()}; {method} needs the role {words}")

    async def _looked_at(self, method: str, admitted: Caller, request: Any, context: Context) -> Any:
        """Return the request, or a stream of requests, every one of which is checked."""
        if isinstance(request, AsyncIterable):
            return self._each(method, admitted, request, context)
        try:
            self._check(admitted, request)
        except NotAllowedError as error:
            await self._refuse(method, context, error)
        return request

    async def _each(self, method: str, admitted: Caller, requests: AsyncIterable[Any], context: Context) -> AsyncGenerator[Any]:
        async for request in requests:
            yield await self._looked_at(method, admitted, request, context)

    async def _refuse(self, method: str, context: Context, error: Exception) -> Any:
        self.refused[method] += 1
        now = time.monotonic()
        if now - self._logged >= _LOG_EVERY_S:
            self._logged = now
            LOG.warning("refused %s: %s", method, error)
        await self._end(context, error)
        raise AssertionError  # pragma: no cover - ending the call has raised


def _ended(admitted: Caller) -> IdentityError:
    return IdentityError(f"the certificate of {admitted.name} has expired: renew it and connect again")

"""One way into every method: read the request, find out who calls, bound the time, answer or refuse. Touches gRPC only.

The generated stubs would do for serving, but they answer a request that cannot be read with INTERNAL, and they serialise a
message anew for each of a hundred watchers. Handlers made here from the descriptors refuse it as INVALID_ARGUMENT, and take an
answer that is bytes already.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from orderd.domain.peers import Caller
from orderd.rpc.errors import refuse

Context = grpc.aio.ServicerContext[Any, Any]
Answer = Message | bytes
"""A message, or one that is serialised already."""
Authorise = Callable[[Context, str], Awaitable[Caller]]
"""Tells who calls a method (``/orderd.v1.HostService/Hold``), or raises NotAllowedError or IdentityError."""

UNARY_S_MAX: Final = 30.0
"""Longest time a call may take; explaining a decision asks the model a few hundred times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call.

    Attributes:
        method: its full name, ``/orderd.v1.HostService/Hold``.
        caller: who made it.
        context: of gRPC.
    """

    method: str
    caller: Caller
    context: Context

    @property
    def by(self) -> str:
        """Return the caller's name, for records."""
        return self.caller.name


class _Unreadable:
    """Stands for a request that could not be read."""


def _reader(method: MethodDescriptor) -> Callable[[bytes], object]:
    kind = GetMessageClass(method.input_type)

    def read(data: bytes) -> object:
        try:
            return kind.FromString(data)
        except DecodeError:
            return _Unreadable()

    return read


def _write(answer: Answer) -> bytes:
    return answer if isinstance(answer, bytes) else answer.SerializeToString()


def _readable(request: object, method: MethodDescriptor) -> Any:
    if isinstance(request, _Unreadable):
        msg = f"request: these bytes are no {method.input_type.full_name}: compare the client's .proto files with this orderd's"
        raise ValueError(msg)  # noqa: TRY004 - what a stranger sent, not what a program passed
    return request


class _Method:
    """Serves one method of a servicer."""

    def __init__(self, descriptor: MethodDescriptor, serve: Callable[..., Any], authorise: Authorise) -> None:
        self._descriptor = descriptor
        self._serve = serve
        self._authorise = authorise
        self.name = f"/{descriptor.containing_service.full_name}/{descriptor.name}"

    async def _call(self, context: Context) -> Call:
        return Call(method=self.name, caller=await self._authorise(context, self.name), context=context)

    async def unary(self, request: object, context: Context) -> Answer:
        """Answer one request, or a stream of them, with one message."""
        try:
            async with asyncio.timeout(UNARY_S_MAX):
                call = await self._call(context)
                return await self._serve(self._read(request), call)
        except Exception as error:  # noqa: BLE001 - a servicer must answer every call; one of the three supervision points
            await refuse(context, error)
        raise AssertionError  # pragma: no cover - refuse() has aborted the call

    async def stream(self, request: object, context: Context) -> AsyncGenerator[Answer]:
        """Answer one request with a stream of messages."""
        try:
            call = await self._call(context)
            # Closed at once when the client leaves, not whenever the collector finds it.
            async with aclosing(self._serve(self._read(request), call)) as answers:
                async for answer in answers:
                    yield answer
        except Exception as error:  # noqa: BLE001 - as above
            await refuse(context, error)

    def _read(self, request: Any) -> Any:
        if self._descriptor.client_streaming:
            return self._each(request)
        return _readable(request, self._descriptor)

    async def _each(self, requests: AsyncIterator[object]) -> AsyncGenerator[Any]:
        async for request in requests:
            yield _readable(request, self._descriptor)

    def handler(self) -> "grpc.RpcMethodHandler[Any, Any]":
        """Return what gRPC calls."""
        make, behaviour = {
            (False, False): (grpc.unary_unary_rpc_method_handler, self.unary),
            (False, True): (grpc.unary_stream_rpc_method_handler, self.stream),
            (True, False): (grpc.stream_unary_rpc_method_handler, self.unary),
            (True, True): (grpc.stream_stream_rpc_method_handler, self.stream),
        }[self._descriptor.client_streaming, self._descriptor.server_streaming]
        return make(behaviour, request_deserializer=_reader(self._descriptor), response_serializer=_write)


def service_handler(service: ServiceDescriptor, servicer: object, authorise: Authorise) -> grpc.GenericRpcHandler:
    """Return the handler of a whole service.

    Args:
        service: its descriptor; every method of it must be one of the servicer.
        servicer: has ``async def Method(self, request, call) -> Answer`` for each, an async generator where answers are streamed.
        authorise: decides for every call.
    """
    methods = {m.name: _Method(m, getattr(servicer, m.name), authorise).handler() for m in service.methods}
    return grpc.method_handlers_generic_handler(service.full_name, methods)

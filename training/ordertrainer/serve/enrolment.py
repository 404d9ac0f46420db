"""EnrolmentService: a token or a certificate in, a certificate out. Touches the authority's files."""

import asyncio
import logging
from typing import Any, Final

import grpc

from orderd.domain.peers import PeerName
from orderd.identity import gate
from orderd.v1.fleet_pb2 import EnrolRequest, EnrolResponse, RenewRequest, RenewResponse
from orderd.v1.fleet_pb2_grpc import EnrolmentServiceServicer
from ordertrainer.serve.authority import Authority, read_request
from ordertrainer.serve.tokens import JoinRefusedError, Members

LOG = logging.getLogger(__name__)

Context = grpc.aio.ServicerContext[Any, Any]
_TOKEN_MAX: Final = 200


class Enrolment(EnrolmentServiceServicer):
    """Lets members in and renews their certificates."""

    def __init__(self, authority: Authority, members: Members, lifetime_s: float) -> None:
        """Serve.

        Args:
            authority: signs.
            members: knows tokens and members.
            lifetime_s: seconds for which a certificate holds.
        """
        self._authority = authority
        self._members = members
        self._lifetime_s = lifetime_s

    async def Enrol(self, request: EnrolRequest, context: Context) -> EnrolResponse:  # noqa: N802  gRPC's name
        """Turn a token and a request into a certificate."""
        try:
            certificate, name = await asyncio.to_thread(self._enrol, request)
        except JoinRefusedError as error:
            await self._refuse(context, grpc.StatusCode.UNAUTHENTICATED, error)
        except ValueError as error:
            await self._refuse(context, grpc.StatusCode.INVALID_ARGUMENT, error)
        else:
            LOG.info("enrolment: %s joined from %s", name, context.peer())
            return EnrolResponse(certificate=certificate, authority=self._authority.pem)
        raise AssertionError  # pragma: no cover - refusing has raised

    async def Renew(self, request: RenewRequest, context: Context) -> RenewResponse:  # noqa: N802  gRPC's name
        """Issue the caller's certificate again, for another key."""
        name = PeerName.parse(gate.caller().name)
        try:
            certificate = await asyncio.to_thread(self._renew, request, name)
        except JoinRefusedError as error:
            await self._refuse(context, grpc.StatusCode.PERMISSION_DENIED, error)
        except ValueError as error:
            await self._refuse(context, grpc.StatusCode.INVALID_ARGUMENT, error)
        else:
            return RenewResponse(certificate=certificate, authority=self._authority.pem)
        raise AssertionError  # pragma: no cover - refusing has raised

    def _enrol(self, request: EnrolRequest) -> tuple[str, PeerName]:
        if not 0 < len(request.token) <= _TOKEN_MAX:
            raise ValueError("token: the secret of a join token, as orderctl sends it")
        # The request is read first: a token is not used up by a program that cannot make one.
        key = read_request(request.certificate_request)
        name, addresses = self._members.redeem(request.token, self._authority.fleet, request.host_id, self._lifetime_s)
        return self._authority.issue(key, name, addresses=addresses, lifetime_s=self._lifetime_s), name

    def _renew(self, request: RenewRequest, name: PeerName) -> str:
        key = read_request(request.certificate_request)
        addresses = self._members.renew(name, self._lifetime_s)
        return self._authority.issue(key, name, addresses=addresses, lifetime_s=self._lifetime_s)

    async def _refuse(self, context: Context, code: grpc.StatusCode, error: Exception) -> None:
        LOG.warning("enrolment: refused %s: %s", context.peer(), error)
        await context.abort(code, str(error))

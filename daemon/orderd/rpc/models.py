"""ModelService: which order model decides, and how to change it. Asks the model store."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final, Protocol

from orderd.config.schema import InferenceConfig
from orderd.domain.values import ModelInfo
from orderd.inference.client import InferenceClient
from orderd.inference.protocol import Loaded
from orderd.inference.store import ModelStore, Staging, StoreStatus
from orderd.rpc import checks
from orderd.rpc.handlers import Answer, Call
from orderd.rpc.server import Service
from orderd.v1 import host_pb2, model_pb2

PIECE_BYTES_MAX: Final = 192 << 10
_MESSAGES_MAX: Final = 4096
"""Pieces of one model; a client that sends empty ones is stopped."""


class Models(Protocol):
    """See orderd.inference.store.ModelStore."""

    def status(self) -> StoreStatus:
        """Return what is installed."""
        ...

    def stage(self) -> Staging:
        """Return an empty folder for a model that is being sent."""
        ...

    async def install(self, staging: Staging, *, validate_only: bool = False) -> Loaded:
        """Have a staged model judged and let it decide."""
        ...

    async def roll_back(self, *, validate_only: bool = False) -> Loaded:
        """Let the model before this one decide again."""
        ...


class Deciding(Protocol):
    """See orderd.inference.client.InferenceClient."""

    @property
    def info(self) -> ModelInfo:
        """Return which model answers, or why none does."""
        ...


class ModelServicer:
    """Gets, installs and rolls back the order model."""

    def __init__(self, models: Models, deciding: Deciding) -> None:
        """Serve from a store.

        Args:
            models: what is installed.
            deciding: what decides now.
        """
        self._models = models
        self._deciding = deciding

    async def GetModel(self, request: model_pb2.GetModelRequest, call: Call) -> Answer:  # noqa: N802 - named by the interface
        """Return the model that decides and those that are installed."""
        del request, call
        status = await asyncio.to_thread(self._models.status)
        info = self._deciding.info
        active = host_pb2.ModelStatus(
            loaded=info.loaded, why=info.why, version=info.version, sha256=info.sha256, provider=info.provider
        )
        installed = [
            model_pb2.InstalledModel(
                version=head.version,
                serial=head.serial,
                sha256=head.sha256,
                not_after=head.not_after,
                key_id=head.key_id,
                # What the link says is what should decide; another one steps in when that one is refused.
                active=chosen and info.loaded and (head.version, head.sha256) == (info.version, info.sha256),
            )
            for head, chosen in status.installed
        ]
        return model_pb2.GetModelResponse(active=active, installed=installed, floor=status.least)

    async def InstallModel(  # noqa: N802 - named by the interface
        self, requests: AsyncIterator[model_pb2.InstallModelRequest], call: Call
    ) -> Answer:
        """Take a model in pieces, have it judged, let it decide."""
        del call
        staging = self._models.stage()
        try:
            validate_only = await _received(requests, staging)
            loaded = await self._models.install(staging, validate_only=validate_only)
        finally:
            staging.discard()  # what was installed has been moved away by now
        return model_pb2.InstallModelResponse(model=_model(loaded, active=not validate_only))

    async def RollBackModel(self, request: model_pb2.RollBackModelRequest, call: Call) -> Answer:  # noqa: N802 - named by the interface
        """Let the model before this one decide again."""
        del call
        checks.why(request.why)
        loaded = await self._models.roll_back(validate_only=request.validate_only)
        return model_pb2.RollBackModelResponse(model=_model(loaded, active=not request.validate_only))


def model_service(config: InferenceConfig, client: InferenceClient) -> Service:
    """Return the service over this host's models, for ``serve(more=...)``.

    Args:
        config: where models are.
        client: of orderd-infer.
    """
    descriptor = model_pb2.DESCRIPTOR.services_by_name["ModelService"]
    return Service(descriptor=descriptor, servicer=ModelServicer(ModelStore(config, client), client))


async def _received(requests: AsyncIterator[model_pb2.InstallModelRequest], staging: Staging) -> bool:
    """Write all pieces; return whether the model is only to be validated."""
    count, validate_only = 0, False
    async for request in requests:
        validate_only = validate_only or (count == 0 and request.validate_only)
        count += 1
        if count > _MESSAGES_MAX or len(request.data) > PIECE_BYTES_MAX:
            raise ValueError(f"data: at most {_MESSAGES_MAX} messages of at most {PIECE_BYTES_MAX} bytes")
        staging.add(request.file, request.data)
    return validate_only


def _model(loaded: Loaded, *, active: bool) -> model_pb2.InstalledModel:
    return model_pb2.InstalledModel(
        version=loaded.version,
        serial=loaded.serial,
        sha256=loaded.sha256,
        not_after=loaded.not_after,
        key_id=loaded.key_id,
        active=active,
    )

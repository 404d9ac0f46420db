"""What a batch must be before it may become durable. Pure."""

from orderd.domain.schema import known_schema
from orderd.v1.telemetry_pb2 import PushRequest
from orderd.wire import decision_from_wire, samples_from_wire
from ordertrainer.serve.errors import BatchRefusedError, ForeignSchemaError
from ordertrainer.serve.layout import BOOT_ID_SHAPE, HOST_ID_SHAPE


def check(request: PushRequest, digest: str) -> None:
    """Refuse a batch that is not what it says it is.

    Args:
        request: what a host sent; untrusted.
        digest: the trainer's schema digest.

    Raises:
        ForeignSchemaError: the host measures a list of signals that is none of ours; an older one of ours is fine.
        BatchRefusedError: a field is missing or malformed; the message names it.
    """
    # The id becomes a folder's name, so its shape is a matter of safety.
    if HOST_ID_SHAPE.fullmatch(request.host_id) is None:
        msg = f"host_id = {request.host_id[:80]!r}: allowed are 1 to 128 of A-Z a-z 0-9 . _ - and no leading sign"
        raise BatchRefusedError(msg)
    if BOOT_ID_SHAPE.fullmatch(request.boot_id) is None:
        msg = f"boot_id = {request.boot_id[:80]!r}: allowed are 1 to 64 of A-Z a-z 0-9 _ - and no leading sign"
        raise BatchRefusedError(msg)
    if request.sequence < 1:
        msg = f"sequence = {request.sequence}: batches count from 1"
        raise BatchRefusedError(msg)
    if request.HasField("samples") and known_schema(request.samples.schema_digest) is None:
        found = request.samples.schema_digest[:64]
        raise ForeignSchemaError(f"host {request.host_id}", found=found, ours=digest)
    try:
        if request.HasField("samples"):
            samples_from_wire(request.samples)
        for decision in request.decisions:
            decision_from_wire(decision)
    except ValueError as error:
        raise BatchRefusedError(str(error)) from error

"""The manifest beside every model: what it claims to be, checked before its bytes reach a parser. Reads a model folder.

Order of checks, each refusal naming the file: the folder, manifest.json, its schema digest, model.onnx, its size, its sha256.
Whether somebody trusted signed it is ``trusted``'s question.
The bytes that were hashed are the bytes that are returned, so nothing can change between the check and the load.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from orderd.domain.schema import Schema, known_schema, schema_digest
from orderd.errors import ModelRefusedError
from orderd.trust import SIGNATURE_FILE
from orderd.trust.signature import SIGNATURE_FILE_BYTES_MAX
from orderd.trust.terms import Serial, Term

MODEL_BYTES_MAX: Final = 32 << 20
MANIFEST_BYTES_MAX: Final = 4 << 20
MODEL_FILE: Final = "model.onnx"
MANIFEST_FILE: Final = "manifest.json"
CURRENT: Final = "current"
PREVIOUS: Final = "previous"
"""Links beside installed models: the one that decides, and the one before it."""

Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
VERSION_SHAPE: Final = r"^[0-9A-Za-z][0-9A-Za-z.+-]{0,63}$"
Version = Annotated[str, Meta(pattern=VERSION_SHAPE)]


class Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the manifest's tables: frozen, unknown keys refused."""


class Tensor(Strict, frozen=True):
    """One input or output of the graph.

    Attributes:
        name: as in the graph.
        dtype: numpy's name of the element type.
        shape: numbers, or a word where the size is free.
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]


class CanaryCase(Strict, frozen=True):
    """One window and what the model must say of it; arrays are little-endian bytes, in base64 in the file.

    Attributes:
        kinds: E kind indices.
        host: f32[S,H].
        rows: f32[E,S,F].
        failure: f32[E,C] expected.
        wrong: expected.
    """

    kinds: Annotated[tuple[int, ...], Meta(min_length=1, max_length=64)]
    host: bytes
    rows: bytes
    failure: bytes
    wrong: float


class Manifest(Strict, frozen=True):
    """What a model folder says about its model.

    Attributes:
        name: ``order``.
        version: rises with every release.
        sha256: of model.onnx.
        schema_digest: of the signals, slots, kinds and failures it was trained on.
        created: UTC, ISO 8601.
        opset: of the default operator set.
        inputs: of the graph.
        outputs: of the graph.
        canary: windows with the answers torch gave.
        serial: rises with every release; 0: never signed, counts only where inference.signed = false.
        not_after: UTC, ISO 8601; empty: it does not expire.
        key_id: of the key that signed it; empty: never signed.
    """

    name: Annotated[str, Meta(pattern=r"^order$")]
    version: Version
    sha256: Sha256
    schema_digest: Sha256
    created: str
    opset: Annotated[int, Meta(ge=1, le=100)]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    canary: Annotated[tuple[CanaryCase, ...], Meta(min_length=1, max_length=32)]
    serial: Serial = 0
    not_after: Term = ""
    key_id: Annotated[str, Meta(pattern=r"^([0-9a-f]{16})?$")] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A model whose bytes are the ones its manifest names.

    Attributes:
        manifest: checked.
        model: the bytes of model.onnx.
        raw: the very bytes of manifest.json, which are what is signed; empty for one that was never written.
        signature: the bytes of manifest.sig; empty where there is none.
    """

    manifest: Manifest
    model: bytes
    raw: bytes = b""
    signature: bytes = b""

    @property
    def schema(self) -> Schema:
        """Return the columns, kinds and classes that the model knows.

        Raises:
            ModelRefusedError: its digest is none of this release's schemas.
        """
        return schema_of(self.manifest)


def schema_of(manifest: Manifest, where: str = MANIFEST_FILE) -> Schema:
    """Return the schema that a model was trained on.

    Args:
        manifest: of the model.
        where: its path, for messages.

    Raises:
        ModelRefusedError: it is none that this release knows.
    """
    schema = known_schema(manifest.schema_digest)
    if schema is None:
        msg = (
            f"{where}: schema_digest is {manifest.schema_digest[:12]}, "
            f"this orderd measures {schema_digest()[:12]}: "
            "the model was trained on other signals; install the model of this release"
        )
        raise ModelRefusedError(msg)
    return schema


def read_package(folder: Path) -> Package:
    """Read a model folder.

    Args:
        folder: holds manifest.json and model.onnx.

    Returns:
        The manifest and the very bytes that were hashed.

    Raises:
        ModelRefusedError: something is missing, too large, broken, or does not match; the message says what.
    """
    raw = _read(folder / MANIFEST_FILE, MANIFEST_BYTES_MAX)
    manifest = decode_manifest(raw, str(folder / MANIFEST_FILE))
    schema_of(manifest, str(folder / MANIFEST_FILE))
    model = _read(folder / MODEL_FILE, MODEL_BYTES_MAX)
    found = hashlib.sha256(model).hexdigest()
    if found != manifest.sha256:
        msg = (
            f"{folder / MODEL_FILE}: sha256 is {found[:12]}, the manifest says {manifest.sha256[:12]}: "
            "the file is damaged or was changed"
        )
        raise ModelRefusedError(msg)
    signature = folder / SIGNATURE_FILE
    signed = _read(signature, SIGNATURE_FILE_BYTES_MAX) if signature.exists() else b""
    return Package(manifest=manifest, model=model, raw=raw, signature=signed)


def decode_manifest(raw: bytes, where: str) -> Manifest:
    """Read manifest.json.

    Args:
        raw: the file's bytes.
        where: its path, for messages.

    Raises:
        ModelRefusedError: no JSON, or a key is missing, unknown or of another type.
    """
    try:
        return msgspec.json.decode(raw, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        msg = f"{where}: not a model manifest: {error}"
        raise ModelRefusedError(msg) from error


def _read(path: Path, bytes_max: int) -> bytes:
    try:
        # A fifo or device in the model's place must not block or feed the program that serves.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            raw = file.read(bytes_max + 1)
    except OSError as error:
        msg = f"{path}: {error.strerror}; rules decide until a model is installed"
        raise ModelRefusedError(msg) from error
    if not raw or len(raw) > bytes_max:
        size = f"more than {bytes_max}" if raw else "0"
        msg = f"{path}: {size} bytes; allowed are 1 to {bytes_max}"
        raise ModelRefusedError(msg)
    return raw

"""Small order models made by hand, good and broken, and a host that asks for signatures; for tests. Writes model folders."""

import hashlib
import os
from pathlib import Path
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import msgspec
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from orderd.config.schema import InferenceConfig
from orderd.domain.faults import FAILURES, KINDS
from orderd.domain.schema import CURRENT, schema_digest
from orderd.domain.signals import ENTITY_SIGNALS, HOST_SIGNALS, SLOT_AGES_S
from orderd.inference.graph import inputs, outputs
from orderd.inference.manifest import CanaryCase, Manifest, Package
from orderd.packaging.signing import ensure_keys, public_half, sign_model

SLOTS, CLASSES = len(SLOT_AGES_S), len(FAILURES)
DTYPES = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64, "bool": TensorProto.BOOL}


def _value(tensor: Any) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(tensor.name, DTYPES[tensor.dtype], list(tensor.shape))


def tiny_graph(sure: float = 4.0) -> onnx.ModelProto:
    """Return a model that calls every entity ok, as sure as asked, and gives 0.5 for a host of zeros."""
    table = np.zeros((len(KINDS), CLASSES), np.float32)
    table[:, 0] = sure
    nodes = [
        helper.make_node("Gather", ["table", "kind"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["failure"], axis=-1),
        helper.make_node("IsNaN", ["host"], ["missing"]),
        helper.make_node("Where", ["missing", "zero", "host"], ["filled"]),
        helper.make_node("ReduceMean", ["filled", "axes"], ["mean"], keepdims=0),
        helper.make_node("Sigmoid", ["mean"], ["wrong"]),
    ]
    constants = {"table": table, "zero": np.float32(0.0), "axes": np.array([1, 2], np.int64)}
    graph = helper.make_graph(
        nodes,
        "tiny",
        [_value(tensor) for tensor in inputs(CURRENT)],
        [_value(tensor) for tensor in outputs(CURRENT)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def canary_of(sure: float = 4.0) -> CanaryCase:
    """Return what the tiny model says of two services on a host of zeros."""
    odds = np.exp(np.array([sure] + [0.0] * (CLASSES - 1)))
    failure = np.tile((odds / odds.sum()).astype(np.float32), (2, 1))
    return CanaryCase(
        kinds=(0, 1),
        host=np.zeros((SLOTS, len(HOST_SIGNALS)), np.float32).tobytes(),
        rows=np.zeros((2, SLOTS, len(ENTITY_SIGNALS)), np.float32).tobytes(),
        failure=failure.tobytes(),
        wrong=0.5,
    )


def package_of(model: onnx.ModelProto | bytes, **changes: Any) -> Package:
    """Return a model with a manifest that matches its bytes, apart from the named changes."""
    raw = model if isinstance(model, bytes) else model.SerializeToString()
    fields: dict[str, Any] = {
        "name": "order",
        "version": "0.0.1",
        "sha256": hashlib.sha256(raw).hexdigest(),
        "schema_digest": schema_digest(),
        "created": "2026-11-21T00:00:00Z",
        "opset": 18,
        "inputs": inputs(CURRENT),
        "outputs": outputs(CURRENT),
        "canary": (canary_of(),),
    }
    return Package(manifest=Manifest(**(fields | changes)), model=raw)


def write_package(folder: Path, package: Package) -> Path:
    """Write a model folder as the exporter does."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_bytes(msgspec.json.encode(package.manifest))
    (folder / "model.onnx").write_bytes(package.model)
    return folder


class SignedHost:
    """A host that asks for signatures, and the owner who signs for it.

    Attributes:
        model_dir: the packaged model, serial 10.
        extra: lines of [inference] for ``start_infer``.
        config: the same, for orderd's side.
    """

    def __init__(self, root: Path) -> None:
        """Make keys, trust folder and a packaged model."""
        self.root = root
        self.key, self.playbooks_key = ensure_keys(root / "keys")
        (root / "trust").mkdir()
        (root / "trust" / "owner.pem").write_bytes(public_half(self.key))
        self.model_dir = self.release(root / "packaged", serial=10)
        paths = {"trust_dir": root / "trust", "floor": root / "state" / "floor.json"}
        self.extra = "".join(f'{name} = "{path}"\n' for name, path in paths.items())
        self.installed = root / "installed"
        self.config = InferenceConfig(
            socket=str(root / "run" / "infer.sock"),
            model_dir=str(self.model_dir),
            installed_dir=str(self.installed),
            timeout_s=2.0,
            **{name: str(path) for name, path in paths.items()},
        )

    def release(self, folder: Path, *, serial: int, sure: float = 4.0, key: Path | None = None, days: float = 0.0) -> Path:
        """Write a model folder and sign it."""
        package = package_of(tiny_graph(sure), version=f"0.0.{serial}", canary=(canary_of(sure),))
        write_package(folder, package)
        sign_model(folder, key or self.key, serial=serial, days=days)
        return folder

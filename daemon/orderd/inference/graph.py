"""What a graph may contain before onnxruntime is allowed to see it. Parses with ``onnx``; only in a throwaway process.

A model loaded from bytes resolves external data against the working directory, which systemd sets to ``/``: external tensors
are refused anywhere in the file. Operators are allowed by name: arithmetic and reshaping, no control flow, no custom domains.
"""

from collections.abc import Iterator
from typing import Final

import onnx
from google.protobuf.message import DecodeError

from orderd.domain.schema import Schema
from orderd.domain.signals import SLOT_AGES_S
from orderd.errors import ModelRefusedError
from orderd.inference.manifest import Manifest, Tensor, schema_of

OPSET_MIN: Final = 17
OPSET_MAX: Final = 22
NODES_MAX: Final = 5000

_ELEMENTWISE: Final = (
    "Abs Add Asinh Clip Cos Div Erf Exp Gelu Identity LeakyRelu Log Max Min Mul Neg Pow Reciprocal Relu Sigmoid "
    "Sign Sin Sqrt Sub Tanh"
)
_COMPARING: Final = "And Equal Greater GreaterOrEqual IsInf IsNaN Less LessOrEqual Not Or Where"
_FOLDING: Final = "Conv Gemm LayerNormalization MatMul ReduceMax ReduceMean ReduceMin ReduceSum Softmax"
_SHAPING: Final = (
    "Cast Concat Constant ConstantOfShape Expand Flatten Gather GatherElements GatherND Pad Range Reshape Shape "
    "Slice Split Squeeze Transpose Unsqueeze"
)

OPERATORS: Final = frozenset(f"{_ELEMENTWISE} {_COMPARING} {_FOLDING} {_SHAPING}".split())
"""Operators a model may use, default domain only."""

_SLOTS: Final = len(SLOT_AGES_S)

_DTYPES: Final[dict[int, str]] = {
    onnx.TensorProto.FLOAT: "float32",
    onnx.TensorProto.INT64: "int64",
    onnx.TensorProto.BOOL: "bool",
}


def inputs(schema: Schema) -> tuple[Tensor, ...]:
    """Return what an order model of a schema takes; ``present`` is false for padding."""
    return (
        Tensor(name="host", dtype="float32", shape=("batch", _SLOTS, schema.host)),
        Tensor(name="entities", dtype="float32", shape=("batch", "entity", _SLOTS, schema.entity)),
        Tensor(name="kind", dtype="int64", shape=("batch", "entity")),
        Tensor(name="present", dtype="bool", shape=("batch", "entity")),
    )


def outputs(schema: Schema) -> tuple[Tensor, ...]:
    """Return what an order model of a schema gives."""
    return (
        Tensor(name="failure", dtype="float32", shape=("batch", "entity", schema.failures)),
        Tensor(name="wrong", dtype="float32", shape=("batch",)),
    )


def check_graph(model: bytes, manifest: Manifest) -> None:
    """Refuse a graph that could do more than arithmetic, or other arithmetic than the manifest says.

    Args:
        model: bytes of model.onnx.
        manifest: what it claims.

    Raises:
        ModelRefusedError: the first check that failed, by name.
    """
    proto = _parse(model)
    _check_opset(proto, manifest)
    _check_tensors(proto)
    _check_operators(proto)
    schema = schema_of(manifest)
    _check_io("input", tuple(_tensor(value) for value in proto.graph.input), inputs(schema), manifest.inputs)
    _check_io("output", tuple(_tensor(value) for value in proto.graph.output), outputs(schema), manifest.outputs)


def _parse(model: bytes) -> onnx.ModelProto:
    try:
        proto = onnx.load_model_from_string(model)
    except DecodeError as error:
        msg = f"onnx: not a model ({error})"
        raise ModelRefusedError(msg) from error
    if proto.functions or proto.training_info or proto.graph.sparse_initializer:
        msg = "onnx: functions, training info and sparse initialisers are not allowed"
        raise ModelRefusedError(msg)
    if len(proto.graph.node) > NODES_MAX:
        msg = f"onnx: {len(proto.graph.node)} nodes; at most {NODES_MAX}"
        raise ModelRefusedError(msg)
    return proto


def _check_opset(proto: onnx.ModelProto, manifest: Manifest) -> None:
    opsets = {entry.domain: entry.version for entry in proto.opset_import}
    version = opsets.get("", 0)
    if set(opsets) != {""} or not OPSET_MIN <= version <= OPSET_MAX or version != manifest.opset:
        msg = (
            f"opset: {opsets}; the manifest says {manifest.opset}, allowed is the default domain from {OPSET_MIN} to {OPSET_MAX}"
        )
        raise ModelRefusedError(msg)


def _check_tensors(proto: onnx.ModelProto) -> None:
    for tensor in _tensors(proto.graph):
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            msg = f"external data: tensor {tensor.name!r} lives in another file; export with the weights inside"
            raise ModelRefusedError(msg)


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)


def _check_operators(proto: onnx.ModelProto) -> None:
    for node in proto.graph.node:
        if node.domain not in {"", "ai.onnx"} or node.op_type not in OPERATORS:
            name = f"{node.domain}.{node.op_type}".lstrip(".")
            msg = f"operator: {name} is not allowed"
            raise ModelRefusedError(msg)
        if any(a.HasField("g") or a.graphs or a.HasField("sparse_tensor") or a.sparse_tensors for a in node.attribute):
            msg = f"operator: {node.op_type} carries a graph of its own"
            raise ModelRefusedError(msg)


def _tensor(value: onnx.ValueInfoProto) -> Tensor:
    kind = value.type.tensor_type
    shape = tuple(d.dim_param or "?" if d.WhichOneof("value") != "dim_value" else d.dim_value for d in kind.shape.dim)
    return Tensor(name=value.name, dtype=_DTYPES.get(kind.elem_type, f"type {kind.elem_type}"), shape=shape)


def _check_io(what: str, found: tuple[Tensor, ...], expected: tuple[Tensor, ...], claimed: tuple[Tensor, ...]) -> None:
    """Compare names, types and fixed sizes; a free size may have any name."""
    if _fixed(found) != _fixed(expected) or _fixed(claimed) != _fixed(expected):
        msg = f"{what}s: the graph has {_describe(found)}, the manifest {_describe(claimed)}; expected {_describe(expected)}"
        raise ModelRefusedError(msg)


def _fixed(tensors: tuple[Tensor, ...]) -> list[tuple[str, str, tuple[int, ...]]]:
    return [(t.name, t.dtype, tuple(d if isinstance(d, int) else -1 for d in t.shape)) for t in tensors]


def _describe(tensors: tuple[Tensor, ...]) -> str:
    return ", ".join(f"{t.name} {t.dtype}{list(t.shape)}" for t in tensors)

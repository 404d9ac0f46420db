"""Bad models of every kind, made from a good one with a seed; where the graph is the point, they are properly signed."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from orderd.inference.manifest import MODEL_BYTES_MAX
from orderd.trust import Purpose, encode_signature
from orderd.trust.keys import make_pair
from orderd.trust.sign import sign
from toymodels import SignedHost, canary_of, package_of, tiny_graph, write_package

SERIAL = 100
Make = Callable[["Maker"], None]


class Maker:
    """Makes one bad model after the other in one folder.

    Attributes:
        host: whose keys sign, and whose installed models the folder lies among.
        rng: draws what is broken.
        folder: where the model is.
    """

    def __init__(self, host: SignedHost, seed: int) -> None:
        self.host = host
        self.rng = random.Random(seed)
        self.folder = host.installed / "mutant"
        self.stranger = host.root / "stranger" / "models.pem"
        make_pair(self.stranger)

    def good(self, **changes: object) -> None:
        """Write and sign a good model."""
        options = {"serial": SERIAL} | changes
        self.host.release(self.folder, **options)

    def signed(self, model: onnx.ModelProto | bytes, **changes: object) -> None:
        """Write a model with a manifest that fits its bytes, and sign it with the right key."""
        write_package(self.folder, package_of(model, version="6.6.6", serial=SERIAL, **changes))
        raw = (self.folder / "manifest.json").read_bytes()
        (self.folder / "manifest.sig").write_bytes(encode_signature(sign(raw, self.host.key, Purpose.MODEL)))

    def change(self, name: str, how: Callable[[bytearray], bytes | bytearray]) -> None:
        """Change one file of a good model."""
        self.good()
        file = self.folder / name
        file.write_bytes(how(bytearray(file.read_bytes())))

    def cut(self, raw: bytearray) -> bytearray:
        """Cut somewhere."""
        return raw[: self.rng.randrange(len(raw))]

    def flip(self, raw: bytearray) -> bytearray:
        """Flip one bit."""
        raw[self.rng.randrange(len(raw))] ^= 1 << self.rng.randrange(8)
        return raw


def _with_node(node: onnx.NodeProto, domain: str = "") -> onnx.ModelProto:
    model = tiny_graph()
    model.graph.node.append(node)
    if domain:
        model.opset_import.append(helper.make_opsetid(domain, 1))
    return model


def _body() -> onnx.GraphProto:
    condition = helper.make_tensor_value_info("c", TensorProto.BOOL, [])
    number = helper.make_tensor_value_info("i", TensorProto.INT64, [])
    out = helper.make_tensor_value_info("d", TensorProto.BOOL, [])
    return helper.make_graph([helper.make_node("Identity", ["c"], ["d"])], "body", [number, condition], [out])


def _loop(make: Maker) -> None:
    node = helper.make_node("Loop", ["", "present"], [], body=_body())
    branch = helper.make_node("If", ["present"], [], then_branch=_body(), else_branch=_body())
    scan = helper.make_node("Scan", ["host"], [], body=_body(), num_scan_inputs=1)
    make.signed(_with_node(make.rng.choice((node, branch, scan))))


def _operator(make: Maker) -> None:
    names = ("RandomNormal", "RandomUniform", "Multinomial", "Bernoulli", "LSTM", "GRU", "Einsum", "SequenceEmpty", "Optional")
    evil = helper.make_node("Evil", ["host"], ["r"], domain="com.example")
    plain = helper.make_node(make.rng.choice(names), [], ["r"])
    make.signed(_with_node(evil, "com.example") if make.rng.random() < 0.3 else _with_node(plain))


def _external(make: Maker) -> None:
    model = tiny_graph()
    tensor = make.rng.choice(list(model.graph.initializer))
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    place = make.rng.choice(("etc/shadow", "/etc/shadow", "../../etc/passwd", "proc/self/environ", "model.onnx"))
    tensor.external_data.add(key="location", value=place)
    make.signed(model)


def _weights(make: Maker) -> None:
    model = tiny_graph()
    table = numpy_helper.to_array(model.graph.initializer[0]).copy()
    table[make.rng.randrange(len(table)) if make.rng.random() < 0.3 else slice(None)] = make.rng.choice((np.nan, np.inf, -np.inf))
    table[:2] = np.nan  # the canary asks about kinds 0 and 1
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(table, "table"))
    make.signed(model)


def _shapes(make: Maker) -> None:
    model = tiny_graph()
    value = make.rng.choice([*model.graph.input, *model.graph.output])
    dims = value.type.tensor_type.shape.dim
    if make.rng.random() < 0.5 and len(dims):
        del dims[-1]
    else:
        value.name += "x"
    make.signed(model)


def _canary(make: Maker) -> None:
    """Other answers than the manifest says, or answers that are no distribution."""
    if make.rng.random() < 0.5:
        make.signed(tiny_graph(make.rng.uniform(5, 9)))
        return
    model = tiny_graph()
    model.graph.node[1].CopyFrom(helper.make_node("Sigmoid", ["logits"], ["failure"]))
    make.signed(model)


def _noise(make: Maker) -> None:
    make.signed(make.rng.randbytes(make.rng.randrange(1, 60_000)))


def _greedy(make: Maker) -> None:
    """A small file that wants terabytes, or has more nodes than anybody needs."""
    model = tiny_graph()
    if make.rng.random() < 0.5:
        model.graph.initializer.append(numpy_helper.from_array(np.array([1 << 40], np.int64), "shape"))
        model.graph.node.insert(0, helper.make_node("ConstantOfShape", ["shape"], ["vast"]))
        model.graph.node.insert(1, helper.make_node("ReduceMax", ["vast"], ["most"], keepdims=0))
        model.graph.node[4].CopyFrom(helper.make_node("Add", ["host", "most"], ["missing"]))
    else:
        model.graph.node.extend(helper.make_node("Identity", ["host"], [f"n{i}"]) for i in range(6000))
    make.signed(model)


def _huge(make: Maker) -> None:
    make.good()
    with (make.folder / make.rng.choice(("model.onnx", "manifest.json", "manifest.sig"))).open("r+b") as file:
        file.truncate(MODEL_BYTES_MAX + 1 + make.rng.randrange(1000))


def _opset(make: Maker) -> None:
    model = tiny_graph()
    model.opset_import[0].version = make.rng.choice((1, 9, 16, 23, 99))
    make.signed(model, opset=model.opset_import[0].version)


def _schema(make: Maker) -> None:
    make.signed(tiny_graph(), schema_digest=make.rng.randbytes(32).hex())


def _unsigned(make: Maker) -> None:
    make.good()
    (make.folder / "manifest.sig").unlink()


def _stranger(make: Maker) -> None:
    make.good(key=make.rng.choice((make.stranger, make.host.playbooks_key)))


def _unserial(make: Maker) -> None:
    """The manifest claims a higher serial than was signed."""
    make.good()
    file = make.folder / "manifest.json"
    raw = msgspec.json.decode(file.read_bytes()) | {"serial": SERIAL + 1 + make.rng.randrange(1000)}
    file.write_bytes(msgspec.json.encode(raw))


def _crossed(make: Maker) -> None:
    """Manifest and signature of one good model, bytes of another."""
    other = package_of(tiny_graph(2.0), canary=(canary_of(2.0),)).model
    make.change("model.onnx", lambda _raw: other)


KINDS: dict[str, tuple[int, Make]] = {
    "cut model": (50, lambda m: m.change("model.onnx", m.cut)),
    "cut manifest": (30, lambda m: m.change("manifest.json", m.cut)),
    "cut signature": (20, lambda m: m.change("manifest.sig", m.cut)),
    "flipped bit in the model": (110, lambda m: m.change("model.onnx", m.flip)),
    "flipped bit in the manifest": (60, lambda m: m.change("manifest.json", m.flip)),
    "flipped bit in the signature": (30, lambda m: m.change("manifest.sig", m.flip)),
    "bytes of another model": (10, _crossed),
    "unsigned": (15, _unsigned),
    "signed by another key": (20, _stranger),
    "older serial": (20, lambda m: m.good(serial=m.rng.randrange(1, 50))),
    "serial raised by hand": (10, _unserial),
    "expired": (15, lambda m: m.good(days=-m.rng.uniform(0.1, 19.0))),
    "wrong schema": (10, _schema),
    "huge": (8, _huge),
    "external data": (12, _external),
    "forbidden operator": (14, _operator),
    "loop or branch": (12, _loop),
    "weights that are no numbers": (12, _weights),
    "wrong shapes": (14, _shapes),
    "other answers than promised": (12, _canary),
    "noise": (6, _noise),
    "wants everything": (6, _greedy),
    "other operator set": (4, _opset),
}
"""Kind -> how many of 500, and how one is made."""


def mutants(host: SignedHost, seed: int, factor: int = 1) -> Iterator[tuple[str, str]]:
    """Make one bad model after the other; yield its kind and its folder, which holds it until the next is asked for."""
    make = Maker(host, seed)
    plan = [kind for kind, (count, _) in KINDS.items() for _ in range(count * factor)]
    make.rng.shuffle(plan)
    for kind in plan:
        _empty(make.folder)
        KINDS[kind][1](make)
        yield kind, make.folder.name


def _empty(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.iterdir():
        file.unlink()


__all__ = ["KINDS", "SERIAL", "mutants"]

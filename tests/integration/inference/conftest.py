"""Small order models made by hand, good and broken, and a running orderd-infer."""

import hashlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import msgspec
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from orderd.config.schema import InferenceConfig
from orderd.domain.clock import Instant
from orderd.domain.faults import FAILURES, KINDS, Entity, EntityKind
from orderd.domain.signals import ENTITY_SIGNALS, HOST_SIGNALS, SLOT_AGES_S, schema_digest
from orderd.domain.values import EntityRow, Sample, entity_values
from orderd.domain.window import History, Window
from orderd.inference.graph import INPUTS, OUTPUTS
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
        [_value(tensor) for tensor in INPUTS],
        [_value(tensor) for tensor in OUTPUTS],
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
        "inputs": INPUTS,
        "outputs": OUTPUTS,
        "canary": (canary_of(),),
    }
    return Package(manifest=Manifest(**(fields | changes)), model=raw)


def write_package(folder: Path, package: Package) -> Path:
    """Write a model folder as the exporter does."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_bytes(msgspec.json.encode(package.manifest))
    (folder / "model.onnx").write_bytes(package.model)
    return folder


@pytest.fixture
def models() -> SimpleNamespace:
    """Return makers of small models."""
    return SimpleNamespace(graph=tiny_graph, canary=canary_of, package=package_of, write=write_package)


@pytest.fixture
def window() -> Window:
    """Return a window of three entities with most signals missing."""
    keys = ((EntityKind.UNIT, "nginx.service"), (EntityKind.MOUNT, "/"), (EntityKind.CLOCK, "system"))
    rows = tuple(EntityRow(entity=Entity(kind=kind, key=key), values=entity_values()) for kind, key in keys)
    at = Instant(mono_ns=1_000_000_000, utc_ns=1)
    return History().add(Sample(at=at, cause="timer", host=(0.0,) * len(HOST_SIGNALS), entities=rows))


@dataclass
class Infer:
    """A running orderd-infer."""

    process: "subprocess.Popen[bytes]"
    socket: Path
    model_dir: Path

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it."""
        self.process.send_signal(number)

    def pss_bytes(self) -> int:
        """Return the memory that is its share."""
        rollup = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text(encoding="ascii")
        return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) * 1024


@pytest.fixture
def start_infer(tmp_path: Path) -> Iterator[Callable[..., Infer]]:
    """Return a starter of orderd-infer; it is stopped when the test ends."""
    started: list[Infer] = []

    def start(model_dir: Path, *, passed: socket.socket | None = None, extra: str = "signed = false\n") -> Infer:
        path = tmp_path / "run" / "infer.sock"
        config = tmp_path / "orderd.toml"
        text = f'[inference]\nsocket = "{path}"\nmodel_dir = "{model_dir}"\ninstalled_dir = "{tmp_path / "installed"}"\n{extra}'
        config.write_text(text, encoding="utf-8")
        command = [sys.executable, "-m", "orderd.inference", "--config", str(config)]
        process = _spawn(command, passed) if passed else subprocess.Popen(command)
        started.append(Infer(process=process, socket=path, model_dir=model_dir))
        return started[-1]

    yield start
    for infer in started:
        infer.process.send_signal(signal.SIGCONT)
        infer.process.terminate()
        infer.process.wait(10)


_AS_SYSTEMD = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
os.execv(sys.argv[2], sys.argv[2:])
"""


def _spawn(command: list[str], passed: socket.socket) -> "subprocess.Popen[bytes]":
    """Start it the way systemd does with a socket: descriptor 3, LISTEN_PID its own."""
    launcher = [sys.executable, "-c", _AS_SYSTEMD, str(passed.fileno()), *command]
    return subprocess.Popen(launcher, pass_fds=(passed.fileno(),))


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


@pytest.fixture
def host(tmp_path: Path) -> SignedHost:
    """Return a host that asks for signatures, with a packaged model of serial 10."""
    return SignedHost(tmp_path)

"""The PyTorch module as one ONNX file, and how closely onnxruntime repeats it. Imports torch; runs both engines.

Axes: B window, E entity, S slot, H host signal, F entity signal, C failure class.
"""

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
import onnx
import torch

from orderd.domain.faults import FAILURES, KINDS
from orderd.domain.schema import CURRENT
from orderd.domain.signals import ENTITY_SIGNALS, HOST_SIGNALS, SLOT_AGES_S
from orderd.inference.graph import inputs, outputs
from orderd.inference.manifest import CanaryCase
from ordertrainer.nets.order import OrderNet

OPSET: Final = 18
_MISSING_RATIO: Final = 0.2

Inputs = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One window in arrays.

    Attributes:
        kinds: [E] int64.
        host: [S, H] float32.
        rows: [E, S, F] float32.
    """

    kinds: np.ndarray
    host: np.ndarray
    rows: np.ndarray

    def batch(self) -> Inputs:
        """Return it as a batch of one without padding."""
        entities = len(self.kinds)
        return (
            torch.from_numpy(self.host)[None],
            torch.from_numpy(self.rows)[None],
            torch.from_numpy(self.kinds)[None],
            torch.ones(1, entities, dtype=torch.bool),
        )


def random_cases(net: OrderNet, seed: int, sizes: tuple[int, ...] = (1, 5, 16)) -> tuple[Case, ...]:
    """Draw windows of the size training data has, with missing values.

    Args:
        net: its normaliser says how large each signal is.
        seed: of the draw.
        sizes: E of each window.
    """
    rng = np.random.default_rng(seed)
    return tuple(_random_case(net, rng, entities) for entities in sizes)


def _random_case(net: OrderNet, rng: np.random.Generator, entities: int) -> Case:
    slots = len(SLOT_AGES_S)
    return Case(
        kinds=rng.integers(0, len(KINDS), entities),
        host=_like_data(rng, (slots, len(HOST_SIGNALS)), net.host.normaliser.gain.numpy()),
        rows=_like_data(rng, (entities, slots, len(ENTITY_SIGNALS)), net.entity.normaliser.gain.numpy()),
    )


def _like_data(rng: np.random.Generator, shape: tuple[int, ...], gain: np.ndarray) -> np.ndarray:
    values = (np.abs(rng.normal(size=shape)) / gain).astype(np.float32)
    values[rng.random(shape) < _MISSING_RATIO] = np.nan
    return values


def to_onnx(net: OrderNet) -> bytes:
    """Return the module as one ONNX file with its weights inside.

    Args:
        net: the module; it is put into evaluation mode.
    """
    net.eval()
    batch, entity = torch.export.Dim("batch"), torch.export.Dim("entity")
    both = {0: batch, 1: entity}
    example = _pad(random_cases(net, 0, (5, 3)))
    with _quiet():
        program = torch.onnx.export(
            net,
            example,
            dynamo=True,
            opset_version=OPSET,
            input_names=[tensor.name for tensor in inputs(CURRENT)],
            output_names=[tensor.name for tensor in outputs(CURRENT)],
            dynamic_shapes={"host": {0: batch}, "entities": both, "kind": both, "present": both},
            verbose=False,
        )
    assert program is not None
    file = io.BytesIO()
    program.save(file)
    return _without_traces(file.getvalue())


def _without_traces(raw: bytes) -> bytes:
    """Drop what the exporter notes for its own debugging: stack traces, with the paths of the machine that trained."""
    model = onnx.load_from_string(raw)
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""
    return model.SerializeToString()


@contextmanager
def _quiet() -> Iterator[None]:
    """Torch's exporter warns about its own deprecations and about torchvision, which this project does not use."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logger.setLevel(level)


def _pad(cases: tuple[Case, ...]) -> Inputs:
    """Batch windows of different sizes; padding is zeros with ``present`` false."""
    most = max(len(case.kinds) for case in cases)
    parts = [case.batch() for case in cases]
    short = [most - part[1].shape[1] for part in parts]
    return (
        torch.cat([part[0] for part in parts]),
        torch.cat([torch.nn.functional.pad(part[1], (0, 0, 0, 0, 0, n)) for part, n in zip(parts, short, strict=True)]),
        torch.cat([torch.nn.functional.pad(part[2], (0, n)) for part, n in zip(parts, short, strict=True)]),
        torch.cat([torch.nn.functional.pad(part[3], (0, n)) for part, n in zip(parts, short, strict=True)]),
    )


def canary(net: OrderNet, cases: tuple[Case, ...]) -> tuple[CanaryCase, ...]:
    """Return windows with torch's answers, for the manifest; whoever loads the graph must repeat them."""
    return tuple(_canary_case(net, case) for case in cases)


def _canary_case(net: OrderNet, case: Case) -> CanaryCase:
    net.eval()
    with torch.no_grad():
        failure, wrong = net(*case.batch())
    return CanaryCase(
        kinds=tuple(int(kind) for kind in case.kinds),
        host=case.host.tobytes(),
        rows=case.rows.tobytes(),
        failure=failure.numpy().astype(np.float32).tobytes(),
        wrong=float(wrong[0]),
    )


def parity(case: CanaryCase, failure: np.ndarray, wrong: float) -> float:
    """Return the largest absolute difference between torch's answer and another engine's.

    Args:
        case: torch's answer.
        failure: [E, C], the other engine's.
        wrong: the other engine's.
    """
    expected = np.frombuffer(case.failure, np.float32).reshape(len(case.kinds), len(FAILURES))
    return max(float(np.abs(failure - expected).max()), abs(wrong - case.wrong))

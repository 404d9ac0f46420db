"""One loaded order model. The only importer of onnxruntime. Touches the CPU or the GPU; reads no file.

Which provider runs is read back from the session: the wheel lists CUDA also where it cannot run it. One thread, no spinning and
no arena: at one window a second, all three only cost idle CPU and memory.

References:
    onnxruntime documentation, "Thread management" (allow_spinning) and "Memory consumption" (enable_cpu_mem_arena).
"""

import os
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

# onnxruntime writes a database under ~/.cache and uploads it unless this is set before the import.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from orderd.domain.schema import CURRENT, Schema
from orderd.domain.signals import SLOT_AGES_S
from orderd.errors import InferenceError, ModelRefusedError
from orderd.inference.manifest import CanaryCase, Manifest, Package
from orderd.inference.protocol import check_kinds

CANARY_TOLERANCE: Final = 1e-4
_SUM_TOLERANCE: Final = 1e-3
_ERRORS_ONLY: Final = 3
_SLOTS: Final = len(SLOT_AGES_S)
_NVIDIA_DEVICE: Final = Path("/dev/nvidiactl")

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One window in some schema.

    Attributes:
        kinds: i64[E].
        host: f32[S,H].
        rows: f32[E,S,F].
    """

    kinds: NDArray[np.int64]
    host: Floats
    rows: Floats

    @classmethod
    def read(cls, schema: Schema, kinds: bytes, host: bytes, rows: bytes) -> Self:
        """Read one from bytes.

        Raises:
            ValueError: their lengths do not fit the schema.
        """
        return cls(
            kinds=np.frombuffer(kinds, np.int64),
            host=np.frombuffer(host, np.float32).reshape(_SLOTS, schema.host),
            rows=np.frombuffer(rows, np.float32).reshape(-1, _SLOTS, schema.entity),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the model said of one window.

    Attributes:
        failure: [E, C] probabilities.
        wrong: P(anything wrong).
    """

    failure: Floats
    wrong: float


class Model:
    """A model that passed its canary and answers."""

    def __init__(self, package: Package, *, provider: str) -> None:
        """Load it and prove that it answers as its manifest says.

        Args:
            package: bytes that passed admission.
            provider: ``auto``, ``cuda`` or ``cpu``, as in orderd.toml.

        Raises:
            ModelRefusedError: onnxruntime cannot load it, or the canary answers differ.
        """
        self.manifest: Manifest = package.manifest
        self._schema = package.schema
        self._session = _open_session(package.model, provider)
        self.provider: str = self._session.get_providers()[0]
        for number, case in enumerate(package.manifest.canary):
            self._prove(number, case)

    def classify(self, kinds: bytes, host: bytes, rows: bytes) -> Answer:
        """Run one window.

        Args:
            kinds: i64[E].
            host: f32[S,H], NaN where missing.
            rows: f32[E,S,F], NaN where missing.

        Raises:
            InferenceError: a kind index is unknown, or the model's answer is no probability.
        """
        check_kinds(array("q", kinds))
        view, own = View.read(CURRENT, kinds, host, rows), self._schema
        if own == CURRENT:
            return self._answer(view)
        known = view.kinds < own.kinds
        answer = self._answer(
            View(kinds=view.kinds[known], host=view.host[:, : own.host], rows=view.rows[known][:, :, : own.entity])
        )
        # What the model was never shown is in order as far as it can say; the rules say the rest.
        failure = np.zeros((len(view.kinds), CURRENT.failures), np.float32)
        failure[~known, 0] = 1.0
        failure[known, : own.failures] = answer.failure
        return Answer(failure=failure, wrong=answer.wrong)

    def _answer(self, view: View) -> Answer:
        """Run one window of the model's own schema."""
        answer = self._run(_inputs(view))
        _check_answer(answer)
        return answer

    def _run(self, inputs: dict[str, NDArray[Any]]) -> Answer:
        try:
            failure, wrong = self._session.run(["failure", "wrong"], inputs)
        except Exception as error:  # onnxruntime's exceptions share no base class
            msg = f"onnxruntime: {error}"
            raise InferenceError(msg) from error
        present = int(inputs["present"].sum())
        return Answer(failure=np.asarray(failure, np.float32)[0, :present], wrong=float(np.asarray(wrong, np.float32)[0]))

    def _prove(self, number: int, case: CanaryCase) -> None:
        try:
            view = View.read(self._schema, array("q", case.kinds).tobytes(), case.host, case.rows)
            answer = self._answer(view)
            expected = np.frombuffer(case.failure, np.float32).reshape(len(case.kinds), self._schema.failures)
        except (InferenceError, ValueError) as error:
            msg = f"canary {number}: {error}"
            raise ModelRefusedError(msg) from error
        gap = max(float(np.abs(answer.failure - expected).max()), abs(answer.wrong - case.wrong))
        if not gap <= CANARY_TOLERANCE:
            msg = f"canary {number}: the answer differs from the manifest by {gap:.2g}; allowed is {CANARY_TOLERANCE:g}"
            raise ModelRefusedError(msg)


def _inputs(view: View) -> dict[str, NDArray[Any]]:
    """Shape one window as a batch of one; a host without entities gets one that is absent, since graphs dislike empty axes."""
    entities, kinds, rows = len(view.kinds), view.kinds, view.rows
    if not entities:
        kinds, rows = np.zeros(1, np.int64), np.zeros((1, *view.rows.shape[1:]), np.float32)
    return {
        "host": np.ascontiguousarray(view.host)[np.newaxis],
        "entities": np.ascontiguousarray(rows)[np.newaxis],
        "kind": kinds[np.newaxis],
        "present": np.full((1, len(kinds)), bool(entities)),
    }


def _check_answer(answer: Answer) -> None:
    if not np.isfinite(answer.failure).all() or not np.isfinite(answer.wrong):
        msg = "the model answered NaN or infinity"
        raise InferenceError(msg)
    if answer.failure.size and not np.abs(answer.failure.sum(axis=-1) - 1.0).max() <= _SUM_TOLERANCE:
        msg = "the model's failure probabilities do not sum to 1"
        raise InferenceError(msg)
    if not 0.0 <= answer.wrong <= 1.0:
        msg = f"the model's P(anything wrong) is {answer.wrong:g}"
        raise InferenceError(msg)


def _open_session(model: bytes, provider: str) -> ort.InferenceSession:
    try:
        return ort.InferenceSession(model, _options(), providers=_providers(provider))
    except Exception as error:  # onnxruntime's exceptions share no base class
        msg = f"onnxruntime refused it: {error}"
        raise ModelRefusedError(msg) from error


def _options() -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.log_severity_level = _ERRORS_ONLY
    return options


def _providers(provider: str) -> list[Any]:
    """Ask for CUDA only where a driver is: without one, onnxruntime maps a 280 MB library only to print errors."""
    wanted = provider == "cuda" or (provider == "auto" and _NVIDIA_DEVICE.exists())
    if not wanted or "CUDAExecutionProvider" not in ort.get_available_providers():
        return ["CPUExecutionProvider"]
    ort.preload_dlls()
    return [("CUDAExecutionProvider", {"use_tf32": "0", "arena_extend_strategy": "kSameAsRequested"}), "CPUExecutionProvider"]

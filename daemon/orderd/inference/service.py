"""orderd-infer: holds one model, replaces it on SIGHUP, answers until SIGTERM. Touches signals, the socket, the model folder.

A model is checked and loaded beside the one that answers; only when it passed everything is it swapped in. Without a model the
program still runs and says why, so that orderd's status can say it too.
"""

import logging
import os
import signal
import socket
import struct
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from orderd.config.schema import InferenceConfig
from orderd.domain.values import ModelInfo
from orderd.errors import InferenceError, ModelRefusedError
from orderd.inference.admission import admit
from orderd.inference.manifest import read_package
from orderd.inference.memory import trim
from orderd.inference.server import Server

if TYPE_CHECKING:
    from orderd.inference.session import Model

_LOG: Final = logging.getLogger("orderd.inference")
_CHECKING: Final = "the model is being checked"


class ModelSlot:
    """The one model that answers, or why none does; the swap is one assignment, so a reader sees the old or the new."""

    def __init__(self) -> None:
        """Start without a model."""
        self._model: Model | None = None
        self.info = ModelInfo(loaded=False, why=_CHECKING)

    def load(self, config: InferenceConfig) -> bool:
        """Check the configured model and put it in place; a refused one leaves the loaded one where it is.

        Returns:
            True when it was put in place.
        """
        try:
            self._load(config)
        except ModelRefusedError as error:
            _LOG.error("model refused: %s", error)
            if self._model is None:
                self.info = ModelInfo(loaded=False, why=str(error))
            return False
        return True

    def _load(self, config: InferenceConfig) -> None:
        package = read_package(Path(config.model_dir))
        admit(package)
        from orderd.inference.session import Model  # noqa: PLC0415  without a model to load, onnxruntime never costs memory

        model = Model(package, provider=config.provider)
        manifest = package.manifest
        self._model = model
        self.info = ModelInfo(loaded=True, version=manifest.version, sha256=manifest.sha256, provider=model.provider)
        _LOG.info("model order %s sha256 %s loaded on %s", manifest.version, manifest.sha256[:12], model.provider)
        if config.provider == "cuda" and model.provider != "CUDAExecutionProvider":
            _LOG.warning("inference.provider = 'cuda', but no CUDA device or library works here; the model runs on the CPU")

    def scores(self, kinds: bytes, host: bytes, rows: bytes) -> bytes:
        """Return a SCORES body.

        Raises:
            InferenceError: no model is loaded, or it did not answer sensibly.
        """
        model = self._model
        if model is None:
            raise InferenceError(self.info.why)
        answer = model.classify(kinds, host, rows)
        return answer.failure.tobytes() + struct.pack("<f", answer.wrong)


def _noted_by_the_wakeup_fd(_number: int, _frame: object) -> None:
    """Replace the default, which would end the program."""


class Service:
    """Ties signals, loading and serving together."""

    def __init__(self, config: InferenceConfig, listener: socket.socket) -> None:
        """Prepare to serve on a listening socket."""
        self._config = config
        self._slot = ModelSlot()
        self._server = Server(listener, self._slot)
        self._wakeup, self._signalled = socket.socketpair()
        self._running = True
        self._loader: threading.Thread | None = None
        self._again = False

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        self._watch_signals()
        self._start_loading()
        while self._running:
            self._server.step()
        self._server.close()

    def _watch_signals(self) -> None:
        for sock in (self._wakeup, self._signalled):
            sock.setblocking(False)  # noqa: FBT003  no keyword exists
        signal.set_wakeup_fd(self._signalled.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _noted_by_the_wakeup_fd)
        self._server.watch(self._wakeup, self._on_wakeup)

    def _on_wakeup(self) -> None:
        for number in self._wakeup.recv(64):
            if number == 0:
                self._loaded()
            elif number == signal.SIGHUP:
                self._start_loading()
            else:
                self._running = False

    def _start_loading(self) -> None:
        """Load in a thread, so that the model in place goes on answering; a second request during a load runs after it."""
        if self._loader is not None:
            self._again = True
            return
        self._loader = threading.Thread(target=self._load, name="loader", daemon=True)
        self._loader.start()

    def _load(self) -> None:
        self._slot.load(self._config)
        os.write(self._signalled.fileno(), b"\0")

    def _loaded(self) -> None:
        if self._loader is not None:
            self._loader.join()
        self._loader = None
        trim()
        self._server.announce()
        if self._again:
            self._again = False
            self._start_loading()

"""orderd's side of orderd-infer. Touches one unix socket; asyncio, no numpy and no onnxruntime.

A background task keeps one connection, with bounded backoff. A question that is not answered in time fails; its late answer is
recognised by its id and thrown away. orderd goes on with rules in every case, and ``info`` says why.
"""

import asyncio
import contextlib
import itertools
from typing import Final

from orderd.config.schema import InferenceConfig
from orderd.domain.values import ModelInfo, Scores
from orderd.domain.window import Window
from orderd.errors import InferenceError
from orderd.inference import protocol
from orderd.inference.protocol import HEADER, Frame, Header, Kind, Load, Loaded

OUTSTANDING_MAX: Final = 4
LOAD_S_MAX: Final = 90.0
"""A model is verified, parsed and tried in processes of its own; orderd-infer gives up on them after 80 s."""
_BACKOFF_S_MIN: Final = 0.1
_BACKOFF_S_MAX: Final = 5.0
_FIRST_INFO_S_MAX: Final = 1.0
_CANNOT_CONNECT: Final = "is orderd-infer.service running?"


class InferenceClient:
    """Asks orderd-infer to classify windows."""

    def __init__(self, config: InferenceConfig) -> None:
        """Remember where orderd-infer listens; nothing is connected before ``start``."""
        self._config = config
        self._info = ModelInfo(loaded=False, why="not connected yet" if config.enabled else "inference.enabled = false")
        self._ids = itertools.count(1)
        self._outstanding: dict[int, asyncio.Future[Scores]] = {}
        self._loads: dict[int, asyncio.Future[Loaded]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._informed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def info(self) -> ModelInfo:
        """Return which model answers, or why none does."""
        return self._info

    async def start(self) -> None:
        """Begin to connect; returns once orderd-infer said what it runs, or after a second at most."""
        if not self._config.enabled or self._task is not None:
            return
        self._task = asyncio.create_task(self._keep_connected(), name="inference-client")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_INFO_S_MAX):
                await self._informed.wait()

    async def close(self) -> None:
        """Disconnect."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def classify(self, window: Window) -> Scores:
        """Have the order model judge a window.

        Args:
            window: what to judge.

        Returns:
            Probabilities, in the window's order of entities.

        Raises:
            InferenceError: no model answers, it did not answer within ``inference.timeout_s``, or it answered nonsense.
        """
        writer = self._writer
        if writer is None:
            raise InferenceError(self._info.why)
        if len(self._outstanding) >= OUTSTANDING_MAX or writer.transport.get_write_buffer_size():
            msg = "earlier questions are unanswered or not even read; orderd-infer is behind or hung"
            raise InferenceError(msg)
        scores = await self._ask(writer, protocol.classify_frame(window, next(self._ids)))
        if len(scores.failures) != len(window.entities):
            msg = f"orderd-infer judged {len(scores.failures)} entities of {len(window.entities)}"
            raise InferenceError(msg)
        return scores

    async def load(self, folder: str, *, validate_only: bool = False) -> Loaded:
        """Have an installed model checked and, unless it is only to be validated, let it decide.

        Args:
            folder: name of a folder in ``inference.installed_dir``; empty: the model that came with orderd.
            validate_only: let nothing change.

        Returns:
            What became of it.

        Raises:
            InferenceError: orderd-infer is not there, or said nothing within LOAD_S_MAX.
        """
        writer = self._writer
        if writer is None:
            raise InferenceError(self._info.why)
        number = next(self._ids)
        answer: asyncio.Future[Loaded] = asyncio.get_running_loop().create_future()
        self._loads[number] = answer
        try:
            writer.write(protocol.load_frame(Load(folder=folder, validate_only=validate_only), number).encode())
            async with asyncio.timeout(LOAD_S_MAX):
                return await answer
        except TimeoutError as error:
            msg = f"orderd-infer did not finish checking the model within {LOAD_S_MAX:g} s"
            raise InferenceError(msg) from error
        finally:
            self._loads.pop(number, None)

    async def _ask(self, writer: asyncio.StreamWriter, question: Frame) -> Scores:
        answer: asyncio.Future[Scores] = asyncio.get_running_loop().create_future()
        self._outstanding[question.request_id] = answer
        try:
            writer.write(question.encode())
            async with asyncio.timeout(self._config.timeout_s):
                return await answer
        except TimeoutError as error:
            msg = f"orderd-infer did not answer within {self._config.timeout_s:g} s"
            raise InferenceError(msg) from error
        finally:
            self._outstanding.pop(question.request_id, None)

    async def _keep_connected(self) -> None:
        backoff_s = _BACKOFF_S_MIN
        while True:
            try:
                await self._converse()
                backoff_s = _BACKOFF_S_MIN
                why = "orderd-infer closed the connection"
            except (OSError, InferenceError) as error:
                why = f"{self._config.socket}: {getattr(error, 'strerror', None) or error}; {_CANNOT_CONNECT}"
            self._lose(why)
            await asyncio.sleep(backoff_s)
            backoff_s = min(backoff_s * 2, _BACKOFF_S_MAX)

    async def _converse(self) -> None:
        reader, writer = await asyncio.open_unix_connection(self._config.socket)
        try:
            writer.write(Frame(kind=Kind.INFO, request_id=0).encode())
            self._writer = writer
            await self._read(reader)
        except asyncio.IncompleteReadError:
            return
        finally:
            self._writer = None
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while True:
            header = protocol.decode_header(await reader.readexactly(HEADER.size))
            body = await reader.readexactly(header.body_bytes)
            if header.kind is Kind.INFO:
                self._info = protocol.decode_info(body)
                self._informed.set()
            else:
                self._settle(header, body)

    def _settle(self, header: Header, body: bytes) -> None:
        if header.kind is Kind.LOADED:
            load = self._loads.pop(header.request_id, None)
            if load is not None and not load.done():
                load.set_result(protocol.decode_loaded(body))
            return
        answer = self._outstanding.pop(header.request_id, None)
        if answer is None or answer.done():
            return  # it came after its deadline
        try:
            answer.set_result(protocol.decode_scores(header, body))
        except InferenceError as error:
            answer.set_exception(error)

    def _lose(self, why: str) -> None:
        self._info = ModelInfo(loaded=False, why=why)
        self._informed.set()
        for answer in (*self._outstanding.values(), *self._loads.values()):
            if not answer.done():
                answer.set_exception(InferenceError(why))
        self._outstanding.clear()
        self._loads.clear()

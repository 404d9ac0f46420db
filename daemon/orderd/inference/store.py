"""orderd's side of installed models: takes them in, has orderd-infer judge them, keeps the one before. Touches their folder.

Nothing here decides whether a model is good: orderd-infer does, before it lets it decide. The links are moved only afterwards, so
that a restart finds what was accepted. A model that was refused leaves nothing behind.

    NAME/{manifest.json,manifest.sig,model.onnx}   readable by orderd-infer
    current, previous                              links to two of them; without current, the model that came with orderd decides
"""

import asyncio
import contextlib
import os
import secrets
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final, Protocol

import msgspec

from orderd.config.schema import InferenceConfig
from orderd.domain.values import ModelInfo
from orderd.errors import ModelRefusedError, StateError
from orderd.inference.manifest import CURRENT, MANIFEST_BYTES_MAX, MANIFEST_FILE, MODEL_BYTES_MAX, MODEL_FILE, PREVIOUS
from orderd.inference.protocol import Loaded
from orderd.trust import SIGNATURE_FILE, Floor
from orderd.trust.signature import SIGNATURE_FILE_BYTES_MAX

FILES: Final = {
    MANIFEST_FILE: MANIFEST_BYTES_MAX,
    SIGNATURE_FILE: SIGNATURE_FILE_BYTES_MAX,
    MODEL_FILE: MODEL_BYTES_MAX,
}
"""What a model folder consists of, and how large each file may be."""
_STAGING: Final = "staging-"


class Asks(Protocol):
    """orderd-infer, as the client sees it."""

    @property
    def info(self) -> ModelInfo:
        """Return what decides now."""
        ...

    async def load(self, folder: str, *, validate_only: bool = False) -> Loaded:
        """Have a model checked and put in place; raises InferenceError."""
        ...


class Head(msgspec.Struct, frozen=True):
    """The part of a manifest that people are shown."""

    version: str
    sha256: str
    serial: int = 0
    not_after: str = ""
    key_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreStatus:
    """What is installed.

    Attributes:
        installed: newest serial first, each with whether it decides now.
        least: least serial this host still accepts.
    """

    installed: tuple[tuple[Head, bool], ...]
    least: int


@dataclass(slots=True)
class Staging:
    """A model folder being filled; a context manager that leaves nothing behind unless it was kept.

    Attributes:
        folder: of its own.
        sizes: bytes so far, by file.
        ended: it was discarded, or what was in it was installed.
    """

    folder: Path
    sizes: dict[str, int] = field(default_factory=dict[str, int])
    ended: bool = False
    _open: BinaryIO | None = None
    _name: str = ""

    def add(self, file: str, data: bytes) -> None:
        """Add a piece.

        Args:
            file: begins this file; empty: more of the one before.
            data: at most what the file may have in all.

        Raises:
            ValueError: it is no file of a model, comes twice, or is too large.
            StateError: it cannot be written (``no_space``).
        """
        try:
            self._add(file, data)
        except OSError as error:
            raise _no_room(error) from error

    def _add(self, file: str, data: bytes) -> None:
        if file:
            self._begin(file)
        elif self._open is None:
            raise ValueError("file: the first message has to name manifest.json, manifest.sig or model.onnx")
        self.sizes[self._name] += len(data)
        if self.sizes[self._name] > FILES[self._name]:
            raise ValueError(f"data: {self._name} is larger than {FILES[self._name]} bytes")
        assert self._open is not None
        self._open.write(data)

    def _begin(self, file: str) -> None:
        if file not in FILES or file in self.sizes:
            raise ValueError(f"file = {file[:80]!r}: wanted are {', '.join(FILES)}, each once")
        self.close()
        self.sizes[file] = 0
        self._name = file
        self._open = (self.folder / file).open("xb")
        os.fchmod(self._open.fileno(), 0o644)

    def close(self) -> None:
        """Make what was written durable."""
        if self._open is not None:
            with self._open as stream:
                stream.flush()
                os.fsync(stream.fileno())
            self._open = None

    def discard(self) -> None:
        """Remove it."""
        self.ended = True
        if self._open is not None:
            with contextlib.suppress(OSError):  # a full disk does not take what was not yet written
                self._open.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class ModelStore:
    """The models of this host."""

    def __init__(self, config: InferenceConfig, asks: Asks) -> None:
        """Hold the configuration; nothing is touched before the first use.

        Args:
            config: where models and the version floor are.
            asks: orderd-infer.
        """
        self._config = config
        self._directory = Path(config.installed_dir)
        self._asks = asks
        self._busy = asyncio.Lock()
        self._staging: Staging | None = None

    def status(self) -> StoreStatus:
        """Return what is installed. Reads a few files.

        Raises:
            TrustError: the version floor is damaged.
        """
        folders = [*(self._directory / name for name in self._targets()), Path(self._config.model_dir)]
        info = self._asks.info
        heads = list(dict.fromkeys(head for head in map(_head, folders) if head is not None))
        # One model may be installed twice, signed anew: the first of them, which the link names, is the one that decides.
        decides = next((head for head in heads if info.loaded and head.sha256 == info.sha256), None)
        rows = sorted(heads, key=lambda head: head.serial, reverse=True)
        marked = tuple((head, head == decides) for head in rows)
        return StoreStatus(installed=marked, least=Floor(Path(self._config.floor)).read().least)

    def stage(self) -> Staging:
        """Return an empty folder for a model that is being sent.

        Raises:
            StateError: another one is being sent or installed (``busy``), or it cannot be made (``no_space``).
        """
        if self._busy.locked() or (self._staging is not None and not self._staging.ended):
            raise StateError("busy", "another model is being installed; try again later")
        folder = self._directory / f"{_STAGING}{secrets.token_hex(4)}"
        try:
            self._make_directory()
            for left in self._directory.glob(f"{_STAGING}*"):
                shutil.rmtree(left, ignore_errors=True)
            folder.mkdir()
            folder.chmod(0o755)
        except OSError as error:
            raise _no_room(error) from error
        self._staging = Staging(folder)
        return self._staging

    async def install(self, staging: Staging, *, validate_only: bool = False) -> Loaded:
        """Have a staged model judged and, if it is good, let it decide from now on and after every restart.

        Args:
            staging: all of its files were added.
            validate_only: judge it, let nothing change.

        Raises:
            ValueError: a file is missing.
            ModelRefusedError: it was refused; what decided before goes on.
            InferenceError: orderd-infer is not there.
            StateError: it could not be kept (``no_space``).
        """
        missing = [name for name in (MANIFEST_FILE, MODEL_FILE) if name not in staging.sizes]
        if missing:
            raise ValueError(f"file: {' and '.join(missing)} was not sent")
        async with self._busy:
            try:
                await asyncio.to_thread(staging.close)
            except OSError as error:
                raise _no_room(error) from error
            loaded = await self._judged(staging.folder.name, validate_only=validate_only)
            if not validate_only:
                await asyncio.to_thread(self._keep, staging.folder, loaded)
        return loaded

    async def roll_back(self, *, validate_only: bool = False) -> Loaded:
        """Let the model before this one decide again; a second time brings this one back.

        Raises:
            StateError: there is none (``no_previous_model``), or it could not be kept (``no_space``).
            ModelRefusedError: it was refused; what decides goes on.
            InferenceError: orderd-infer is not there.
        """
        async with self._busy:
            current, previous = self._target(CURRENT), self._target(PREVIOUS)
            if not current and not previous:
                raise StateError(
                    "no_previous_model", "only the model that came with orderd is installed: there is none before it"
                )
            loaded = await self._judged(previous, validate_only=validate_only)
            if not validate_only:
                await asyncio.to_thread(self._point, previous, current)
        return loaded

    async def _judged(self, folder: str, *, validate_only: bool) -> Loaded:
        loaded = await self._asks.load(folder, validate_only=validate_only)
        if not loaded.accepted:
            raise ModelRefusedError(loaded.why)
        return loaded

    def _keep(self, folder: Path, loaded: Loaded) -> None:
        name = f"{loaded.serial}-{loaded.sha256[:12]}-{secrets.token_hex(2)}"
        try:
            folder.rename(self._directory / name)
            self._point(name, self._target(CURRENT))
        except OSError as error:
            raise _no_room(error) from error

    def _point(self, current: str, previous: str) -> None:
        """Move both links, then remove what neither names. Empty: no link."""
        try:
            # previous first: a crash in between leaves two links to the same model, never a link to nothing.
            self._link(PREVIOUS, previous)
            self._link(CURRENT, current)
        except OSError as error:
            raise _no_room(error) from error
        for folder in self._directory.iterdir():
            if folder.is_dir() and not folder.is_symlink() and folder.name not in {current, previous}:
                shutil.rmtree(folder, ignore_errors=True)

    def _link(self, link: str, target: str) -> None:
        if not target:
            (self._directory / link).unlink(missing_ok=True)
            return
        staged = self._directory / f".{link}.new"
        staged.unlink(missing_ok=True)
        staged.symlink_to(target)
        staged.replace(self._directory / link)

    def _target(self, link: str) -> str:
        try:
            return (self._directory / link).readlink().name
        except OSError:
            return ""

    def _targets(self) -> list[str]:
        return [target for target in map(self._target, (CURRENT, PREVIOUS)) if target]

    def _make_directory(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        self._directory.chmod(0o755)  # whatever the umask: orderd-infer reads it


def _no_room(error: OSError) -> StateError:
    return StateError("no_space", f"{error.filename or 'the model'}: {error.strerror}; the model was not installed")


def _head(folder: Path) -> Head | None:
    """Return who a model is, None where it cannot be read: status goes on without it."""
    try:
        with (folder / MANIFEST_FILE).open("rb") as stream:
            return msgspec.json.decode(stream.read(MANIFEST_BYTES_MAX), type=Head)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None

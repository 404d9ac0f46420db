"""The one model that answers, and how another takes its place. Touches model folders, through the gate's throwaway processes.

A model is checked and loaded beside the one that answers; only when it passed everything is it swapped in, in one assignment.
"""

import logging
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Final

from orderd.config.schema import InferenceConfig
from orderd.domain.values import ModelInfo
from orderd.errors import InferenceError, ModelRefusedError
from orderd.inference.manifest import CURRENT, PREVIOUS, Manifest, Package, read_package
from orderd.inference.protocol import Load, Loaded
from orderd.inference.trusted import Gate, Mark

if TYPE_CHECKING:
    from orderd.inference.session import Model

_LOG: Final = logging.getLogger("orderd.inference")
_CHECKING: Final = "the model is being checked"


class ModelSlot:
    """Holds the model that answers, or why none does; a reader sees the old one or the new one, never half of one."""

    def __init__(self, config: InferenceConfig, gate: Gate | None = None) -> None:
        """Start without a model.

        Args:
            config: where models are, and which provider runs them.
            gate: decides what may be loaded (None: as the configuration says).
        """
        self._config = config
        self._gate = gate or Gate(config)
        self._model: Model | None = None
        self._mark: Mark | None = None
        self.info = ModelInfo(loaded=False, why=_CHECKING)

    def load_configured(self) -> None:
        """Put the installed model in place, else the one before it, else the packaged one.

        While a model answers, only the first of them is tried: one that was damaged on the disk does not push a good one out of
        memory.
        """
        refusals: list[str] = []
        for folder in self._candidates():
            try:
                self._put(read_package(folder))
            except ModelRefusedError as error:
                _LOG.error("model refused: %s", error)
                refusals.append(str(error))
            else:
                self._tell(folder, refusals)
                return
            if self._model is not None:
                return
        self.info = ModelInfo(loaded=False, why=" | ".join(refusals))

    def load(self, asked: Load) -> Loaded:
        """Check one installed model and, unless it is only to be validated, put it in place.

        Returns:
            What became of it; a refused one leaves the loaded one where it is.
        """
        folder = Path(self._config.installed_dir) / asked.folder if asked.folder else Path(self._config.model_dir)
        manifest: Manifest | None = None
        try:
            package = read_package(folder)
            manifest = package.manifest
            if asked.validate_only:
                self._try(package)
            else:
                self._put(package)
                _LOG.info("asked for by orderd: %s", folder)
        except ModelRefusedError as error:
            _LOG.error("model refused: %s", error)
            return _told(manifest, why=str(error))
        return _told(manifest)

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

    def _candidates(self) -> list[Path]:
        installed = [Path(self._config.installed_dir) / link for link in (CURRENT, PREVIOUS)]
        found = [folder for folder in installed if folder.is_symlink()]
        # A link to the one before it counts only beside a current one: without it somebody went back to the packaged model.
        return [*(found if found and found[0].name == CURRENT else []), Path(self._config.model_dir)]

    def _try(self, package: Package) -> "Model":
        self._gate.check(package)
        from orderd.inference.session import Model  # noqa: PLC0415  without a model to load, onnxruntime never costs memory

        return Model(package, provider=self._config.provider)

    def _put(self, package: Package) -> None:
        model = self._try(package)
        self._mark = self._gate.accept(package, self._mark)
        self._model = model
        manifest = package.manifest
        self.info = ModelInfo(loaded=True, version=manifest.version, sha256=manifest.sha256, provider=model.provider)
        _LOG.info("model order %s sha256 %s loaded on %s", manifest.version, manifest.sha256[:12], model.provider)
        if self._config.provider == "cuda" and model.provider != "CUDAExecutionProvider":
            _LOG.warning("inference.provider = 'cuda', but no CUDA device or library works here; the model runs on the CPU")

    def _tell(self, folder: Path, refusals: list[str]) -> None:
        """Say that another model than the installed one decides."""
        if refusals:
            why = f"{refusals[0]}; the model in {folder} decides instead"
            _LOG.warning("%s", why)
            info = self.info
            self.info = ModelInfo(loaded=True, why=why, version=info.version, sha256=info.sha256, provider=info.provider)


def _told(manifest: Manifest | None, *, why: str = "") -> Loaded:
    if manifest is None:
        return Loaded(accepted=not why, why=why)
    return Loaded(
        accepted=not why,
        why=why,
        version=manifest.version,
        serial=manifest.serial,
        sha256=manifest.sha256,
        not_after=manifest.not_after,
        key_id=manifest.key_id,
    )

"""``orderctl replay --model``: decides a recorded decision again with a model that is not installed. Starts a throwaway process.

What was recorded comes from orderd, the model from a folder; configuration and catalogue are those of this machine. Nothing on
the host changes, and orderd's own model is not asked.
"""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from orderd.catalogue import load_repairs
from orderd.config import Config, load
from orderd.ctl.client import CtlError, Exit
from orderd.domain.repairs import Repair
from orderd.domain.values import ModelInfo, Scores
from orderd.domain.window import Window
from orderd.errors import CatalogueError, ConfigError, InferenceError, StateError
from orderd.inference.offline import framed
from orderd.loop.replay import Bench, replay
from orderd.v1 import decision_pb2
from orderd.wire import decision_from_wire, evidence_from_wire, replay_to_wire

_SCORE_S: Final = 60.0


def _answer(folder: Path, packed: bytes) -> dict[str, Any]:
    argv = [sys.executable, "-m", "orderd.inference.offline", str(folder)]
    try:
        done = subprocess.run(argv, input=framed(packed), capture_output=True, timeout=_SCORE_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise CtlError(Exit.REFUSED, f"--model {folder}: the model did not answer within {_SCORE_S:g} s") from error
    if done.returncode:
        complaint = done.stderr.decode(errors="replace").strip().splitlines() or ["the program that runs it died"]
        raise CtlError(Exit.REFUSED, f"--model {folder}: {complaint[-1]}")
    return json.loads(done.stdout)


def _read(file: Path) -> tuple[Config, dict[str, Repair]]:
    try:
        config = load(file) if file.exists() else Config()
        return config, dict(load_repairs(Path(config.executor.repairs_dir)).repairs)
    except (ConfigError, CatalogueError, OSError) as error:
        msg = f"--model decides with the configuration and the catalogue of {file}: {error}"
        raise CtlError(Exit.REFUSED, msg) from error


def replay_with(found: decision_pb2.GetDecisionResponse, model: Path, config_file: Path) -> decision_pb2.ReplayDecisionResponse:
    """Decide a recorded decision again with a model.

    Args:
        found: the decision with its evidence.
        model: a folder that holds model.onnx and manifest.json, or model.onnx in such a folder.
        config_file: orderd.toml; limits, modes and the catalogue are its.

    Raises:
        CtlError: the window was dropped, or the model was refused.
    """
    folder = model if model.is_dir() else model.parent
    evidence = evidence_from_wire(found.evidence, found.decision.id)
    if evidence.window is None:
        raise CtlError(Exit.REFUSED, "what it was decided from is no longer kept (journal.evidence_bytes_max)")
    told = _answer(folder, evidence.window)
    scores = Scores(failures=tuple(tuple(row) for row in told["answers"][0]["failures"]), wrong=told["answers"][0]["wrong"])

    async def classify(window: Window) -> Scores:
        if len(window.entities) != len(scores.failures):
            msg = "the model judged another number of entities"
            raise InferenceError(msg)
        return scores

    config, repairs = _read(config_file)
    info = ModelInfo(loaded=True, version=told["version"], provider=told["provider"])
    bench = Bench(classify=classify, info=info, config=config, repairs=repairs)
    try:
        return replay_to_wire(asyncio.run(replay(decision_from_wire(found.decision), evidence, bench)))
    except (StateError, ValueError) as error:
        raise CtlError(Exit.REFUSED, str(error)) from error

"""Writes a model folder: all of it or nothing. Touches models/<name>/.

The folder is filled under a temporary name beside its final one, admitted by orderd's own checks, and renamed. A reader never
sees half a model, and what orderd would refuse is never released.
"""

import hashlib
import os
import re
import shutil
import tempfile
from array import array
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from orderd.domain import schema
from orderd.inference.admission import admit
from orderd.inference.graph import inputs, outputs
from orderd.inference.manifest import MANIFEST_FILE, MODEL_FILE, VERSION_SHAPE, CanaryCase, Manifest, Package, read_package
from orderd.inference.session import Model
from ordertrainer.export.onnx_graph import OPSET, canary, parity, random_cases, to_onnx
from ordertrainer.nets.order import OrderNet

PARITY_MAX: Final = 1e-4
CARD_FILE: Final = "card.md"
CURRENT: Final = "current"
_CANARY_SEED: Final = 20_260_101
_PARITY_SEEDS: Final = range(1, 9)
_PARITY_SIZES: Final = (1, 2, 16, 64)


class ParityError(Exception):
    """onnxruntime does not repeat what torch says; the model is not released."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A model ready to be written.

    Attributes:
        package: manifest and graph.
        parity: largest absolute difference torch / onnxruntime over ``cases`` random windows.
        cases: how many windows were compared.
    """

    package: Package
    parity: float
    cases: int


def build(net: OrderNet, version: str) -> Built:
    """Export a module and prove that onnxruntime repeats it.

    Args:
        net: trained.
        version: of the release.

    Raises:
        ValueError: the version could not be the name of a folder.
        ParityError: the two engines differ by more than PARITY_MAX.
        ModelRefusedError: orderd would refuse this model.
    """
    if re.fullmatch(VERSION_SHAPE, version) is None:
        msg = f"version {version!r}: want letters, digits, '.', '+' and '-', at most 64, for example 0.1.0"
        raise ValueError(msg)
    model = to_onnx(net)
    manifest = Manifest(
        name="order",
        version=version,
        sha256=hashlib.sha256(model).hexdigest(),
        schema_digest=schema.schema_digest(),
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        opset=OPSET,
        inputs=inputs(schema.CURRENT),
        outputs=outputs(schema.CURRENT),
        canary=canary(net, random_cases(net, _CANARY_SEED)),
    )
    package = Package(manifest=manifest, model=model)
    admit(package)
    probes = [case for seed in _PARITY_SEEDS for case in canary(net, random_cases(net, seed, _PARITY_SIZES))]
    return Built(package=package, parity=_compare(Model(package, provider="cpu"), probes), cases=len(probes))


def _compare(model: Model, probes: list[CanaryCase]) -> float:
    worst = 0.0
    for case in probes:
        answer = model.classify(array("q", case.kinds).tobytes(), case.host, case.rows)
        worst = max(worst, parity(case, answer.failure, answer.wrong))
    if not worst <= PARITY_MAX:
        msg = f"torch and onnxruntime differ by {worst:.2g}; allowed is {PARITY_MAX:g}: an operator changed its meaning"
        raise ParityError(msg)
    return worst


def write(built: Built, card: str, models: Path, *, current: bool = True) -> Path:
    """Write the folder of a model that was built.

    Args:
        built: what ``build`` returned.
        card: text of card.md.
        models: folder of all versions, for example models/order.
        current: point ``current`` at this version.

    Returns:
        The new folder.

    Raises:
        FileExistsError: this version exists; a released version never changes.
    """
    version = built.package.manifest.version
    final = models / version
    if final.exists():
        msg = f"{final} exists; a released version never changes: choose another --version"
        raise FileExistsError(msg)
    models.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{version}.", dir=models))
    try:
        _fill(staging, built, card)
        read_package(staging)
        staging.rename(final)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    if current:
        point_current(models, version)
    return final


def _fill(folder: Path, built: Built, card: str) -> None:
    manifest = msgspec.json.format(msgspec.json.encode(built.package.manifest), indent=2) + b"\n"
    for name, content in ((MODEL_FILE, built.package.model), (MANIFEST_FILE, manifest), (CARD_FILE, card.encode())):
        with (folder / name).open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    folder.chmod(0o755)


def point_current(models: Path, version: str) -> None:
    """Have the link ``current`` name this version, in one step."""
    link = models / f".{CURRENT}.new"
    link.unlink(missing_ok=True)
    link.symlink_to(version)
    link.replace(models / CURRENT)

"""Admits a model, or refuses it, in a throwaway process with hard limits. Starts a subprocess, which parses and runs the model.

Parsers of foreign files crash, loop and allocate: so none of it happens first in the program that serves. The child gets bytes on
stdin, may not write a file or, after its imports, open one, and dies at its limits. Its verdict is one line of JSON on stdout.

    python -I -m orderd.inference.admission   <manifest bytes u32> <manifest.json> <model.onnx>   on stdin
"""

import os
import resource
import signal
import struct
import subprocess
import sys
from typing import Final

import msgspec

from orderd.errors import ModelRefusedError
from orderd.inference.manifest import MODEL_FILE, Package, decode_manifest

CPU_S_MAX: Final = 30
ADDRESS_SPACE_BYTES_MAX: Final = 3 << 30
WALL_S_MAX: Final = 60.0
_VERDICT_BYTES_MAX: Final = 4096
_LENGTH: Final = struct.Struct("<I")


class _Verdict(msgspec.Struct, frozen=True):
    admitted: bool
    why: str = ""


def admit(package: Package) -> None:
    """Have a throwaway process parse, load and try a model.

    Args:
        package: a model whose hash matches its manifest.

    Raises:
        ModelRefusedError: a check failed, or the process died or took too long; the message says which.
    """
    manifest = msgspec.json.encode(package.manifest)
    try:
        child = subprocess.run(
            [sys.executable, "-I", "-m", "orderd.inference.admission"],
            input=_LENGTH.pack(len(manifest)) + manifest + package.model,
            capture_output=True,
            timeout=WALL_S_MAX,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        msg = f"{MODEL_FILE}: admission: no verdict within {WALL_S_MAX:g} s"
        raise ModelRefusedError(msg) from error
    verdict = _read_verdict(child)
    if not verdict.admitted:
        msg = f"{MODEL_FILE}: {verdict.why}"
        raise ModelRefusedError(msg)


def _read_verdict(child: "subprocess.CompletedProcess[bytes]") -> _Verdict:
    try:
        return msgspec.json.decode(child.stdout[:_VERDICT_BYTES_MAX], type=_Verdict)
    except msgspec.DecodeError:
        return _Verdict(admitted=False, why=f"admission: the checking process {_how_it_ended(child)}")


def _how_it_ended(child: "subprocess.CompletedProcess[bytes]") -> str:
    if child.returncode < 0:
        return f"was killed by {signal.Signals(-child.returncode).name}"
    lines = child.stderr.decode(errors="replace").strip().splitlines() or ["said nothing"]
    return f"ended with status {child.returncode}: {lines[-1][:200]}"


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S_MAX, CPU_S_MAX))
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES_MAX, ADDRESS_SPACE_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _forbid_files() -> None:
    """No descriptor beyond the three standard ones can be opened from here on."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))


def _check(raw: bytes) -> None:
    # Imported here: the serving program imports this module, and must not carry the parser of ``onnx`` in memory.
    from orderd.inference.graph import check_graph  # noqa: PLC0415  only the throwaway process needs it
    from orderd.inference.session import Model  # noqa: PLC0415  only the throwaway process needs it

    _forbid_files()
    (length,) = _LENGTH.unpack_from(raw)
    manifest = decode_manifest(raw[_LENGTH.size : _LENGTH.size + length], "manifest.json")
    model = raw[_LENGTH.size + length :]
    check_graph(model, manifest)
    Model(Package(manifest=manifest, model=model), provider="cpu")


def main() -> None:
    """Check the model on stdin and print the verdict; the entry point of the throwaway process."""
    _limit()
    try:
        _check(sys.stdin.buffer.read())
        verdict = _Verdict(admitted=True)
    except ModelRefusedError as error:
        verdict = _Verdict(admitted=False, why=str(error)[: _VERDICT_BYTES_MAX // 8])
    os.write(sys.stdout.fileno(), msgspec.json.encode(verdict))


if __name__ == "__main__":
    main()

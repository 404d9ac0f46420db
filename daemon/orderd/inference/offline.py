"""``python -m orderd.inference.offline FOLDER``: what one model says of recorded windows. Thrown away when it has answered.

Reads packed windows from standard input (four bytes of length, little-endian, then the window; at most WINDOWS_MAX), writes one
line of JSON: version, provider, and for each window the failure probabilities by entity and P(anything wrong). The model passes
the same checks as one that decides, but for its signature: whoever asks names the file. Errors are one line, exit code 1.
"""

import json
import struct
import sys
from pathlib import Path
from typing import BinaryIO, Final

from orderd.domain.packed import unpack
from orderd.errors import InferenceError, ModelRefusedError

WINDOWS_MAX: Final = 1000
_WINDOW_BYTES_MAX: Final = 1 << 20
_LENGTH: Final = struct.Struct("<I")


def read_windows(stream: BinaryIO) -> list[bytes]:
    """Return the packed windows of a stream.

    Raises:
        ValueError: it is cut off, or holds more than is allowed.
    """
    windows: list[bytes] = []
    while head := stream.read(_LENGTH.size):
        if len(head) < _LENGTH.size or len(windows) == WINDOWS_MAX:
            msg = f"standard input is cut off, or holds more than {WINDOWS_MAX} windows"
            raise ValueError(msg)
        length = _LENGTH.unpack(head)[0]
        packed = stream.read(length) if length <= _WINDOW_BYTES_MAX else b""
        if len(packed) != length or not packed:
            msg = f"a window of {length} bytes: is cut off, or larger than {_WINDOW_BYTES_MAX}"
            raise ValueError(msg)
        windows.append(packed)
    return windows


def framed(packed: bytes) -> bytes:
    """Return a packed window as it is written to standard input."""
    return _LENGTH.pack(len(packed)) + packed


def score(folder: Path, windows: list[bytes]) -> dict[str, object]:
    """Return what a model says of windows.

    Args:
        folder: holds model.onnx and manifest.json.
        windows: packed.

    Raises:
        ModelRefusedError: the model did not pass its checks.
        InferenceError: it answered nonsense.
        ValueError: a window cannot be read.
    """
    from orderd.inference.admission import admit  # noqa: PLC0415 - what only reads windows needs neither onnx nor onnxruntime
    from orderd.inference.manifest import read_package  # noqa: PLC0415
    from orderd.inference.session import Model  # noqa: PLC0415

    read = [unpack(packed) for packed in windows]
    package = read_package(folder)
    admit(package)
    model = Model(package, provider="cpu")
    answers: list[dict[str, object]] = []
    for window in read:
        answer = model.classify(window.kinds.tobytes(), window.host.tobytes(), window.rows.tobytes())
        answers.append({"failures": answer.failure.tolist(), "wrong": answer.wrong})
    return {"version": package.manifest.version, "provider": model.provider, "answers": answers}


def main() -> int:
    """Run the program."""
    if len(sys.argv) != 2:  # noqa: PLR2004 - the program and its one argument
        sys.stderr.write("usage: python -m orderd.inference.offline FOLDER < windows\n")
        return 2
    try:
        told = score(Path(sys.argv[1]), read_windows(sys.stdin.buffer))
    except (ModelRefusedError, InferenceError, ValueError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(json.dumps(told) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

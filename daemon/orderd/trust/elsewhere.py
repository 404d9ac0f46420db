"""Has a throwaway process verify a signature, so that no program that stays holds a crypto library. Starts a subprocess.

Measured: 0.07 s a call; importing ``cryptography`` would leave 8 MiB (PSS) in each of orderd-infer and orderd-exec.
"""

import struct
import subprocess
import sys
from pathlib import Path
from typing import Final

from orderd.errors import TrustError
from orderd.trust.signature import SIGNATURE_FILE_BYTES_MAX, Purpose

WALL_S_MAX: Final = 20.0
PAYLOAD_BYTES_MAX: Final = 8 << 20
LENGTH: Final = struct.Struct("<I")
_ANSWER_BYTES_MAX: Final = 1024


def verify_elsewhere(payload: bytes, signature: bytes, trust_dir: Path, purpose: Purpose) -> str:
    """Check who signed something, in another process.

    Args:
        payload: the exact bytes of a manifest.
        signature: the bytes of the file beside it.
        trust_dir: public keys that may sign for this purpose.
        purpose: what it is going to be used for.

    Returns:
        The id of the key.

    Raises:
        TrustError: it is not to be trusted, or the process died or took too long; the message says which.
    """
    if len(payload) > PAYLOAD_BYTES_MAX or len(signature) > SIGNATURE_FILE_BYTES_MAX:
        raise TrustError(f"{len(payload)} bytes with a signature of {len(signature)}: more than a manifest can have")
    command = [sys.executable, "-I", "-m", "orderd.trust", "verify", "--purpose", purpose, "--trust-dir", str(trust_dir)]
    try:
        done = subprocess.run(
            command,
            input=LENGTH.pack(len(signature)) + signature + payload,
            capture_output=True,
            timeout=WALL_S_MAX,
            check=False,
            env={"LC_ALL": "C.UTF-8"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TrustError(f"the signature could not be checked: {error}") from error
    answer = done.stdout[:_ANSWER_BYTES_MAX].decode(errors="replace").strip()
    match done.returncode:
        case 0 if answer:
            return answer
        case 1 if answer:
            raise TrustError(answer)
        case _:
            lines = done.stderr.decode(errors="replace").strip().splitlines() or ["said nothing"]
            raise TrustError(
                f"the signature could not be checked: the checking process ended with {done.returncode}: {lines[-1][:200]}"
            )

"""``python -I -m orderd.trust verify --purpose P --trust-dir DIR``: the throwaway process that verifies one signature.

Standard input: length of the signature file (u32, little endian), the signature file, the payload. Standard output: the key id
and status 0, or one line that says why not and status 1. Touches the trust directory.
"""

import argparse
import resource
import sys
from pathlib import Path
from typing import Final

from orderd.errors import TrustError
from orderd.trust.elsewhere import LENGTH, PAYLOAD_BYTES_MAX
from orderd.trust.sign import verify
from orderd.trust.signature import SIGNATURE_FILE, SIGNATURE_FILE_BYTES_MAX, Purpose, decode_signature

_INPUT_BYTES_MAX: Final = LENGTH.size + SIGNATURE_FILE_BYTES_MAX + PAYLOAD_BYTES_MAX
_CPU_S_MAX: Final = 10
_ADDRESS_SPACE_BYTES_MAX: Final = 1 << 30


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S_MAX, _CPU_S_MAX))
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE_BYTES_MAX, _ADDRESS_SPACE_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> int:
    """Verify what is on standard input."""
    parser = argparse.ArgumentParser(prog="python -m orderd.trust", description=__doc__)
    parser.add_argument("command", choices=("verify",))
    parser.add_argument("--purpose", type=Purpose, choices=tuple(Purpose), required=True)
    parser.add_argument("--trust-dir", type=Path, required=True)
    arguments = parser.parse_args()
    _limit()
    raw = sys.stdin.buffer.read(_INPUT_BYTES_MAX + 1)
    (length,) = LENGTH.unpack_from(raw.ljust(LENGTH.size, b"\0"))
    end = LENGTH.size + length
    try:
        signature = decode_signature(raw[LENGTH.size : end], SIGNATURE_FILE)
        print(verify(raw[end:], signature, arguments.trust_dir, arguments.purpose))
    except TrustError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

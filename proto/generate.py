# ruff: noqa: INP001 - a script beside the files it reads, not part of a package
"""Generates daemon/orderd/v1 from proto/orderd/v1. Runs protoc in this process; writes only below the folder it is given.

Usage: ``python proto/generate.py [FOLDER]``. Without a folder it renews the committed code; the freshness test passes a temporary
one and compares. The import path ``orderd.v1`` follows from the folder structure under ``proto/``.
"""

import sys
from pathlib import Path

import grpc_tools
from grpc_tools import protoc

PROTO = Path(__file__).resolve().parent
PACKAGE = PROTO / "orderd" / "v1"
DAEMON = PROTO.parent / "daemon"


def generate(folder: Path) -> list[Path]:
    """Write message classes, their type stubs and the gRPC stubs.

    Args:
        folder: where the package path ``orderd/v1`` begins.

    Returns:
        The generated files, sorted.

    Raises:
        RuntimeError: protoc refused a file; it has printed why.
    """
    sources = sorted(str(path) for path in PACKAGE.glob("*.proto"))
    includes = [f"-I{PROTO}", f"-I{Path(grpc_tools.__file__).parent / '_proto'}"]
    outputs = [f"--{kind}_out={folder}" for kind in ("python", "pyi", "grpc_python")]
    if protoc.main(["protoc", *includes, *outputs, *sources]) != 0:
        msg = f"protoc refused a file of {PACKAGE}"
        raise RuntimeError(msg)
    return sorted((folder / "orderd" / "v1").glob("*_pb2*"))


if __name__ == "__main__":
    for path in generate(Path(sys.argv[1]) if len(sys.argv) > 1 else DAEMON):
        sys.stdout.write(f"{path}\n")

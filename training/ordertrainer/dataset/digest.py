"""The identity of a data set: one hash over everything that training can see. Reads a data directory."""

import hashlib
from pathlib import Path

from ordertrainer.serve.layout import Layout


def digest(root: Path) -> str:
    """Return the sha256 over labels, samples and entities: names and contents, in order of name.

    Returns:
        64 hexadecimal digits; equal only when the files are.
    """
    layout = Layout(root=root)
    files = [p for table in ("samples", "entities") for p in root.glob(f"{table}/host=*/*.parquet")]
    state = hashlib.sha256()
    for path in sorted([*files, *([layout.labels] if layout.labels.exists() else [])]):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        state.update(f"{path.relative_to(root)} {content}\n".encode())
    return state.hexdigest()

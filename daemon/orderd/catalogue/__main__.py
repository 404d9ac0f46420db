"""``python -m orderd.catalogue``: checks a catalogue, or writes its manifest. Touches the disk."""

import argparse
import sys
from pathlib import Path

from orderd.catalogue import load_repairs, manifest
from orderd.errors import CatalogueError


def main(argv: list[str] | None = None) -> int:
    """Run one command; exit status 1 when a folder was refused."""
    parser = argparse.ArgumentParser(prog="python -m orderd.catalogue", description=__doc__)
    parser.add_argument("command", choices=("check", "manifest"), help="check the contracts, or also write manifest.json")
    parser.add_argument("directory", type=Path, help="the folder of repairs")
    arguments = parser.parse_args(argv)
    try:
        return _check(arguments.directory, write=arguments.command == "manifest")
    except CatalogueError as error:
        print(error, file=sys.stderr)
        return 1


def _check(directory: Path, *, write: bool) -> int:
    catalogue = load_repairs(directory)
    for name, reason in catalogue.refused.items():
        print(f"refused {name}: {reason}", file=sys.stderr)
    if write:
        print(f"wrote {manifest.write(directory)}")
    print(f"{len(catalogue.repairs)} repairs, {len(catalogue.refused)} refused")
    return 1 if catalogue.refused else 0


if __name__ == "__main__":
    sys.exit(main())

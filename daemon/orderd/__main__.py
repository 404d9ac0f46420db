"""``orderd run | check | known-good``. The only place that reads arguments and the environment and sets up logging."""

import os

# Before any import that could pull them in: onnxruntime would write and upload, grpc would misbehave after a fork.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

import argparse
import asyncio
import gc
import logging
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final

from orderd import __version__
from orderd.config import Config, load
from orderd.config.load import DEFAULT_PATH
from orderd.errors import OrderdError
from orderd.memory import trim

_TRIM_AFTER_S: Final = 10.0


def main(argv: list[str] | None = None) -> int:
    """Run one command; 0 when it succeeded, 1 with one line when something is not allowed, 2 for wrong arguments."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    try:
        config = load(arguments.config)
        return arguments.command(config, arguments)
    except OrderdError as error:
        print(f"orderd: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="orderd", description="Keeps this host in order.")
    parser.add_argument("--version", action="version", version=f"orderd {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command, text in (
        ("run", _run, "watch, decide, repair, answer; what the service runs"),
        ("check", _check, "read the configuration and the catalogue, name every mistake, start nothing"),
        ("known-good", _known_good, "record the host as it is now: the state that repairs put back"),
    ):
        sub = commands.add_parser(name, help=text, description=text)
        sub.add_argument("--config", type=Path, default=DEFAULT_PATH, help=f"default: {DEFAULT_PATH}")
        sub.set_defaults(command=command)
        if name == "known-good":
            sub.add_argument("--keep", action="store_true", help="leave what was recorded before; record only what is new")
    return parser


def _run(config: Config, _arguments: argparse.Namespace) -> int:
    from orderd.app import run  # noqa: PLC0415  `check` must not need what `run` needs

    # What is loaded by now lives as long as the process: collecting it again and again costs time every second.
    gc.collect()
    gc.freeze()
    asyncio.run(_run_lean(run(config)))
    return 0


async def _run_lean(running: Coroutine[Any, Any, None]) -> None:
    """Run orderd, and give back what only starting needed once everything has been used for the first time."""
    trimming = asyncio.get_running_loop().call_later(_TRIM_AFTER_S, trim)
    try:
        await running
    finally:
        trimming.cancel()


def _check(config: Config, arguments: argparse.Namespace) -> int:
    from orderd.catalogue import load_repairs  # noqa: PLC0415  see above

    catalogue = load_repairs(Path(config.executor.repairs_dir))
    for name, why in catalogue.refused.items():
        print(f"repair {name} is refused: {why}", file=sys.stderr)
    print(
        f"{arguments.config}: good; mode {config.decision.mode}, {len(config.services)} services, {len(config.mounts)} mounts, "
        f"{len(catalogue.repairs)} repairs{f', {len(catalogue.refused)} refused' if catalogue.refused else ''}"
    )
    return 1 if catalogue.refused else 0


def _known_good(config: Config, arguments: argparse.Namespace) -> int:
    from orderd.sampling import known_good  # noqa: PLC0415  see above

    written = known_good.capture(config, keep=arguments.keep)
    kept = "; what was recorded before was kept: to record it afresh, run orderd known-good" if arguments.keep else ""
    print(f"recorded {len(written)} files in {config.sampling.known_good}{kept}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""``python -m orderd.sampling``: samples of this host as JSON lines, for people. Writes standard output."""

import argparse
import asyncio
import json
import logging
import math
from collections.abc import Iterable
from pathlib import Path

from orderd.config import load
from orderd.config.load import DEFAULT_PATH
from orderd.domain.clock import SystemClock
from orderd.domain.signals import ENTITY_SIGNALS, HOST_SIGNALS
from orderd.domain.values import Sample
from orderd.sampling.sampler import Sampler


def to_json(sample: Sample) -> str:
    """Return a sample as one line of JSON; missing signals are left out."""
    host = _present((signal.name for signal in HOST_SIGNALS), sample.host)
    entities = {str(row.entity): _present((s.name for s in ENTITY_SIGNALS), row.values) for row in sample.entities}
    line: dict[str, object] = {"mono_s": sample.at.mono_ns / 1e9, "cause": sample.cause, "host": host, "entities": entities}
    if sample.failed_collectors:
        line["failed_collectors"] = sample.failed_collectors
    return json.dumps(line)


def _present(names: Iterable[str], values: Iterable[float]) -> dict[str, float]:
    return {name: round(value, 6) for name, value in zip(names, values, strict=True) if not math.isnan(value)}


async def _print_samples(path: Path, *, once: bool) -> None:
    config = load(path)
    sampler = Sampler(config, SystemClock())
    await sampler.start()
    try:
        await sampler.sample("timer")  # rates need a first one
        while True:
            cause = await sampler.wait(config.sampling.period_s)
            if not once or cause == "timer":
                print(to_json(await sampler.sample(cause)), flush=True)
                if once:
                    return
    finally:
        await sampler.close()


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="python -m orderd.sampling", description="Print samples of this host.")
    parser.add_argument("--config", type=Path, default=DEFAULT_PATH)
    parser.add_argument("--once", action="store_true", help="one complete sample, then stop")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO)
    asyncio.run(_print_samples(arguments.config, once=arguments.once))


main()

"""The resolver: a copy of its configuration. Touches the disk."""

from pathlib import Path

from orderd.config.schema import Config
from orderd.sampling.known_good.writing import copy


def capture(config: Config, root: Path, *, keep: bool) -> list[Path]:
    """Copy resolv.conf, where the resolver is watched."""
    source, target = Path(config.resolver.resolv_conf), root / "resolv.conf"
    if not config.resolver.name or not source.exists() or (keep and target.exists()):
        return []
    return [copy(source, target)]

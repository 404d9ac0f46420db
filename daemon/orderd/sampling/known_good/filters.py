"""Filters: the record of nftables' rules. Root's alone: it says what a host lets in. Touches the disk; asks nft."""

import json
import subprocess
from pathlib import Path
from typing import Final

from orderd.config.schema import Config
from orderd.sampling.known_good.writing import SECRET_FILE_MODE, write_json

FILTERS: Final = "nft.json"
_NFT: Final = Path("/usr/sbin/nft")
_TIMEOUT_S: Final = 10.0


def capture(config: Config, root: Path, *, keep: bool) -> list[Path]:
    """Write down the rules as nft lists them; a host without nft has none."""
    del config
    target = root / FILTERS
    if keep and target.exists():
        return []
    return [write_json(_ruleset(), target, mode=SECRET_FILE_MODE)]


def _ruleset() -> object:
    if not _NFT.exists():
        return {"nftables": []}
    # Terse: what is in a set changes by itself where somebody is banned for a while.
    listed = subprocess.run(
        [_NFT, "--json", "--terse", "list", "ruleset"], check=True, capture_output=True, text=True, timeout=_TIMEOUT_S
    )
    return json.loads(listed.stdout)
